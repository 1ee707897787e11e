"""Strict decoding: which fields of an object its type does not have, and which keys are there twice.

The texts are those that `fieldValidation` Strict and Warn show (kube-apiserver 1.36): `unknown field "spec.bogus"`,
`duplicate field "metadata.name"`, in the order of the body, each once, at most 100.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from refimpl.api import jsontext
from refimpl.api.errors import Object
from refimpl.api.schema import ListOf, MapOf, Scalar, Struct, Type, of_kind

MOST: Final = 100

Suspicion = Callable[[Any], bool]


def unknown_fields(api_version: str, kind: str, obj: Object) -> list[str]:
    """What a strict server says about fields that the kind does not have; nothing for an unknown kind.

    Args:
        api_version: of the object's type.
        kind: of the object's type.
        obj: the object as it came, or as a patch left it.
    """
    struct = of_kind(api_version, kind)
    if struct is None or not _suspicion(struct)(obj):
        return []
    return _findings(struct, obj)


def strict_errors(api_version: str, kind: str, obj: Object, body: bytes, decoded: Object | None = None) -> list[str]:
    """What a strict server says about an object and the JSON text it came from: unknown and duplicate fields.

    Args:
        api_version: of the object's type.
        kind: of the object's type.
        obj: the decoded body.
        body: a valid JSON text; empty when the object came in another form.
        decoded: what became of the object in its type, where that is known: if nothing was lost, nothing was unknown.
    """
    if body and jsontext.has_duplicates(body, obj):
        struct = of_kind(api_version, kind)
        if struct is not None:
            return _findings(struct, jsontext.decode_pairs(body))
    if obj == decoded:
        return []
    return unknown_fields(api_version, kind, obj)


def duplicate_fields(body: bytes, document: Object | None = None) -> list[str]:
    """What a strict server says about repeated keys in a patch document.

    Args:
        body: the text of the document.
        document: what it decodes to, where that is known.
    """
    return [f'duplicate field "{path}"' for path in jsontext.duplicates(body, document)][:MOST]


def _findings(struct: Struct, obj: Any) -> list[str]:
    found: dict[str, None] = {}
    _walk(struct, obj, "", found)
    return list(found)[:MOST]


@cache
def _suspicion(struct: Struct) -> Suspicion:
    """A quick look for any unknown field, for the many objects that have none: it makes no paths."""
    # Types may contain themselves: the look into a field is made when one is met.
    below: dict[str, Suspicion | None] = {}

    def look(value: Any) -> bool:
        if value.__class__ is not dict:
            return False
        for key, member in value.items():
            if key not in below:
                if key not in struct.fields:
                    return True
                below[key] = _suspicion_of(struct.fields[key].type)
            deeper = below[key]
            if deeper is not None and deeper(member):
                return True
        return False

    return look


def _suspicion_of(kind: Type) -> Suspicion | None:
    if isinstance(kind, Scalar):
        return None
    if isinstance(kind, Struct):
        return _suspicion(kind)
    item = _suspicion_of(kind.item)
    if item is None:
        return None
    if isinstance(kind, ListOf):
        return lambda value: isinstance(value, list) and any(map(item, value))
    return lambda value: isinstance(value, dict) and any(map(item, value.values()))


def _walk(kind: Type, value: Any, path: str, found: dict[str, None]) -> None:
    match kind:
        case Struct():
            _walk_struct(kind, value, path, found)
        case ListOf(item) if isinstance(value, list):
            for index, below in enumerate(value):
                _walk(item, below, f"{path}[{index}]", found)
        case MapOf(item):
            _walk_map(item, value, path, found)


def _walk_struct(kind: Struct, value: Any, path: str, found: dict[str, None]) -> None:
    pairs = jsontext.members(value)
    if pairs is None:
        return
    fields = kind.fields
    seen = set()
    for key, below in pairs:
        place = f"{path}.{key}" if path else key
        if key in seen:
            found[f'duplicate field "{place}"'] = None
        seen.add(key)
        field = fields.get(key)
        if field is None:
            found[f'unknown field "{place}"'] = None
        elif below.__class__ not in _LEAVES:
            _walk(field.type, below, place, found)


def _walk_map(item: Type, value: Any, path: str, found: dict[str, None]) -> None:
    pairs = jsontext.members(value)
    if pairs is None:
        return
    seen = set()
    for key, below in pairs:
        if key in seen:
            found[f'duplicate field "{path}.{key}"'] = None
        seen.add(key)
        if below.__class__ not in _LEAVES:
            _walk(item, below, f"{path}.{key}", found)


_LEAVES: Final = frozenset({str, int, bool, float, type(None)})
