"""From objects to messages: one function a type, made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from refimpl.api.errors import Object
from refimpl.api.protobuf import types
from refimpl.api.protobuf.scalars import ENCODERS, Encode
from refimpl.api.protobuf.types import Place
from refimpl.api.protobuf.wire import LENGTH, SMALL, sized, tag, varint
from refimpl.api.schema import Field, ListOf, MapOf, Scalar, Struct, Type

Append = Callable[[list[bytes], Any], None]
"""Appends the encoded field (number, length, value) to the parts of its message."""


@cache
def encoder(struct: Struct) -> Encode:
    """What turns an object of a type into its message; unknown fields and nulls are left out."""
    return _message([(field, place.path, place) for field, place in types.places(struct)])


def _message(places: Sequence[tuple[Field, tuple[int, ...], Place]]) -> Encode:
    """The encoder of a message with these fields; those with a longer path are in messages of their own."""
    own = {field.name: _append(field.type, path[0], place) for field, path, place in places if len(path) == 1}
    inner: dict[int, list[tuple[Field, tuple[int, ...], Place]]] = {}
    for field, path, place in places:
        if len(path) > 1:
            inner.setdefault(path[0], []).append((field, path[1:], place))
    embedded = [(tag(number, LENGTH), _message(below)) for number, below in inner.items()]
    append_of = own.get

    def encode(obj: Object) -> bytes:
        parts: list[bytes] = []
        for name, value in obj.items():
            append = append_of(name)
            if append is not None and value is not None:
                append(parts, value)
        for key, encode_embedded in embedded:
            content = encode_embedded(obj)
            if content:
                parts += (key, sized(content))
        return b"".join(parts)

    return encode


def _append(kind: Type, number: int, place: Place) -> Append:
    if isinstance(kind, ListOf):
        return _wrapped(kind.item, number) if place.wrapped else _list(kind.item, number)
    if isinstance(kind, MapOf):
        return _map(kind.item, number, place)
    wire_type, encode = _value(kind)
    return _single(tag(number, wire_type), wire_type, encode)


def _single(key: bytes, wire_type: int, encode: Encode) -> Append:
    if wire_type != LENGTH:
        return lambda parts, value: parts.extend((key, encode(value)))

    def append(parts: list[bytes], value: Any) -> None:
        content = encode(value)
        size = len(content)
        parts += (key, SMALL[size] if size < 0x80 else varint(size), content)

    return append


def _list(item: Type, number: int) -> Append:
    wire_type, encode = _value(item)
    one = _single(tag(number, wire_type), wire_type, encode)

    def append(parts: list[bytes], values: Sequence[Any]) -> None:
        for value in values:
            one(parts, value)

    return append


def _wrapped(item: Type, number: int) -> Append:
    inner = _list(item, 1)
    key = tag(number, LENGTH)

    def append(parts: list[bytes], values: Sequence[Any]) -> None:
        content: list[bytes] = []
        inner(content, values)
        parts += (key, sized(b"".join(content)))

    return append


_KEY: Final = tag(1, LENGTH)


def _map(item: Type, number: int, place: Place) -> Append:
    key, one = tag(number, LENGTH), _append(item, 2, place)

    def append(parts: list[bytes], values: Object) -> None:
        for name, value in values.items():
            entry = [_KEY, sized(name.encode())]
            if value is not None:
                one(entry, value)
            parts += (key, sized(b"".join(entry)))

    return append


def _value(kind: Type) -> tuple[int, Encode]:
    """Wire type and encoding of one value."""
    if isinstance(kind, Scalar):
        return ENCODERS[kind.code]
    assert isinstance(kind, Struct), "lists of lists are not sent"
    return LENGTH, _later(kind)


def _later(struct: Struct) -> Encode:
    """The encoder of a type that may contain itself: made when it is needed."""
    made: list[Encode] = []

    def encode(obj: Object) -> bytes:
        if not made:
            made.append(encoder(struct))
        return made[0](obj)

    return encode
