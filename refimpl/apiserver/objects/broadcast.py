"""Watchers of one resource: who is told of which change, without testing every change against every watcher.

Watchers with the same narrow interest (one object, one node's pods, one namespace) form a group; a change is offered
to at most six groups. The members of a group share one list of changes, and each is a position in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from refimpl.apiserver.objects.cache import Change, Entry

Interest = tuple[str, str]
"""What a group is filed under: a kind of interest and its value. `ALL` is everything."""

ALL: Interest = ("", "")
NODE_FIELD = "spec.nodeName"

_TRIM_EVERY = 256
MAX_BEHIND = 8192
"""Changes a watcher may be behind before it is dropped."""


class Watcher:
    """One watcher's position in the changes of its group.

    Attributes:
        dropped: the watcher was too slow; it has lost changes and must end.
        closed: the server or the reader wants the watch to end.
        on_drop: told when the watcher is dropped, for it may be waiting elsewhere (for its client to read).
    """

    def __init__(self, group: Group, position: int) -> None:
        self._group = group
        self.position = position
        self.dropped = False
        self.closed = False
        self.on_drop: Callable[[], object] | None = None
        self._waiter: asyncio.Future[None] | None = None

    def take(self) -> Sequence[Change]:
        """Everything since the last call; empty when there is nothing new."""
        return self._group.take(self)

    async def wait(self) -> None:
        """Waits until there is something to take, or until `wake`."""
        if self.dropped or self.closed or self._group.has_news(self):
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        """Ends a `wait`."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def drop(self) -> None:
        """Ends the watch of somebody who does not keep up."""
        self.dropped = True
        self.wake()
        if self.on_drop is not None:
            self.on_drop()

    def close(self) -> None:
        """Leaves the group; a pending `wait` returns."""
        self.closed = True
        self._group.leave(self)
        self.wake()


class Group:
    """Watchers with one interest, and the changes that some of them have still to take."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._base = 0
        self._watchers: dict[Watcher, None] = {}

    def __len__(self) -> int:
        return len(self._watchers)

    def join(self) -> Watcher:
        """A new watcher, told of changes from now on."""
        watcher = Watcher(self, self._base + len(self._changes))
        self._watchers[watcher] = None
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Forgets a watcher."""
        self._watchers.pop(watcher, None)

    def has_news(self, watcher: Watcher) -> bool:
        """Whether `take` would return something."""
        return watcher.position < self._base + len(self._changes)

    def take(self, watcher: Watcher) -> Sequence[Change]:
        """The changes a watcher has not taken yet."""
        start = watcher.position - self._base
        if start >= len(self._changes) or watcher not in self._watchers:
            return ()
        watcher.position = self._base + len(self._changes)
        taken = self._changes[start:]
        if len(self._watchers) == 1:
            self._changes.clear()
            self._base = watcher.position
        return taken

    def publish(self, change: Change) -> None:
        """Offers a change to every watcher of the group."""
        if len(self._changes) % _TRIM_EVERY == _TRIM_EVERY - 1:
            self._trim()
        self._changes.append(change)
        for watcher in self._watchers:
            watcher.wake()

    def close(self) -> None:
        """Ends every watch of the group."""
        for watcher in list(self._watchers):
            watcher.close()

    def _trim(self) -> None:
        end = self._base + len(self._changes)
        for watcher in list(self._watchers):
            if end - watcher.position >= MAX_BEHIND:
                self.leave(watcher)
                watcher.drop()
        low = min((watcher.position for watcher in self._watchers), default=end)
        if low > self._base:
            del self._changes[: low - self._base]
            self._base = low


class Broadcaster:
    """All watchers of one resource."""

    def __init__(self) -> None:
        self._groups: dict[Interest, Group] = {}

    @property
    def watchers(self) -> int:
        """How many watchers there are."""
        return sum(map(len, self._groups.values()))

    def join(self, interest: Interest) -> Watcher:
        """A new watcher, told of every change its interest covers from now on."""
        group = self._groups.get(interest)
        if group is None:
            group = self._groups[interest] = Group()
        return group.join()

    def publish(self, change: Change) -> None:
        """Offers a change to the groups that may want it."""
        groups = self._groups
        if not groups:
            return
        for interest in (ALL,) if len(groups) == 1 and ALL in groups else _interests(change):
            group = groups.get(interest)
            if group is not None:
                if group:
                    group.publish(change)
                else:
                    del groups[interest]

    def close(self) -> None:
        """Ends every watch."""
        for group in list(self._groups.values()):
            group.close()


def _interests(change: Change) -> list[Interest]:
    namespace, name = change.key
    interests = [ALL, ("namespace", namespace), ("name", f"{namespace}/{name}"), ("cluster name", name)]
    nodes = {_node(change.new): None, _node(change.old): None}
    interests += [("node", node) for node in nodes if node]
    return interests


def _node(entry: Entry | None) -> str:
    return entry.fields.get(NODE_FIELD, "") if entry is not None else ""
