"""Values without fields in JSON, as messages or plain fields on the wire.

Source: apimachinery 1.36 `meta/v1/time_proto.go`, `util/intstr`, `api/resource`, `runtime/types_proto.go`.
"""

from __future__ import annotations

import calendar
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec

from refimpl.api import times
from refimpl.api.protobuf.wire import (
    FIXED64,
    LENGTH,
    VARINT,
    WireError,
    pack_double,
    parts,
    signed,
    sized,
    tag,
    unpack_double,
    varint,
)
from refimpl.clock import format_micro_time, format_time

Encode = Callable[[Any], bytes]
Decode = Callable[[bytes], Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN_TIME: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{6}))?Z")
_SECONDS, _NANOS = tag(1, VARINT), tag(2, VARINT)
_FIRST = tag(1, LENGTH)
_TYPE, _NUMBER, _STRING = tag(1, VARINT), tag(2, VARINT), tag(3, LENGTH)


@lru_cache(maxsize=4096)
def encode_time(text: str | None) -> bytes:
    """A `Time` or `MicroTime` as seconds and nanoseconds; nothing for the zero time."""
    if text is None:
        return b""
    match = _PLAIN_TIME.fullmatch(text)
    if match is None:
        canonical = times.canonical_micro(text) if "." in text else times.canonical(text)
        if canonical is None or (match := _PLAIN_TIME.fullmatch(canonical)) is None:
            return b""
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    return _SECONDS + varint(seconds) + _NANOS + varint(int(match.group(7) or 0) * 1000)


@lru_cache(maxsize=4096)
def decode_time(data: bytes) -> str | None:
    """A `Time` in whole seconds; None for the zero time."""
    moment = _moment(data)
    return None if moment is None else format_time(moment)


def decode_micro_time(data: bytes) -> str | None:
    """A `MicroTime` with six digits; None for the zero time."""
    moment = _moment(data)
    return None if moment is None else format_micro_time(moment)


def _moment(data: bytes) -> datetime | None:
    if not data:
        return None
    found = parts(data)
    seconds, nanoseconds = _signed(found.get(1), 64), _signed(found.get(2), 32)
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)
    except OverflowError:
        raise WireError("Time.MarshalJSON: year outside of range [0,9999]") from None


@lru_cache(maxsize=4096)
def encode_quantity(text: str | float) -> bytes:
    """A `Quantity`: its text in a message."""
    return _FIRST + sized(str(text).encode())


def decode_quantity(data: bytes) -> str:
    """The text of a `Quantity`."""
    return _text(parts(data).get(1, b""))


def encode_int_or_string(value: int | str) -> bytes:
    """An `IntOrString`: which of the two it is, and both."""
    if isinstance(value, int):
        return _TYPE + b"\x00" + _NUMBER + varint(value) + _STRING + b"\x00"
    return _TYPE + b"\x01" + _NUMBER + b"\x00" + _STRING + sized(value.encode())


def decode_int_or_string(data: bytes) -> int | str:
    """The number or the text of an `IntOrString`."""
    found = parts(data)
    kind = found.get(1, 0)
    if kind == 0:
        return _signed(found.get(2), 32)
    if kind == 1:
        return _text(found.get(3, b""))
    raise WireError("impossible IntOrString.Type")


def encode_raw(value: Any) -> bytes:
    """Any JSON value: its text in a message."""
    return _FIRST + sized(msgspec.json.encode(value))


def raw_of(data: bytes) -> bytes:
    """The bytes in a `RawExtension`, `FieldsV1` or similar message."""
    found = parts(data).get(1, b"")
    return found if isinstance(found, bytes) else b""


def _signed(value: bytes | int | None, bits: int) -> int:
    return signed(value, bits) if isinstance(value, int) else 0


def _text(value: bytes | int) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


def encode_bytes(text: str) -> bytes:
    """Bytes that JSON shows in base64."""
    return b64decode(re.sub(r"[\r\n]", "", text))


def decode_bytes(data: bytes) -> str:
    """Bytes as JSON shows them."""
    return b64encode(data).decode()


def encode_integer(value: int) -> bytes:
    """An int32 or int64."""
    return varint(value)


def encode_double(value: float) -> bytes:
    """A float64."""
    return pack_double(value)


def decode_double(data: bytes) -> float:
    """A float64."""
    found: float = unpack_double(data)[0]
    return found


ENCODERS: Final[dict[str, tuple[int, Encode]]] = {
    "s": (LENGTH, str.encode),
    "i": (VARINT, encode_integer),
    "l": (VARINT, encode_integer),
    "b": (VARINT, lambda value: b"\x01" if value else b"\x00"),
    "f": (FIXED64, encode_double),
    "y": (LENGTH, encode_bytes),
    "t": (LENGTH, encode_time),
    "T": (LENGTH, encode_time),
    "q": (LENGTH, encode_quantity),
    "x": (LENGTH, encode_int_or_string),
    "*": (LENGTH, encode_raw),
}
"""Wire type and encoding by the schema's type code."""

ZEROS: Final[dict[str, Any]] = {"s": "", "i": 0, "l": 0, "b": False, "f": 0.0, "y": "", "q": "0", "x": 0}
"""What an absent value in a map is, by type code."""
