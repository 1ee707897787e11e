"""GET with `watch=1`: a stream of encoded events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from refimpl.apiserver import encoding
from refimpl.apiserver.broadcast import Watcher
from refimpl.apiserver.cache import Change, Entry, TooOld
from refimpl.apiserver.call import Call
from refimpl.apiserver.selection import Selection, select

BOOKMARK_INTERVAL = 60.0
"""Seconds between bookmarks, and a last one shortly before the timeout."""
BOOKMARK_BEFORE_END = 2.0
MIN_TIMEOUT = 1800.0
"""Seconds a watch without `timeoutSeconds` lasts at least; up to twice that, at random."""


class WatchStream(AsyncIterator[bytes]):
    """The chunks of one watch. May be closed from any task; a pending read then ends.

    Args:
        call: the watch request.
        selection: what is watched.
        watcher: position in the changes; already joined.
        backlog: lines to send first.
        timeout: seconds until the server ends the stream.
    """

    def __init__(
        self, call: Call, selection: Selection, watcher: Watcher, backlog: list[bytes], timeout: float
    ) -> None:
        self._call = call
        self._selection = selection
        self._watcher = watcher
        self._backlog = backlog
        self._resource = call.target.resource
        self._bookmarks = call.flag("allowWatchBookmarks")
        now = call.clock.monotonic()
        self._end = now + timeout
        self._next_bookmark = min(now + BOOKMARK_INTERVAL, max(now, self._end - BOOKMARK_BEFORE_END))
        self._timer = self._arm()

    def __aiter__(self) -> WatchStream:
        return self

    async def __anext__(self) -> bytes:
        while True:
            chunk = self._take()
            if chunk:
                return chunk
            if self._watcher.closed or self._watcher.dropped or self._call.clock.monotonic() >= self._end:
                await self.aclose()
                raise StopAsyncIteration
            try:
                await self._watcher.wait()
            except asyncio.CancelledError:
                await self.aclose()
                raise

    async def aclose(self) -> None:
        """Ends the stream."""
        self._timer.cancel()
        self._watcher.close()

    def _take(self) -> bytes:
        lines = self._backlog
        self._backlog = []
        for change in self._watcher.take():
            line = self._line(change)
            if line:
                lines.append(line)
        now = self._call.clock.monotonic()
        if self._bookmarks and now >= self._next_bookmark and not self._watcher.closed:
            lines.append(bookmark(self._call, self._call.registry.revision))
            last = self._end - BOOKMARK_BEFORE_END
            following = now + BOOKMARK_INTERVAL
            self._next_bookmark = min(following, last) if now < last else self._end + BOOKMARK_INTERVAL
        return b"".join(lines)

    def _line(self, change: Change) -> bytes:
        kind = transition(self._selection, change)
        return event_line(self._call, kind, change) if kind else b""

    def _arm(self) -> asyncio.TimerHandle:
        deadline = min(self._end, self._next_bookmark) if self._bookmarks else self._end
        return asyncio.get_running_loop().call_at(deadline, self._alarm)

    def _alarm(self) -> None:
        if self._watcher.closed:
            return
        self._watcher.wake()
        if self._call.clock.monotonic() < self._end:
            delay = BOOKMARK_BEFORE_END / 2
            deadline = min(self._end, max(self._next_bookmark, self._call.clock.monotonic() + delay))
            self._timer = asyncio.get_running_loop().call_at(deadline, self._alarm)


def start(call: Call) -> WatchStream | bytes:
    """Begins a watch; the bytes of an `ERROR` event when the version is too old."""
    selection = select(call)
    registry = call.registry
    resource = call.target.resource
    version = call.request.parameter("resourceVersion") or ""
    backlog: list[bytes] = []
    if version in {"", "0"}:
        entries = registry.cache(resource).ordered()
        backlog = [added(call, entry) for entry in entries if selection.matches(entry)]
    else:
        try:
            backlog = replay(call, selection, int(version))
        except TooOld as error:
            return too_old(int(version), error.oldest)
    timeout = call.integer("timeoutSeconds") or MIN_TIMEOUT * (1 + call.clock.random.random())
    watcher = registry.broadcaster(resource).join(selection.interest)
    return WatchStream(call, selection, watcher, backlog, timeout)


def replay(call: Call, selection: Selection, revision: int) -> list[bytes]:
    """The lines of what happened since a revision."""
    lines: list[bytes] = []
    for change in call.registry.cache(call.target.resource).since(revision):
        kind = transition(selection, change)
        if kind:
            lines.append(event_line(call, kind, change))
    return lines


def transition(selection: Selection, change: Change) -> str:
    """The event a watcher with this selection sees: objects enter and leave what is selected; empty for none."""
    was = change.old is not None and selection.matches(change.old)
    now = change.new is not None and selection.matches(change.new)
    if now:
        return "MODIFIED" if was else "ADDED"
    return "DELETED" if was else ""


def event_line(call: Call, kind: str, change: Change) -> bytes:
    """One encoded event, made once for all watchers of the row."""
    resource = call.target.resource
    label = f"{kind} {resource.group}"
    line = change.lines.get(label)
    if line is None:
        if kind == "DELETED":
            item = change.gone()
        else:
            assert change.new is not None
            item = change.new.item
        line = change.lines[label] = frame(kind, encoding.full(resource, call.registry.item(resource, item)))
    return line


def added(call: Call, entry: Entry) -> bytes:
    """The `ADDED` event of an object that was there before the watch."""
    resource = call.target.resource
    return frame("ADDED", encoding.full(resource, call.registry.item(resource, entry.item)))


def frame(kind: str, obj: bytes) -> bytes:
    """One line of a watch stream."""
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), obj)


def bookmark(call: Call, revision: int) -> bytes:
    """A `BOOKMARK` event: everything up to the revision was sent."""
    resource = call.target.resource
    obj = {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": {"resourceVersion": str(revision)},
    }
    return frame("BOOKMARK", encoding.encode(obj))


def too_old(wanted: int, oldest: int) -> bytes:
    """The `ERROR` event of a watch from a forgotten version."""
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"too old resource version: {wanted} ({oldest})",
        "reason": "Expired",
        "code": 410,
    }
    return frame("ERROR", encoding.encode(status))


async def once(lines: Iterable[bytes]) -> AsyncIterator[bytes]:
    """A stream that ends by itself."""
    for line in lines:
        yield line
