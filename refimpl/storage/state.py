"""What every store keeps in memory: current values, recent history, who listens."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from refimpl.storage.base import FIRST_REVISION, Event, KeyValue, Listener, Snapshot

DEFAULT_HISTORY = 10_000
"""Events kept for readers that subscribe later."""


class State:
    """Committed state, in memory.

    Args:
        history: how many events to keep; older ones are forgotten by themselves.
    """

    def __init__(self, history: int = DEFAULT_HISTORY) -> None:
        self.current: dict[str, KeyValue] = {}
        self.revision = FIRST_REVISION
        self.compacted = FIRST_REVISION
        self._history: deque[Event] = deque()
        self._capacity = history
        self._listeners: list[Listener] = []

    def load(self, current: Iterable[KeyValue], history: Iterable[Event], compacted: int, revision: int) -> None:
        """Takes in what was kept from an earlier life."""
        self.current = {item.key: item for item in current}
        self.compacted = compacted
        self.revision = revision
        self._history.clear()
        for event in history:
            self._remember(event)

    def subscribe(self, listener: Listener) -> Snapshot:
        """See `Store`."""
        self._listeners.append(listener)
        items = [self.current[key] for key in sorted(self.current)]
        return Snapshot(self.revision, items, list(self._history), self.compacted)

    def unsubscribe(self, listener: Listener) -> None:
        """See `Store`."""
        self._listeners.remove(listener)

    def commit(self, writes: Iterable[tuple[int, str, bytes | None]]) -> None:
        """Takes in committed writes (revision, key, value), in revision order, and tells the listeners."""
        events = [self._apply(*write) for write in writes]
        for listener in self._listeners:
            listener(events)

    def _apply(self, revision: int, key: str, value: bytes | None) -> Event:
        event = Event(revision, key, value, self.current.get(key))
        if value is None:
            self.current.pop(key, None)
        else:
            self.current[key] = KeyValue(key, value, revision)
        self.revision = revision
        self._remember(event)
        return event

    def forget(self, revision: int) -> bool:
        """Forgets history up to a revision; False when there is nothing to forget."""
        if not self.compacted < revision <= self.revision:
            return False
        while self._history and self._history[0].revision <= revision:
            self._history.popleft()
        self.compacted = revision
        return True

    def _remember(self, event: Event) -> None:
        if len(self._history) >= self._capacity:
            self.compacted = self._history.popleft().revision
        self._history.append(event)
