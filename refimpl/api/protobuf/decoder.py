"""From messages to objects: one plan a type, made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from refimpl.api import jsontext
from refimpl.api.errors import Object
from refimpl.api.protobuf import types
from refimpl.api.protobuf.scalars import (
    ZEROS,
    decode_bytes,
    decode_double,
    decode_int_or_string,
    decode_micro_time,
    decode_quantity,
    decode_time,
    raw_of,
)
from refimpl.api.protobuf.types import Place
from refimpl.api.protobuf.unknown import MAGIC, unwrap
from refimpl.api.protobuf.wire import FIXED64, LENGTH, VARINT, WireError, read_varint, signed, skip
from refimpl.api.schema import ListOf, MapOf, Scalar, Struct, Type

Value = Callable[[Any], Any]
"""From an integer, or the bytes of anything else, to the JSON value."""
Put = Callable[[Object, Any], None]
"""Puts a decoded field into its object."""


class _Plan:
    """How one message is read.

    Attributes:
        name: of the Go type, for errors.
        fields: what to do with a field, by what stands before its value.
        names: Go name of each field, by number.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.fields: dict[int, tuple[int, Put]] = {}
        self.names: dict[int, str] = {}

    def add(self, number: int, name: str, wire_type: int, put: Put) -> None:
        """One more field."""
        self.fields[number << 3 | wire_type] = (wire_type, put)
        self.names[number] = name


def decode_struct(struct: Struct, data: bytes) -> Object:
    """The object in a message; fields that are not sent are absent, unknown ones are left out.

    Raises:
        WireError: the bytes are no such message.
    """
    obj: Object = {}
    _read(_plan(struct), data, obj)
    return obj


def _read(plan: _Plan, data: bytes, obj: Object) -> None:
    """Reads the fields of a message into an object: what comes twice is merged, or the last one counts."""
    at, end = 0, len(data)
    find = plan.fields.get
    while at < end:
        key = data[at]
        at += 1
        if key >= 0x80:
            key, at = read_varint(data, at - 1)
        found = find(key)
        if found is None:
            at = _unknown(plan, data, key, at)
            continue
        wire_type, put = found
        if wire_type == FIXED64:
            start, at = at, skip(data, at, wire_type)
            put(obj, data[start:at])
            continue
        number = data[at] if at < end else 0x80
        if number < 0x80:
            at += 1
        else:
            number, at = read_varint(data, at)
        if wire_type == VARINT:
            put(obj, number)
            continue
        start, at = at, at + number
        if at > end:
            raise WireError("unexpected EOF")
        put(obj, data[start:at])


def _unknown(plan: _Plan, data: bytes, key: int, at: int) -> int:
    """Passes over a field that the type does not have.

    Raises:
        WireError: the field has another wire type than it should have, or none.
    """
    number, wire_type = key >> 3, key & 7
    if not number:
        raise WireError(f"proto: {plan.name}: illegal tag {number} (wire type {key})")
    if number in plan.names:
        raise WireError(f"proto: wrong wireType = {wire_type} for field {plan.names[number]}")
    return skip(data, at, wire_type)


@cache
def _plan(struct: Struct) -> _Plan:
    plan = _Plan(struct.go_name)
    for field, place in types.places(struct):
        _add(plan, place.path, field.name, field.type, place)
    return plan


def _add(plan: _Plan, path: tuple[int, ...], name: str, kind: Type, place: Place) -> None:
    number = path[0]
    if len(path) > 1:
        # The embedded message fills the object that it is embedded in.
        inner = plan.fields.get(number << 3 | LENGTH)
        below = inner[1].plan if inner is not None and isinstance(inner[1], _Embedded) else _Plan(plan.name)
        _add(below, path[1:], name, kind, place)
        plan.add(number, _go_name(name, kind), LENGTH, _Embedded(below))
        return
    wire_type, put = _reader(name, kind, place)
    plan.add(number, _go_name(name, kind), wire_type, put)
    if isinstance(kind, ListOf) and wire_type == VARINT:
        # Numbers may come packed, all in one field.
        plan.fields[number << 3 | LENGTH] = (LENGTH, _put_packed(name, _value(kind.item)[1]))


