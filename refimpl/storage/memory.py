"""The store that lives as long as its process: for virtual time and for tests."""

from __future__ import annotations

from refimpl.storage.base import Listener, Mismatch, Snapshot
from refimpl.storage.state import DEFAULT_HISTORY, State


class MemoryStore:
    """A `Store` in memory. Several API servers may share one, as replicas share an etcd.

    Args:
        history: how many events to keep; older ones are compacted by themselves.
    """

    def __init__(self, history: int = DEFAULT_HISTORY) -> None:
        self._state = State(history)

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to release: the content stays for the next `start`."""

    def subscribe(self, listener: Listener) -> Snapshot:
        """See `Store`."""
        return self._state.subscribe(listener)

    def unsubscribe(self, listener: Listener) -> None:
        """See `Store`."""
        self._state.unsubscribe(listener)

    async def write(self, key: str, value: bytes | None, expected: int) -> int:
        """See `Store`."""
        state = self._state
        found = state.current.get(key)
        if (found.revision if found is not None else 0) != expected:
            raise Mismatch(state.revision)
        revision = state.revision + 1
        state.commit(((revision, key, value),))
        return revision

    async def compact(self, revision: int) -> None:
        """See `Store`."""
        self._state.forget(revision)
