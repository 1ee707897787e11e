"""The store protocol: what the API server needs from whatever keeps its objects.

It is a subset of what etcd offers, so that memory, SQLite and etcd can stand in for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

FIRST_REVISION = 1
"""Revision of a store nothing was ever written to, as in etcd; the first write gets the next one."""


class KeyValue(msgspec.Struct, frozen=True, gc=False):
    """One stored value.

    Attributes:
        key: e.g. `/registry/pods/default/web-0`.
        value: the bytes as they were given to `write`.
        revision: of the write that made it.
    """

    key: str
    value: bytes
    revision: int


class Event(msgspec.Struct, frozen=True, gc=False):
    """One committed write.

    Attributes:
        revision: of the write.
        key: what was written.
        value: the new bytes; None when the key was deleted.
        previous: what the write replaced or deleted; None when the key was new, or when that is no longer known.
    """

    revision: int
    key: str
    value: bytes | None
    previous: KeyValue | None


class Snapshot(msgspec.Struct, frozen=True):
    """Everything a reader needs to begin.

    Attributes:
        revision: of the newest write in the snapshot.
        items: every key there is at that revision, in key order.
        history: committed writes up to `revision` that are still kept, oldest first.
        compacted: every write with a revision above this one is in `history`.
    """

    revision: int
    items: Sequence[KeyValue]
    history: Sequence[Event]
    compacted: int


Listener = Callable[[Sequence[Event]], None]
"""Told of committed writes, in batches, on the event loop."""


class Mismatch(Exception):
    """A write whose expectation did not hold; nothing was written.

    Attributes:
        revision: as of which the expectation is known to be wrong. A reader that has been told of everything up to
            here sees why.
    """

    def __init__(self, revision: int) -> None:
        super().__init__(f"the key has changed by revision {revision}")
        self.revision = revision


class StoreFailed(Exception):
    """The store cannot keep its promises any more (disk full, connection lost for good); stop the server."""


class Store(Protocol):
    """An ordered map with revisions, compare-and-swap and an ordered stream of changes.

    * **Revisions.** Every successful write has its own revision, one above the one before it. A revision, once given
      to a caller, is never given again, also not after a crash.
    * **Compare-and-swap.** `write` names the revision it expects the key to have (0: the key does not exist). Of two
      writes with the same expectation at most one succeeds.
    * **Durable.** When `write` returns, the write survives the end of the process (unless the store is `memory`).
    * **Ordered.** Listeners are told of every write exactly once, in revision order, and of a write before `write`
      returns to its caller: who reads through a listener reads its own writes.
    * **Consistent start.** `subscribe` returns a snapshot; the listener gets exactly the events after its revision.
    * **Compaction.** After `compact(r)`, values that were replaced or deleted at or before `r` are gone: a later
      snapshot's history starts after `r`. Current values always stay.
    """

    async def start(self) -> None:
        """Opens the store and loads what is kept."""
        ...

    async def close(self) -> None:
        """Finishes pending writes and releases everything."""
        ...

    def subscribe(self, listener: Listener) -> Snapshot:
        """Begins to tell `listener` of writes; returns everything before that."""
        ...

    def unsubscribe(self, listener: Listener) -> None:
        """Tells `listener` no more."""
        ...

    async def write(self, key: str, value: bytes | None, expected: int) -> int:
        """Writes one key, or deletes it.

        Args:
            key: what to write.
            value: the new bytes; None deletes.
            expected: revision the key must have now; 0 when it must not exist. Deleting needs a revision above 0.

        Returns:
            The revision of the write.

        Raises:
            Mismatch: the key has another revision.
            StoreFailed: the write may or may not have happened.
        """
        ...

    async def compact(self, revision: int) -> None:
        """Forgets history up to `revision`; does nothing when that is compacted already or not yet written."""
        ...
