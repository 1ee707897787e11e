"""What keeps a configuration from being one of its type, in the words of server-side apply.

Source: structured-merge-diff 6 `typed/validate.go`; the values in the texts are Go's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from refimpl.api.errors import Object
from refimpl.api.gotext import go_text
from refimpl.api.ownership import fieldsets
from refimpl.api.ownership.fieldsets import Path
from refimpl.api.ownership.shapes import Shape, of_field, of_struct
from refimpl.api.schema import ListOf, MapOf, Scalar, Struct, Type

_TEXTS: Final = frozenset("styTq")
_NUMBERS: Final = frozenset("ilf")


def problems(struct: Struct, config: Object) -> str:
    """Everything that does not fit, each with its place; empty when all fits."""
    found = sorted({f"{fieldsets.text(path)}: {why}" for path, why in _of(struct, of_struct(struct), config, ())})
    return "\n  ".join(["errors:", *found]) if len(found) > 1 else "".join(found)


def _of(kind: Type, shape: Shape, value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if value is None:
        return
    match kind:
        case Scalar():
            yield from ((path, why) for why in _scalar(kind, value))
        case ListOf(item):
            yield from _list(item, shape, value, path)
        case MapOf() | Struct():
            yield from _map(kind, value, path)


def _scalar(kind: Scalar, value: Any) -> Iterator[str]:
    if kind.code in _TEXTS and not isinstance(value, str) and not (kind.code == "q" and _is_number(value)):
        shown = f'"{value}"' if isinstance(value, str) else go_text(value)
        yield f"expected string, got &value.valueUnstructured{{Value:{shown}}}"
    elif kind.code in _NUMBERS and not _is_number(value):
        yield "expected numeric (int or float), got *value.valueUnstructured"
    elif kind.code == "b" and not isinstance(value, bool):
        yield f"expected boolean, got {_pointed(value)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _pointed(value: Any) -> str:
    return f"&{{{go_text(json.loads(json.dumps(value, default=str)))}}}"


def _list(item: Type, shape: Shape, value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if not isinstance(value, list):
        yield path, f"expected list, got {_pointed(value)}"
        return
    seen: set[str] = set()
    for index, below in enumerate(value):
        element = f"i:{index}"
        if shape.kind == "list" and not isinstance(below, dict):
            yield path, f"element {index}: associative list with keys may not have non-map elements"
            continue
        if shape.kind in {"list", "set"}:
            element = shape.element(below)
            if element in seen:
                yield path, f"duplicate entries for key {fieldsets.text((element,))}"
            seen.add(element)
        yield from _of(item, shape.item or of_field(item, {}), below, (*path, element))


def _map(kind: MapOf | Struct, value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if not isinstance(value, dict):
        yield path, f"expected map, got {_pointed(value)}"
        return
    undeclared = []
    for name, below in value.items():
        place = (*path, fieldsets.field(name))
        if isinstance(kind, MapOf):
            yield from _of(kind.item, of_field(kind.item, {}), below, place)
        elif name in kind.fields:
            known = kind.fields[name]
            yield from _of(known.type, of_field(known.type, known.extras), below, place)
        else:
            undeclared.append(place)
    # The original looks no further once it has met a field that it does not know.
    for place in sorted(undeclared)[:1]:
        yield place, "field not declared in schema"
