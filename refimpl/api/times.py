"""Times as the API reads and writes them: `metav1.Time` (whole seconds) and `metav1.MicroTime` (six digits), in UTC.

Source: Go's `time.Parse`, whose error texts clients see, and `apimachinery/pkg/apis/meta/v1` (Kubernetes 1.36).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from refimpl.clock import format_micro_time, format_time

LAYOUT: Final = "2006-01-02T15:04:05Z07:00"
MICRO_LAYOUT: Final = "2006-01-02T15:04:05.000000Z07:00"

_STEPS: Final = (
    ("2006", re.compile(r"[0-9]{4}")),
    ("-", re.compile("-")),
    ("01", re.compile(r"[0-9]{2}")),
    ("-", re.compile("-")),
    ("02", re.compile(r"[0-9]{2}")),
    ("T", re.compile("T")),
    ("15", re.compile(r"[0-9]{2}")),
    (":", re.compile(":")),
    ("04", re.compile(r"[0-9]{2}")),
    (":", re.compile(":")),
    ("05", re.compile(r"[0-9]{2}")),
)
_FRACTION: Final = re.compile(r"([.,][0-9]+)?")
_SIX_DIGITS: Final = re.compile(r"[.,][0-9]{6}")
_ZONE: Final = re.compile(r"Z|[+-][0-9]{2}:[0-9]{2}")
_RANGES: Final = (
    ("month", 2, 1, 12),
    ("day", 4, 1, 31),
    ("hour", 6, 0, 23),
    ("minute", 8, 0, 59),
    ("second", 10, 0, 59),
)


_LENGTH: Final = len("2006-01-02T15:04:05Z")
_MICRO_LENGTH: Final = len("2006-01-02T15:04:05.000000Z")


@lru_cache(maxsize=4096)
def canonical(text: str) -> str | None:
    """A `Time` in whole seconds UTC; None for the zero time, which is written as null.

    Raises:
        ValueError: the text is no RFC 3339 time; says what Go says.
    """
    if len(text) == _LENGTH and _is_canonical(text):
        return text
    moment = _parse(text, LAYOUT, _FRACTION)
    return None if moment is None else format_time(moment)


@lru_cache(maxsize=4096)
def canonical_micro(text: str) -> str | None:
    """A `MicroTime` with six digits UTC; None for the zero time.

    Raises:
        ValueError: the text is no RFC 3339 time with exactly six fractional digits; says what Go says.
    """
    if len(text) == _MICRO_LENGTH and text[19] == "." and _is_canonical(text):
        return text
    moment = _parse(text, MICRO_LAYOUT, _SIX_DIGITS)
    return None if moment is None else format_micro_time(moment)


def _is_canonical(text: str) -> bool:
    """Whether a text of the right length is a time as it is written; the quick way for the many that are."""
    if text[4] != "-" or text[7] != "-" or text[10] != "T" or text[-1] != "Z" or text.startswith("000"):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _parse(text: str, layout: str, fraction: re.Pattern[str]) -> datetime | None:
    at = 0
    parts = []
    for step, pattern in (*_STEPS, (".000000", fraction), ("Z07:00", _ZONE)):
        match = pattern.match(text, at)
        if match is None:
            raise ValueError(f'parsing time "{text}" as "{layout}": cannot parse "{text[at:]}" as "{step}"')
        parts.append(match.group())
        at = match.end()
    if at < len(text):
        raise ValueError(f'parsing time "{text}": extra text: "{text[at:]}"')
    return _moment(text, parts)


def _moment(text: str, parts: list[str]) -> datetime | None:
    for name, index, least, most in _RANGES:
        if not least <= int(parts[index]) <= most:
            raise ValueError(f'parsing time "{text}": {name} out of range')
    year, month, day, hour, minute, second = (int(parts[index]) for index in range(0, 12, 2))
    digits = parts[11][1:7].ljust(6, "0") if parts[11] else "0"
    try:
        moment = datetime(max(year, 1), month, day, hour, minute, second, int(digits), tzinfo=UTC) - _offset(parts[12])
    except ValueError:
        raise ValueError(f'parsing time "{text}": day out of range') from None
    except OverflowError:
        return None
    return None if moment == datetime(1, 1, 1, tzinfo=UTC) else moment


def _offset(zone: str) -> timedelta:
    if zone == "Z":
        return timedelta()
    size = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    return -size if zone[0] == "-" else size
