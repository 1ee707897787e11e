"""Sets of fields: paths into an object, in memory and in the form `FieldsV1`.

A path is a tuple of elements as the wire has them: `f:spec` is a field, `k:{"name":"c"}` an item of a list by its keys,
`v:"x"` an item of a set.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from refimpl.api.errors import Object

Path = tuple[str, ...]
FieldSet = frozenset[Path]

NOTHING: FieldSet = frozenset()

_ITSELF = "."
_KINDS = frozenset({"f:", "k:", "v:", "i:"})


def field(name: str) -> str:
    """The element of a field or of a key of a map."""
    return f"f:{name}"


def keyed_item(keys: Iterable[tuple[str, Any]]) -> str:
    """The element of a list item that is known by some of its fields."""
    return f"k:{msgspec.json.encode(dict(sorted(keys))).decode()}"


def item(value: Any) -> str:
    """The element of an item of a set."""
    return f"v:{msgspec.json.encode(value).decode()}"


def to_wire(fields: FieldSet) -> Object:
    """The set as `fieldsV1`, elements sorted."""
    tree: Object = {}
    for path in sorted(fields):
        node = tree
        for element in path:
            node = node.setdefault(element, {})
        node[_ITSELF] = {}
    return {element: _without_lone_marks(below) for element, below in tree.items()}


def _without_lone_marks(node: Object) -> Object:
    if node.keys() == {_ITSELF}:
        return {}
    return {element: _without_lone_marks(below) for element, below in node.items()}


def is_wire(tree: Any) -> bool:
    """Whether a value has the form of a `fieldsV1`."""
    return isinstance(tree, dict) and all(
        (element == _ITSELF or element[:2] in _KINDS) and is_wire(below) for element, below in tree.items()
    )


def from_wire(tree: Object) -> FieldSet:
    """The set that a `fieldsV1` stands for."""
    found: set[Path] = set()
    _collect(tree, (), found)
    return frozenset(found)


def _collect(node: Object, path: Path, found: set[Path]) -> None:
    for element, below in node.items():
        if element == _ITSELF:
            found.add(path)
        elif below:
            _collect(below, (*path, element), found)
        else:
            found.add((*path, element))


def text(path: Path) -> str:
    """A path as error texts show it: `.spec.containers[name="c"].image`."""
    return "".join(_element_text(element) for element in path)


def _element_text(element: str) -> str:
    kind, _, rest = element.partition(":")
    match kind:
        case "f":
            return f".{rest}"
        case "k":
            keys = msgspec.json.decode(rest)
            return f"[{','.join(f'{key}={msgspec.json.encode(value).decode()}' for key, value in keys.items())}]"
        case "v":
            return f"[={rest}]"
        case _:
            return f"[{rest}]"
