"""The wire format of protocol buffers, as far as Kubernetes uses it.

A message is a sequence of fields; each begins with its number and wire type in one varint.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
_START_GROUP: Final = 3
_END_GROUP: Final = 4
FIXED32: Final = 5

_UNSIGNED: Final = 2**64
_TOO_LONG: Final = 10

unpack_double: Final = struct.Struct("<d").unpack_from
pack_double: Final = struct.Struct("<d").pack


class WireError(ValueError):
    """Bytes that are no protobuf message; the texts are those of Go's generated code."""


def varint(value: int) -> bytes:
    """An integer of 64 bits; a negative one is sent as its two's complement."""
    if 0 <= value < 0x80:
        return SMALL[value]
    if value < 0:
        value += _UNSIGNED
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


SMALL: Final = tuple(bytes([value]) for value in range(0x80))
"""The integers of one byte."""


def sized(content: bytes) -> bytes:
    """A value with its length before it."""
    size = len(content)
    return (SMALL[size] if size < 0x80 else varint(size)) + content


@lru_cache(maxsize=1024)
def tag(number: int, wire_type: int) -> bytes:
    """What stands before the value of a field."""
    return varint(number << 3 | wire_type)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned integer and where the rest begins.

    Raises:
        WireError: the data ends within it, or it is too long.
    """
    result = shift = 0
    for position in range(at, at + _TOO_LONG):
        if position >= len(data):
            raise WireError("unexpected EOF")
        byte = data[position]
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & (_UNSIGNED - 1), position + 1
        shift += 7
    raise WireError("proto: integer overflow")


def read_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Where a length-delimited value begins and ends.

    Raises:
        WireError: it does not end within the data.
    """
    size, start = read_varint(data, at)
    if start + size > end:
        raise WireError("unexpected EOF")
    return start, start + size


def parts(data: bytes) -> dict[int, bytes | int]:
    """The fields of a small message by number; of a repeated one the last.

    Raises:
        WireError: the bytes are no message.
    """
    found: dict[int, bytes | int] = {}
    at, end = 0, len(data)
    while at < end:
        key = data[at]
        if key >= 0x80 or not key >> 3 or at + 1 >= end:
            return {number: value for number, _, value in fields(data)}
        value = data[at + 1]
        if key & 7 == LENGTH:
            size, at = (value, at + 2) if value < 0x80 else read_varint(data, at + 1)
            if at + size > end:
                raise WireError("unexpected EOF")
            found[key >> 3] = data[at : at + size]
            at += size
        elif key & 7 == VARINT:
            found[key >> 3], at = (value, at + 2) if value < 0x80 else read_varint(data, at + 1)
        else:
            return {number: value for number, _, value in fields(data)}
    return found


def signed(value: int, bits: int) -> int:
    """The number with a sign that an unsigned one of so many bits stands for."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def skip(data: bytes, at: int, wire_type: int) -> int:
    """Where the field after an unknown one begins.

    Raises:
        WireError: there is no such wire type, or a group does not end.
    """
    depth = 0
    while True:
        if wire_type == _START_GROUP:
            depth += 1
        elif wire_type == _END_GROUP:
            depth -= 1
            if depth < 0:
                raise WireError("proto: unexpected end of group")
        else:
            at = _skip_value(data, at, wire_type)
        if not depth:
            return at
        key, at = read_varint(data, at)
        wire_type = key & 7


def _skip_value(data: bytes, at: int, wire_type: int) -> int:
    if wire_type == VARINT:
        return read_varint(data, at)[1]
    if wire_type == LENGTH:
        return read_length(data, at, len(data))[1]
    if wire_type not in _FIXED:
        raise WireError(f"proto: illegal wireType {wire_type}")
    at += _FIXED[wire_type]
    if at > len(data):
        raise WireError("unexpected EOF")
    return at


_FIXED: Final = {FIXED64: 8, FIXED32: 4}
"""Bytes of a value, by wire type."""


def fields(data: bytes) -> Iterator[tuple[int, int, bytes | int]]:
    """Number, wire type and value of each field of a message: an integer, or the bytes of everything else.

    Raises:
        WireError: the bytes are no message.
    """
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, wire_type = key >> 3, key & 7
        if not number:
            raise WireError(f"proto: illegal tag 0 (wire type {wire_type})")
        if wire_type == VARINT:
            value, at = read_varint(data, at)
            yield number, wire_type, value
        elif wire_type == LENGTH:
            start, at = read_length(data, at, len(data))
            yield number, wire_type, data[start:at]
        else:
            start, at = at, skip(data, at, wire_type)
            yield number, wire_type, data[start:at]
