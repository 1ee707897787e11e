"""The store that lives as long as its process: for virtual time and for tests."""

from __future__ import annotations

from collections import deque

from refimpl.storage.base import FIRST_REVISION, Event, KeyValue, Listener, Mismatch, Snapshot

DEFAULT_HISTORY = 10_000
"""Events kept for readers that subscribe later."""


class MemoryStore:
    """A `Store` in memory. Several API servers may share one, as replicas share an etcd.

    Args:
        history: how many events to keep; older ones are compacted by themselves.
    """

    def __init__(self, history: int = DEFAULT_HISTORY) -> None:
        self._current: dict[str, KeyValue] = {}
        self._events: deque[Event] = deque()
        self._capacity = history
        self._revision = FIRST_REVISION
        self._compacted = FIRST_REVISION
        self._listeners: list[Listener] = []

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to release: the content stays for the next `start`."""

    def subscribe(self, listener: Listener) -> Snapshot:
        """See `Store`."""
        self._listeners.append(listener)
        items = [self._current[key] for key in sorted(self._current)]
        return Snapshot(self._revision, items, list(self._events), self._compacted)

    def unsubscribe(self, listener: Listener) -> None:
        """See `Store`."""
        self._listeners.remove(listener)

    async def write(self, key: str, value: bytes | None, expected: int) -> int:
        """See `Store`."""
        previous = self._current.get(key)
        if (previous.revision if previous is not None else 0) != expected:
            raise Mismatch(self._revision)
        self._revision = revision = self._revision + 1
        if value is None:
            del self._current[key]
        else:
            self._current[key] = KeyValue(key, value, revision)
        event = Event(revision, key, value, previous)
        self._remember(event)
        for listener in self._listeners:
            listener((event,))
        return revision

    async def compact(self, revision: int) -> None:
        """See `Store`."""
        if revision > self._revision:
            return
        while self._events and self._events[0].revision <= revision:
            self._events.popleft()
        self._compacted = max(self._compacted, revision)

    def _remember(self, event: Event) -> None:
        if len(self._events) >= self._capacity:
            self._compacted = self._events.popleft().revision
        self._events.append(event)
