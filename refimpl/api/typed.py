"""What a typed server does with an object it reads: Go's decoding, and what is left after it.

kube-apiserver decodes every object into Go structs and answers what those structs encode to. So it drops unknown
fields and nulls, refuses wrong types, writes quantities and times in their canonical form, leaves out empty optional
fields and shows the zero values of required ones (`nodeInfo`, `resources: {}`, `lastProbeTime: null`).

Source: Go's `encoding/json` and the Kubernetes 1.36 types.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, Final

import attrs

from refimpl.api import jsontext, quantity, times
from refimpl.api.errors import Object
from refimpl.api.schema import GO_TYPES, Field, ListOf, MapOf, Scalar, Struct, Type, of_kind

Convert = Callable[[Any], Any]

_LIMITS: Final = {"i": 2**31, "l": 2**63}


class DecodeError(ValueError):
    """An object that does not fit its type; the text is Go's, e.g. `json: cannot unmarshal string into ...`.

    Attributes:
        restoring: what is said instead where the object was no text but a tree already, as after a strategic merge.
    """

    def __init__(self, text: str, restoring: str = "") -> None:
        super().__init__(text)
        self.restoring = restoring or text


class _Mismatch(Exception):
    """A JSON value of the wrong type, on its way up to where its path is known."""

    def __init__(self, value: Any, go_type: str, go_kind: str) -> None:
        super().__init__(value, go_type)
        self.value = value
        self.go_type = go_type
        self.go_kind = go_kind
        self.struct = ""
        self.path: list[str] = []

    def inside(self, struct: str, field: str) -> None:
        """Notes the struct and field that hold the value; called from the innermost outwards."""
        self.struct = self.struct or struct
        self.path.insert(0, field)

    @property
    def quotes_number(self) -> bool:
        """Whether the error text shows a number as it was written."""
        return isinstance(self.value, float) and self.go_type in {"int32", "int64"}

    def text(self) -> str:
        """The whole error text."""
        place = f"Go struct field {self.struct}.{'.'.join(self.path)}" if self.path else "Go value"
        return f"json: cannot unmarshal {_shown(self.value, self.go_type)} into {place} of type {self.go_type}"

    def restoring(self) -> str:
        """The error text of the converter that fills structs from trees."""
        found = _GO_KINDS.get(type(self.value), "float64")
        if self.go_kind == "struct":
            return f"cannot restore struct from: {found}"
        if self.go_kind in {"map", "slice"}:
            return f"cannot restore {self.go_kind} from {found}"
        # Go can turn any number into another, and a whole one into a character.
        if (found in _NUMBERS and self.go_kind in _NUMBERS) or (found, self.go_kind) == ("int64", "string"):
            return f"cannot convert {found} to {self.go_type}"
        return f"unrecognized type: {self.go_kind}"


_GO_KINDS: Final = {dict: "map", list: "slice", str: "string", bool: "bool", int: "int64"}
_NUMBERS: Final = ("int32", "int64", "float64")


def _shown(value: Any, go_type: str) -> str:
    kind = jsontext.type_name(value)
    if kind == "number" and go_type in {"int32", "int64", "float64"}:
        return f"number {getattr(value, 'text', value)}"
    return kind


@attrs.frozen
class _Plan:
    """How one struct is converted.

    Attributes:
        go_name: its name in errors.
        fields: by name, the conversion, whether an empty result is left out, and the class of values that need no
            conversion.
        always: fields that are shown even when they were not given, with their zero values.
    """

    go_name: str
    go_type: str
    fields: dict[str, tuple[Convert, bool, type | None]]
    always: tuple[tuple[str, Convert], ...]


def decode(api_version: str, kind: str, obj: Object, body: bytes = b"") -> Object:
    """The object as a typed server holds it; a new tree.

    Args:
        api_version: of the object's type.
        kind: of the object's type.
        obj: the object as it came; it is not changed.
        body: the JSON text it came from, if any: errors quote numbers as they were written.

    Raises:
        DecodeError: a value has the wrong type or form.
        KeyError: there is no such kind.
    """
    struct = of_kind(api_version, kind)
    if struct is None:
        raise KeyError(f"{api_version} {kind}")
    return decode_struct(struct, obj, body)


def decode_struct(struct: Struct, obj: Any, body: bytes = b"") -> Object:
    """Like `decode`, for a type that is at hand.

    Raises:
        DecodeError: a value has the wrong type or form.
    """
    try:
        return _struct(_plan(struct), obj)
    except _Mismatch as wrong:
        if wrong.quotes_number and body:
            return decode_struct(struct, jsontext.decode_with_literals(body))
        raise DecodeError(wrong.text(), wrong.restoring()) from None
    except quantity.QuantityError as wrong:
        raise DecodeError(wrong.reason) from None


def _struct(plan: _Plan, value: Any) -> Object:
    if not isinstance(value, dict):
        raise _Mismatch(value, plan.go_type, "struct")
    result: Object = {}
    field_of = plan.fields.get
    key = ""
    try:
        for key, below in value.items():
            entry = field_of(key)
            if entry is None or below is None:
                continue
            convert, drops_empty, ready_made = entry
            converted = below if below.__class__ is ready_made else convert(below)
            if drops_empty and not converted:
                continue
            result[key] = converted
    except _Mismatch as wrong:
        wrong.inside(plan.go_name, key)
        raise
    for key, zero in plan.always:
        if key not in result:
            result[key] = zero(None)
    return result


@cache
def _plan(struct: Struct) -> _Plan:
    fields = struct.fields.values()
    return _Plan(
        go_name=struct.go_name,
        go_type=struct.go_type,
        fields={field.name: (_conversion(field), _drops_empty(field), _ready_made(field)) for field in fields},
        always=tuple((field.name, _zero(field)) for field in fields if _always_shown(field)),
    )


def _ready_made(field: Field) -> type | None:
    code = field.type.code if isinstance(field.type, Scalar) else ""
    return {"s": str, "b": bool}.get(code)


def _drops_empty(field: Field) -> bool:
    """Go leaves out empty scalars, lists and maps, never what a pointer points to; structs and times with omitzero."""
    if field.omitzero:
        return True
    if field.pointer:
        # A time of zero is as good as none; Go would write a null that it reads back as none.
        return field.omitempty and isinstance(field.type, Scalar) and field.type.code in "tT"
    if not field.omitempty:
        return False
    return not isinstance(field.type, Struct) and not (isinstance(field.type, Scalar) and field.type.code in "tTqx*")


def _always_shown(field: Field) -> bool:
    if field.omitzero:
        return False
    return not field.omitempty or not (field.pointer or _drops_empty(field))


def _zero(field: Field) -> Convert:
    if field.pointer:
        return lambda _: None
    kind = field.type
    if isinstance(kind, Struct):
        return lambda _: _struct(_plan(kind), {})
    if isinstance(kind, Scalar):
        nothing = _nothing(kind)
        return lambda _: nothing
    return lambda _: None


def _nothing(kind: Scalar) -> Any:
    return {"s": "", "i": 0, "l": 0, "f": 0, "b": False, "q": "0", "x": 0}.get(kind.code)


def _conversion(field: Field) -> Convert:
    convert = _convert(field.type)
    if field.omitempty or field.pointer or isinstance(field.type, Struct | Scalar):
        return convert
    # The store keeps no difference between an empty list and none.
    return lambda value: convert(value) or None


def _convert(kind: Type) -> Convert:
    match kind:
        case Scalar():
            return _scalar(kind)
        case ListOf(item):
            return _list(kind, item)
        case MapOf(item):
            return _map(kind, item)
        case _:
            return lambda value: _struct(_plan(kind), value)


def _list(kind: ListOf, item: Type) -> Convert:
    convert, absent = _convert(item), _absent(item)

    def convert_list(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise _Mismatch(value, kind.go_type, "slice")
        return [absent() if below is None else convert(below) for below in value]

    return convert_list


def _map(kind: MapOf, item: Type) -> Convert:
    convert, absent = _convert(item), _absent(item)
    if isinstance(item, Scalar) and item.code == "q":
        convert = quantity.canonical_milli

    def convert_map(value: Any) -> Object:
        if not isinstance(value, dict):
            raise _Mismatch(value, kind.go_type, "map")
        return {key: absent() if below is None else convert(below) for key, below in value.items()}

    return convert_map


def _absent(item: Type) -> Callable[[], Any]:
    """What a null in a list or map becomes."""
    if isinstance(item, Struct):
        return lambda: _struct(_plan(item), {})
    nothing = _nothing(item) if isinstance(item, Scalar) else None
    return lambda: nothing


def _scalar(kind: Scalar) -> Convert:
    match kind.code:
        case "s":
            return _instance_of(str, kind.go_type, "string")
        case "b":
            return _instance_of(bool, kind.go_type, "bool")
        case "i" | "l" as size:
            return _integer(kind.go_type, GO_TYPES[size], _LIMITS[size])
        case other:
            return _CONVERSIONS[other]


def _instance_of(wanted: type, go_type: str, go_kind: str) -> Convert:
    def convert(value: Any) -> Any:
        if value.__class__ is not wanted:
            raise _Mismatch(value, go_type, go_kind)
        return value

    return convert


def _integer(go_type: str, go_kind: str, limit: int) -> Convert:
    def convert(value: Any) -> int:
        if value.__class__ is not int or not -limit <= value < limit:
            raise _Mismatch(value, go_type, go_kind)
        return int(value)

    return convert


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Mismatch(value, GO_TYPES["f"], "float64")
    return value


def _time(value: Any) -> str | None:
    return _parsed(value, times.canonical)


def _micro_time(value: Any) -> str | None:
    return _parsed(value, times.canonical_micro)


def _parsed(value: Any, canonical: Callable[[str], str | None]) -> str | None:
    if not isinstance(value, str):
        raise DecodeError(f"json: cannot unmarshal {jsontext.type_name(value)} into Go value of type string")
    try:
        return canonical(value)
    except ValueError as wrong:
        raise DecodeError(str(wrong)) from None


def _int_or_string(value: Any) -> int | str:
    if isinstance(value, str):
        return value
    if value.__class__ is not int or not -(2**31) <= value < 2**31:
        raise DecodeError(f"json: cannot unmarshal {_shown(value, 'int32')} into Go value of type int32")
    return int(value)


@lru_cache(maxsize=256)
def _base64_text(text: str) -> str:
    packed = re.sub(r"[\r\n]", "", text)
    try:
        return b64encode(b64decode(packed, validate=True)).decode()
    except (binascii.Error, ValueError):
        wrong = re.search(r"[^A-Za-z0-9+/=]|=(?!=?$)", packed)
        at = wrong.start() if wrong else len(packed) // 4 * 4
        why = f"illegal base64 data at input byte {at}"
        raise DecodeError(why, f"error decoding from json: {why}") from None


def _base64(value: Any) -> str:
    if not isinstance(value, str):
        raise _Mismatch(value, GO_TYPES["y"], "slice")
    return _base64_text(value)


_CONVERSIONS: Final[dict[str, Convert]] = {
    "f": _number,
    "y": _base64,
    "t": _time,
    "T": _micro_time,
    "q": quantity.canonical,
    "x": _int_or_string,
    "*": lambda value: value,
}
