"""The watch cache: current objects of one resource as bytes, and the ring of their latest changes.

Readers and watchers are served from here and never touch the store.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from refimpl.apiserver.content.encoding import with_revision

DEFAULT_CAPACITY = 8192
"""Changes kept per resource."""

_FEW = 16
"""So many places are inserted faster than all are sorted."""

Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One object at one revision.

    Attributes:
        key: namespace and name.
        revision: its resourceVersion.
        item: the encoded object in the form of a list item.
        labels: `metadata.labels`.
        fields: selectable fields by name.
    """

    key: Key
    revision: int
    item: bytes
    labels: dict[str, str]
    fields: dict[str, str]


class Change(msgspec.Struct, gc=False):
    """One committed write to an object; shared by all watchers.

    Attributes:
        revision: of the write.
        old: the object before; None when it was created.
        new: the object after; None when it was deleted.
        lines: encoded watch events, filled by the first watcher that needs one.
    """

    revision: int
    old: Entry | None
    new: Entry | None
    lines: dict[str, bytes]

    @property
    def key(self) -> Key:
        """Namespace and name of the object."""
        entry = self.new if self.new is not None else self.old
        assert entry is not None
        return entry.key

    def gone(self) -> bytes:
        """The list item a `DELETED` event shows: the last state with this revision."""
        assert self.old is not None
        return with_revision(self.old.item, self.revision)


class TooOld(Exception):
    """The ring no longer reaches back to the revision asked for.

    Attributes:
        oldest: revision of the oldest change still known.
    """

    def __init__(self, oldest: int) -> None:
        super().__init__(f"oldest known revision is {oldest}")
        self.oldest = oldest


class ResourceCache:
    """Objects and recent changes of one resource.

    Args:
        floor: every later change will be in the ring.
        capacity: changes to keep.
    """

    def __init__(self, floor: int, capacity: int = DEFAULT_CAPACITY) -> None:
        self.entries: dict[Key, Entry] = {}
        self._ring: deque[Change] = deque()
        self._capacity = capacity
        self.floor = floor
        self.compacted = 0
        self._order: list[tuple[bytes, Key]] = []
        self._unordered: list[tuple[bytes, Key]] = []
        self._sorted: tuple[Entry, ...] | None = None

    def apply(self, change: Change) -> None:
        """Takes in one committed change."""
        self._set(change.key, change.new)
        self.remember(change)

    def load(self, entries: Iterable[Entry]) -> None:
        """Takes in what was there before the first change."""
        for entry in entries:
            self._set(entry.key, entry)

    def remember(self, change: Change) -> None:
        """Appends to the ring only."""
        if len(self._ring) >= self._capacity:
            self.floor = self._ring.popleft().revision
        self._ring.append(change)

    def compact(self, revision: int) -> None:
        """Lets no list show a state before a revision; watches may still begin there, as from a watch cache."""
        self.compacted = max(self.compacted, revision)

    def forget(self, revision: int) -> None:
        """Drops changes up to a revision."""
        while self._ring and self._ring[0].revision <= revision:
            self._ring.popleft()
        self.floor = max(self.floor, revision)

    def ordered(self) -> tuple[Entry, ...]:
        """All entries in the order of the bytes of `namespace/name`, as etcd keeps them."""
        if self._sorted is None:
            self._put_in_order()
            entries = self.entries
            self._sorted = tuple([entries[key] for _, key in self._order])
        return self._sorted

    def since(self, revision: int) -> list[Change]:
        """Changes after a revision, oldest first.

        Raises:
            TooOld: some of them are forgotten.
        """
        if revision < self.floor:
            raise TooOld(self.floor)
        changes: list[Change] = []
        for change in reversed(self._ring):
            if change.revision <= revision:
                break
            changes.append(change)
        changes.reverse()
        return changes

    def at(self, revision: int) -> Sequence[Entry]:
        """All entries, in order, as they were at a past revision: today's with later changes undone.

        Raises:
            TooOld: the ring does not reach back far enough, or the state was compacted.
        """
        if revision < self.compacted:
            raise TooOld(self.compacted)
        later = self.since(revision)
        if not later:
            return self.ordered()
        entries = dict(self.entries)
        for change in reversed(later):
            if change.old is None:
                del entries[change.key]
            else:
                entries[change.key] = change.old
        return [entries[key] for key in sorted(entries, key=_path)]

    def _set(self, key: Key, entry: Entry | None) -> None:
        self._sorted = None
        if entry is None:
            if self.entries.pop(key, None) is not None:
                self._put_in_order()
                place = (_path(key), key)
                del self._order[bisect_left(self._order, place)]
            return
        if key not in self.entries:
            self._unordered.append((_path(key), key))
        self.entries[key] = entry

    def _put_in_order(self) -> None:
        """Takes in the places of new entries; of some kinds (events) there are many before anybody asks for a list."""
        if len(self._unordered) < _FEW:
            for place in self._unordered:
                insort(self._order, place)
        else:
            self._order += self._unordered
            self._order.sort()
        self._unordered.clear()


def _path(key: Key) -> bytes:
    return f"{key[0]}/{key[1]}".encode()


def in_namespace(entries: Iterable[Entry], namespace: str) -> list[Entry]:
    """The entries of one namespace."""
    return [entry for entry in entries if entry.key[0] == namespace]
