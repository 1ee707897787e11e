"""What is done to objects part by part: which fields they have, how two differ, how one is laid over another.

Source: structured-merge-diff 6 `typed` (`toset.go`, `compare.go`, `merge.go`, `remove.go`).
"""

from __future__ import annotations

import copy
from typing import Any, Final

import attrs

from refimpl.api.errors import Object
from refimpl.api.ownership.fieldsets import FieldSet, Path
from refimpl.api.ownership.shapes import Shape

_MISSING: Final = object()


def fields(shape: Shape, obj: Object) -> FieldSet:
    """The fields that a configuration names."""
    found: set[Path] = set()
    _collect(shape, obj, (), found)
    return frozenset(found)


def _collect(shape: Shape, value: Any, path: Path, found: set[Path]) -> None:
    if shape.kind == "leaf":
        found.add(path)
        return
    itself = shape.kind != "struct"
    for element, below, kind in shape.members(value):
        place = (*path, element)
        if itself or below is None or below == {}:
            found.add(place)
        _collect(kind, below, place, found)


@attrs.frozen
class Difference:
    """How one object differs from another.

    Attributes:
        added: fields that only the second has.
        modified: fields that have another value.
        removed: fields that only the first has.
    """

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    @property
    def written(self) -> FieldSet:
        """What whoever made the second of the first has set."""
        return self.added | self.modified


@attrs.define
class _Found:
    added: set[Path] = attrs.field(factory=set)
    modified: set[Path] = attrs.field(factory=set)
    removed: set[Path] = attrs.field(factory=set)


def difference(shape: Shape, old: Object, new: Object) -> Difference:
    """How a new object differs from an old one."""
    found = _Found()
    _compare(shape, old, new, (), found)
    return Difference(frozenset(found.added), frozenset(found.modified), frozenset(found.removed))


def _compare(shape: Shape, old: Any, new: Any, path: Path, found: _Found) -> None:
    if old == new:
        return
    if shape.kind == "leaf" or not (_full(old) or _full(new)):
        if old is _MISSING:
            found.added.add(path)
        elif new is _MISSING:
            found.removed.add(path)
        else:
            found.modified.add(path)
        return
    before = {element: (value, kind) for element, value, kind in shape.members(old)}
    for element, value, kind in shape.members(new):
        _compare(kind, before.pop(element, (_MISSING, kind))[0], value, (*path, element), found)
    for element, (value, kind) in before.items():
        _compare(kind, value, _MISSING, (*path, element), found)
    if old is _MISSING:
        found.added.add(path)
    elif new is _MISSING:
        found.removed.add(path)


def _full(value: Any) -> bool:
    return isinstance(value, (dict, list)) and bool(value)


def merged(shape: Shape, live: Any, config: Any) -> Any:
    """A configuration laid over an object; neither is changed.

    Items that only the object has stay where they are between those of the configuration.
    """
    if shape.kind in {"struct", "map"} and isinstance(live, dict) and isinstance(config, dict):
        laid = {name: merged(shape.below(name), live.get(name), value) for name, value in config.items()}
        return {**live, **laid}
    if shape.kind in {"list", "set"} and isinstance(live, list) and isinstance(config, list):
        return _merged_items(shape, live, config)
    return config


def _merged_items(shape: Shape, live: list[Any], config: list[Any]) -> list[Any]:
    known = {element: (value, kind) for element, value, kind in shape.members(live)}
    wanted = {element: value for element, value, _ in shape.members(config)}
    waiting = list(known)
    result = []
    for element, value in wanted.items():
        while waiting and waiting[0] not in wanted:
            result.append(known[waiting.pop(0)][0])
        if element in known:
            waiting.remove(element)
            before, kind = known[element]
            result.append(merged(kind, before, value))
        else:
            result.append(value)
    return result + [known[element][0] for element in waiting]


def without(shape: Shape, obj: Object, unwanted: FieldSet, owned: FieldSet) -> Object:
    """An object without some fields, and without what is empty then; what is owned, or holds what is, stays."""
    kept = {path[:length] for path in owned for length in range(1, len(path) + 1)}
    result = copy.deepcopy(obj)
    for path in sorted(unwanted - kept, key=len):
        _remove(shape, result, path, kept)
    return result


def _remove(shape: Shape, root: Object, path: Path, kept: set[Path]) -> None:
    way: list[Any] = [root]
    for element in path[:-1]:
        found = next(((value, kind) for name, value, kind in shape.members(way[-1]) if name == element), None)
        if found is None:
            return
        way.append(found[0])
        shape = found[1]
    _drop(shape, way[-1], path[-1])
    for depth in range(len(path) - 1, 0, -1):
        if way[depth] or path[:depth] in kept or not path[depth - 1].startswith("f:"):
            return
        way[depth - 1].pop(path[depth - 1].removeprefix("f:"), None)


def _drop(shape: Shape, container: Any, element: str) -> None:
    if isinstance(container, dict):
        container.pop(element.removeprefix("f:"), None)
    elif isinstance(container, list):
        container[:] = [value for name, value, _ in shape.members(container) if name != element]