def _go_name(name: str, kind: Type) -> str:
    return kind.go_name if name == "metadata" and isinstance(kind, Struct) else name[:1].upper() + name[1:]


def _reader(name: str, kind: Type, place: Place) -> tuple[int, Put]:
    """Wire type of a field, and what to do with its value."""
    match kind:
        case ListOf(item) if place.wrapped:
            return LENGTH, _put_value(name, _wrapped(item))
        case ListOf(item):
            wire_type, value = _value(item)
            return wire_type, _put_item(name, value)
        case MapOf(item):
            return LENGTH, _put_entry(name, item, place)
        case Struct():
            return LENGTH, _put_struct(name, kind)
        case _:
            wire_type, value = _value(kind)
            return wire_type, _put_value(name, value)


class _Embedded:
    """Reads an embedded message into the object around it."""

    def __init__(self, plan: _Plan) -> None:
        self.plan = plan

    def __call__(self, obj: Object, data: bytes) -> None:
        _read(self.plan, data, obj)


def _put_value(name: str, value: Value) -> Put:
    def put(obj: Object, data: Any) -> None:
        obj[name] = value(data)

    return put


def _put_struct(name: str, struct: Struct) -> Put:
    def put(obj: Object, data: Any) -> None:
        _read(_plan(struct), data, obj.setdefault(name, {}))

    return put


def _put_item(name: str, value: Value) -> Put:
    def put(obj: Object, data: Any) -> None:
        obj.setdefault(name, []).append(value(data))

    return put


def _put_packed(name: str, value: Value) -> Put:
    def put(obj: Object, data: bytes) -> None:
        items, at = obj.setdefault(name, []), 0
        while at < len(data):
            number, at = read_varint(data, at)
            items.append(value(number))

    return put


def _put_entry(name: str, item: Type, place: Place) -> Put:
    plan = _Plan("map entry")
    plan.add(1, "key", LENGTH, _put_value("key", _text))
    _add(plan, (2,), "value", item, place)
    zero = _zero(item)

    def put(obj: Object, data: Any) -> None:
        entry: Object = {"key": ""}
        _read(plan, data, entry)
        obj.setdefault(name, {})[entry["key"]] = entry["value"] if "value" in entry else zero()

    return put


def _zero(kind: Type) -> Callable[[], Any]:
    if isinstance(kind, Scalar):
        nothing = ZEROS.get(kind.code)
        return lambda: nothing
    return list if isinstance(kind, ListOf) else dict


def _wrapped(item: Type) -> Value:
    plan = _Plan("list")
    wire_type, value = _value(item)
    plan.add(1, "items", wire_type, _put_item("items", value))

    def decode(data: Any) -> list[Any]:
        holder: Object = {"items": []}
        _read(plan, data, holder)
        items: list[Any] = holder["items"]
        return items

    return decode


def _value(kind: Type) -> tuple[int, Value]:
    """Wire type and decoding of one value."""
    if isinstance(kind, Scalar):
        return _VALUES[kind.code]
    assert isinstance(kind, Struct), "lists of lists are not sent"
    return LENGTH, lambda data: decode_struct(kind, data)


def _raw(data: bytes) -> Any:
    """Any JSON value: its text, or an object in an envelope."""
    content = raw_of(data)
    if not content:
        return None
    if content.startswith(MAGIC):
        found = unwrap(content)
        struct = types.of_kind(found.api_version, found.kind)
        obj = {} if struct is None else decode_struct(struct, found.raw)
        return {**obj, "apiVersion": found.api_version, "kind": found.kind}
    try:
        return jsontext.decode(content)
    except jsontext.JsonError as wrong:
        raise WireError(str(wrong)) from None


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


_VALUES: Final[dict[str, tuple[int, Value]]] = {
    "s": (LENGTH, _text),
    "i": (VARINT, lambda value: signed(value, 32)),
    "l": (VARINT, lambda value: signed(value, 64)),
    "b": (VARINT, bool),
    "f": (FIXED64, decode_double),
    "y": (LENGTH, decode_bytes),
    "t": (LENGTH, decode_time),
    "T": (LENGTH, decode_micro_time),
    "q": (LENGTH, decode_quantity),
    "x": (LENGTH, decode_int_or_string),
    "*": (LENGTH, _raw),
}
