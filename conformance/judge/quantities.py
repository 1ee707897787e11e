"""Quantities as numbers, so that 4Gi and 4294967296 are the same."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_FORM = re.compile(r"(?P<number>[+-]?(\d+(\.\d*)?|\.\d+))(?P<unit>[KMGTPE]i|[numkMGTPE]?|[eE][+-]?\d+)")
_BINARY = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)}
_DECIMAL = {letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)}
_UNITS = {
    "": Decimal(1),
    "m": Decimal("1e-3"),
    "u": Decimal("1e-6"),
    "n": Decimal("1e-9"),
    **_BINARY,
    **_DECIMAL,
}


def amount(text: Any) -> Decimal | None:
    """A quantity in base units; None when the text is no quantity."""
    match = _FORM.fullmatch(str(text))
    if match is None:
        return None
    unit = match["unit"]
    scale = _UNITS[unit] if unit in _UNITS else Decimal(10) ** int(unit[1:])
    return Decimal(match["number"]) * scale


def same(one: Any, other: Any) -> bool:
    """Whether two texts are the same quantity."""
    return one is not None and amount(one) == amount(other)
