"""Types of the schema as OpenAPI v3 component schemas, with the extensions Kubernetes publishes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from refimpl.api.schema import Field, ListOf, MapOf, Scalar, Schema, Struct, Type

Json = dict[str, Any]

PREFIX: Final = "#/components/schemas/"
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
PATCH: Final = f"{_META}Patch"

# Types that are no structs here but have a name, which clients look for, in the published documents.
_NAMED: Final[Mapping[str, tuple[str, Json]]] = {
    "t": (f"{_META}Time", {"description": "Time in RFC 3339 form.", "type": "string", "format": "date-time"}),
    "T": (
        f"{_META}MicroTime",
        {"description": "Time in RFC 3339 form, with microseconds.", "type": "string", "format": "date-time"},
    ),
    "q": (
        "io.k8s.apimachinery.pkg.api.resource.Quantity",
        {
            "description": "Amount of a resource, with an optional suffix: 100m, 1.5Gi.",
            "oneOf": [{"type": "string"}, {"type": "number"}],
        },
    ),
    "x": (
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
        {
            "description": "An integer or a string.",
            "format": "int-or-string",
            "oneOf": [{"type": "integer"}, {"type": "string"}],
        },
    ),
    "*": ("io.k8s.apimachinery.pkg.runtime.RawExtension", {"description": "Any object.", "type": "object"}),
}
_PLAIN: Final[Mapping[str, Json]] = {
    "s": {"type": "string"},
    "i": {"type": "integer", "format": "int32"},
    "l": {"type": "integer", "format": "int64"},
    "f": {"type": "number", "format": "double"},
    "b": {"type": "boolean"},
    "y": {"type": "string", "format": "byte"},
}
_ZERO: Final[Mapping[str, Any]] = {"s": "", "i": 0, "l": 0, "f": 0, "b": False}


def ref(name: str) -> Json:
    """A reference to a component schema."""
    return {"$ref": f"{PREFIX}{name}"}


def components(schema: Schema, roots: Iterable[Struct]) -> Json:
    """All component schemas that the given types need, by name."""
    found: dict[str, Json] = {PATCH: {"description": "A patch in any of the accepted formats.", "type": "object"}}
    pending = list(roots)
    while pending:
        struct = pending.pop()
        if struct.name in found:
            continue
        found[struct.name] = _struct(struct)
        for field in struct.fields.values():
            for below in _below(field.type):
                if isinstance(below, Struct):
                    pending.append(schema.struct(below.name))
                elif below.code in _NAMED:
                    name, definition = _NAMED[below.code]
                    found[name] = definition
    return dict(sorted(found.items()))


def _below(kind: Type) -> Iterator[Struct | Scalar]:
    while isinstance(kind, ListOf | MapOf):
        kind = kind.item
    yield kind


def _struct(struct: Struct) -> Json:
    result: Json = {"description": struct.description, "type": "object"}
    required = [field.name for field in struct.fields.values() if field.required]
    if required:
        result["required"] = required
    if struct.fields:
        result["properties"] = {name: _field(field) for name, field in struct.fields.items()}
    if struct.kinds:
        result["x-kubernetes-group-version-kind"] = [
            {"group": group, "version": version, "kind": kind} for group, version, kind in struct.kinds
        ]
    if struct.map_type:
        result["x-kubernetes-map-type"] = struct.map_type
    return result


def _field(field: Field) -> Json:
    described = {"description": field.description} if field.description else {}
    shown = _shown(field.type)
    if "$ref" in shown:
        shown = {"allOf": [shown]}
    default = {} if field.pointer or not field.required else _default(field.type)
    return {**described, **shown, **default, **field.extras}


def _default(kind: Type) -> Json:
    """Zero values of required fields, as the published documents give them."""
    if isinstance(kind, Struct):
        return {"default": {}}
    return {"default": _ZERO[kind.code]} if isinstance(kind, Scalar) and kind.code in _ZERO else {}


def _shown(kind: Type) -> Json:
    match kind:
        case ListOf(item):
            return {"type": "array", "items": _shown(item)}
        case MapOf(item):
            return {"type": "object", "additionalProperties": _shown(item)}
        case Struct():
            return ref(kind.name)
        case Scalar(code=code):
            return ref(_NAMED[code][0]) if code in _NAMED else dict(_PLAIN[code])
