"""Who has written which fields of an object, and what follows from it for the next writer.

Source: apimachinery 1.36 `util/managedfields/internal`, structured-merge-diff 6 `merge/update.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import attrs

from refimpl.api.errors import Object
from refimpl.api.ownership import fieldsets, objects
from refimpl.api.ownership.fieldsets import FieldSet
from refimpl.api.ownership.shapes import Shape

BEFORE_FIRST_APPLY: Final = "before-first-apply"
"""Who is said to have written what was there before anybody was noted."""

_UNOWNED: Final = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {
        ("f:metadata", fieldsets.field(name))
        for name in (
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "generation",
            "managedFields",
            "resourceVersion",
        )
    }
)


@attrs.frozen
class Manager:
    """A writer in one of its roles.

    Attributes:
        name: what it calls itself.
        operation: whether it applies configurations or changes objects.
        api_version: in which it writes.
        subresource: through which it writes; empty for the object itself.
    """

    name: str
    operation: Literal["Apply", "Update"]
    api_version: str
    subresource: str = ""

    @property
    def text(self) -> str:
        """How error texts name it."""
        place = f' with subresource "{self.subresource}"' if self.subresource else ""
        return f'"{self.name}"{place}{f" using {self.api_version}" if self.operation == "Update" else ""}'


@attrs.frozen
class Share:
    """What a manager owns, and when it last wrote."""

    fields: FieldSet
    time: str


Shares = Mapping[Manager, Share]


class Conflict(Exception):
    """Somebody else owns what a configuration would change.

    Attributes:
        fields: by manager, sorted.
    """

    def __init__(self, fields: Mapping[Manager, FieldSet]) -> None:
        super().__init__("fields are owned by others")
        order = sorted(fields, key=lambda manager: (manager.name, manager.operation, manager.subresource))
        self.fields = {manager: sorted(fields[manager]) for manager in order}

    def without(self, allowed: FieldSet) -> Conflict | None:
        """What is left of it when some fields may be taken; None for nothing."""
        left = {manager: frozenset(paths) - allowed for manager, paths in self.fields.items()}
        return Conflict({manager: paths for manager, paths in left.items() if paths}) if any(left.values()) else None


def are_readable(entries: list[Any]) -> bool:
    """Whether a client may have these for `metadata.managedFields`."""
    return all(
        entry.get("operation") in {"Apply", "Update"}
        and entry.get("apiVersion")
        and entry.get("fieldsType") == "FieldsV1"
        and fieldsets.is_wire(entry.get("fieldsV1") or {})
        for entry in entries
    )


def read(entries: list[Any] | None) -> dict[Manager, Share]:
    """What `metadata.managedFields` says."""
    return {
        Manager(
            entry.get("manager", ""), entry["operation"], entry.get("apiVersion", ""), entry.get("subresource", "")
        ): Share(fieldsets.from_wire(entry.get("fieldsV1") or {}), entry.get("time", ""))
        for entry in entries or []
    }


def write(shares: Shares) -> list[Object]:
    """`metadata.managedFields`: those who apply come first, then the order is that of time."""
    entries = []
    for manager, share in sorted(shares.items(), key=_place):
        entry: Object = {"manager": manager.name} if manager.name else {}
        entry |= {"operation": manager.operation, "apiVersion": manager.api_version, "time": share.time}
        entry |= {"fieldsType": "FieldsV1", "fieldsV1": fieldsets.to_wire(share.fields)}
        if manager.subresource:
            entry["subresource"] = manager.subresource
        entries.append(entry)
    return entries


def _place(item: tuple[Manager, Share]) -> tuple[str, ...]:
    manager, share = item
    return manager.operation, share.time, manager.name, manager.api_version, manager.subresource


@attrs.frozen
class Writing:
    """One write of an object.

    Attributes:
        shape: of the object's type.
        manager: who writes.
        time: when, RFC 3339.
        ignored: top-level fields that the write cannot change.
    """

    shape: Shape
    manager: Manager
    time: str
    ignored: frozenset[str] = frozenset()

    def owned(self, given: FieldSet) -> FieldSet:
        """Those of some fields that can be owned through this write."""
        outside = {fieldsets.field(name) for name in self.ignored}
        return frozenset(path for path in given if path not in _UNOWNED and path[0] not in outside)

    def difference(self, old: Object, new: Object) -> objects.Difference:
        """What the write changes, as far as that counts."""
        found = objects.difference(self.shape, old, new)
        return objects.Difference(self.owned(found.added), self.owned(found.modified), self.owned(found.removed))


def updated(shares: Shares, writing: Writing, old: Object, new: Object) -> dict[Manager, Share]:
    """Who owns what after a change: the writer what it has changed, nobody what is gone."""
    change = writing.difference(old, new)
    left = _taken(shares, change.written | change.removed)
    if change.written:
        mine = left.get(writing.manager)
        fields = change.written | (mine.fields if mine is not None else fieldsets.NOTHING)
        left[writing.manager] = Share(fields, writing.time)
    return left


def _taken(shares: Shares, fields: FieldSet) -> dict[Manager, Share]:
    left = {}
    for manager, share in shares.items():
        kept = share.fields - fields
        if kept:
            left[manager] = share if len(kept) == len(share.fields) else attrs.evolve(share, fields=kept)
    return left


def applied(
    shares: Shares, writing: Writing, live: Object, config: Object, *, force: bool
) -> tuple[Object, dict[Manager, Share]]:
    """The object that a configuration makes of another, and who owns what then.

    Raises:
        Conflict: others own what would change, and the writer does not insist.
    """
    mine = Share(writing.owned(objects.fields(writing.shape, config)), writing.time)
    before = shares.get(writing.manager)
    after = {**shares, writing.manager: mine}
    owned = frozenset(path for share in after.values() for path in share.fields)
    obj = objects.merged(writing.shape, live, config)
    if before is not None:
        obj = objects.without(writing.shape, obj, before.fields - owned, owned)
    change = writing.difference(live, obj)
    others = {manager: share for manager, share in shares.items() if manager != writing.manager}
    conflicts = {manager: share.fields & change.written for manager, share in others.items()}
    conflicts = {manager: fields for manager, fields in conflicts.items() if fields}
    if conflicts and not force:
        raise Conflict(conflicts)
    left = _taken(others, change.written | change.removed)
    if before is not None and before.fields == mine.fields and obj == live:
        mine = before
    if mine.fields:
        left[writing.manager] = mine
    return obj, left
