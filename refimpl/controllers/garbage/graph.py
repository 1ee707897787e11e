"""Who owns whom, as the watches tell it: a pure data structure.

An owner that is named but was never seen stands in the graph as a ghost, to be looked for.
Source: kube-controller-manager 1.36 `garbagecollector/graph_builder.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from refimpl.api.errors import Object
from refimpl.api.meta import finalizers, is_terminating, owners
from refimpl.api.resources import Resource, by_kind

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@attrs.define(eq=False)
class Item:
    """One object of the graph.

    Attributes:
        uid: its identity.
        resource: the row of the table.
        namespace: empty for cluster-scoped objects.
        name: its name.
        owners: its owner references.
        dependents: uids of the objects that name it as an owner, in order of appearance.
        terminating: its deletion was requested.
        waits: it goes after its dependents (foreground deletion).
        orphans: its dependents are to be freed before it goes.
        ghost: it was named by a dependent and not seen yet.
    """

    uid: str
    resource: Resource
    namespace: str
    name: str
    owners: Sequence[Object] = ()
    dependents: dict[str, None] = attrs.field(factory=dict)
    terminating: bool = False
    waits: bool = False
    orphans: bool = False
    ghost: bool = False


@attrs.frozen
class Wake:
    """Whom to look at after a change.

    Attributes:
        examine: uids of objects whose owners may be gone.
        release: uids of owners that are to free their dependents.
    """

    examine: tuple[str, ...] = ()
    release: tuple[str, ...] = ()


NOTHING = Wake()


def facts(obj: Object) -> tuple[object, ...]:
    """All that the graph knows of an object; equal facts need no update."""
    metadata = obj["metadata"]
    return (
        metadata["uid"],
        metadata.get("ownerReferences"),
        metadata.get("deletionTimestamp"),
        metadata.get("finalizers"),
    )


class Graph:
    """The graph of owners and dependents."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}

    def get(self, uid: str) -> Item | None:
        """An object by uid, or None."""
        return self._items.get(uid)

    def dependents(self, item: Item) -> list[Item]:
        """The objects that name the item as an owner."""
        return [self._items[uid] for uid in item.dependents]

    def waiting_dependents(self, item: Item) -> list[Item]:
        """The dependents that must be gone before the item may go: those whose reference says so."""
        return [one for one in self.dependents(item) if _blocks(one, item.uid)]

    def add(self, resource: Resource, obj: Object) -> Wake:
        """Takes in an object as it is now."""
        metadata = obj["metadata"]
        uid = metadata["uid"]
        item = self._items.get(uid)
        if item is None:
            item = self._items[uid] = Item(uid, resource, "", "")
        item.resource = resource
        item.namespace, item.name = metadata.get("namespace", ""), metadata["name"]
        item.ghost = False
        was_waiting, was_orphaning = item.waits, item.orphans
        before, item.owners = item.owners, owners(obj)
        item.terminating = is_terminating(obj)
        item.waits = item.terminating and FOREGROUND in finalizers(obj)
        item.orphans = item.terminating and ORPHAN in finalizers(obj)
        wake = [*self._relink(item, before), *self._after(item, before, was_waiting=was_waiting)]
        release = (uid,) if item.orphans and not was_orphaning else ()
        return Wake(tuple(dict.fromkeys(wake)), release)

    def remove(self, uid: str) -> Wake:
        """Takes out an object that is gone: its dependents, and owners that waited for it, are to be looked at."""
        item = self._items.pop(uid, None)
        if item is None:
            return NOTHING
        waiting = [reference["uid"] for reference in item.owners if self._is_waiting(reference["uid"])]
        self._unlink(item, item.owners)
        if item.dependents:
            # The dependents still name it. Whoever looks at them finds it missing.
            self._items[uid] = Item(uid, item.resource, item.namespace, item.name, (), item.dependents, ghost=True)
        return Wake((*item.dependents, *waiting))

    def _relink(self, item: Item, before: Sequence[Object]) -> Iterable[str]:
        gone = [one for one in before if one["uid"] not in {other["uid"] for other in item.owners}]
        self._unlink(item, gone)
        for reference in item.owners:
            owner = self._items.get(reference["uid"])
            if owner is None:
                ghost = _ghost(reference, item)
                if ghost is None:
                    continue
                owner = self._items[ghost.uid] = ghost
            if owner.ghost:
                yield owner.uid
            owner.dependents[item.uid] = None

    def _unlink(self, item: Item, references: Iterable[Object]) -> None:
        for reference in references:
            owner = self._items.get(reference["uid"])
            if owner is not None:
                owner.dependents.pop(item.uid, None)
                if owner.ghost and not owner.dependents:
                    del self._items[owner.uid]

    def _after(self, item: Item, before: Sequence[Object], *, was_waiting: bool) -> Iterable[str]:
        """Whom a change of the item concerns: dependents, owners that wait for it, itself below such an owner."""
        if item.waits and not was_waiting:
            yield from item.dependents
            yield item.uid
        if list(before) != list(item.owners):
            yield from (one["uid"] for one in before if self._is_waiting(one["uid"]))
        if not item.terminating and any(self._is_waiting(one["uid"]) for one in item.owners):
            yield item.uid

    def _is_waiting(self, uid: str) -> bool:
        owner = self._items.get(uid)
        return owner is not None and owner.waits


def _blocks(item: Item, owner_uid: str) -> bool:
    return any(one["uid"] == owner_uid and one.get("blockOwnerDeletion") for one in item.owners)


def _ghost(reference: Object, dependent: Item) -> Item | None:
    """The owner that a reference names; None when the API has no such kind."""
    resource = by_kind(reference["apiVersion"], reference["kind"])
    if resource is None:
        return None
    namespace = dependent.namespace if resource.namespaced else ""
    return Item(reference["uid"], resource, namespace, reference["name"], ghost=True)
