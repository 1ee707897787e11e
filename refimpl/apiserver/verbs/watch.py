"""GET with `watch=1`: a stream of events, one JSON object a line."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable

from refimpl.api import protobuf
from refimpl.api.errors import Object, failure
from refimpl.apiserver.content import binary, encoding, negotiation
from refimpl.apiserver.content.negotiation import PROTOBUF
from refimpl.apiserver.objects.broadcast import Watcher
from refimpl.apiserver.objects.cache import Change, TooOld
from refimpl.apiserver.verbs import listoptions, read, rendering, table
from refimpl.apiserver.verbs.call import Call
from refimpl.apiserver.verbs.listoptions import ListOptions
from refimpl.apiserver.verbs.selection import Selection, select

BOOKMARK_INTERVAL = 60.0
"""Seconds between bookmarks."""
BOOKMARK_BEFORE_END = 2.0
"""Seconds before its timeout at which a watch gets a last bookmark."""
MIN_TIMEOUT = 1800.0
"""Seconds a watch without `timeoutSeconds` lasts at least; up to twice that, at random."""

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class WatchStream(AsyncIterator[bytes]):
    """The chunks of one watch. It may be closed from any task; a pending read then ends.

    Args:
        call: the watch request.
        options: its parameters.
        selection: what is watched.
        watcher: position in the changes.
        after: changes up to this revision are not sent.
        backlog: lines to send first.
    """

    def __init__(
        self,
        call: Call,
        options: ListOptions,
        selection: Selection,
        watcher: Watcher,
        *,
        after: int,
        writer: EventWriter,
        backlog: list[bytes],
    ) -> None:
        self._call = call
        self._selection = selection
        self._watcher = watcher
        self._after = after
        self._writer = writer
        self._backlog = backlog
        timeout = options.timeout or MIN_TIMEOUT * (1 + call.clock.random.random())
        now = call.clock.monotonic()
        self._end = now + timeout
        self._next_bookmark = max(now, min(now + BOOKMARK_INTERVAL, self._end - BOOKMARK_BEFORE_END))
        if not options.bookmarks:
            self._next_bookmark = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._rung = self._over = False
        self._arm()

    @property
    def dropped(self) -> bool:
        """Whether the reader was too slow: it has missed changes."""
        return self._watcher.dropped

    def on_drop(self, callback: Callable[[], object]) -> None:
        """Has somebody told when the reader is too slow."""
        self._watcher.on_drop = callback

    def __aiter__(self) -> WatchStream:
        return self

    async def __anext__(self) -> bytes:
        while True:
            chunk = self._take()
            if chunk:
                return chunk
            if self._over or self._watcher.closed or self._watcher.dropped:
                await self.aclose()
                raise StopAsyncIteration
            try:
                await self._watcher.wait()
            except asyncio.CancelledError:
                await self.aclose()
                raise

    async def aclose(self) -> None:
        """Ends the stream."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._watcher.close()

    def _take(self) -> bytes:
        lines, self._backlog = self._backlog, []
        for change in self._watcher.take():
            if change.revision > self._after:
                lines += event_lines(self._selection, self._writer, change)
        if self._rung:
            lines += self._due(self._call.clock.monotonic())
        return b"".join(lines)

    def _due(self, now: float) -> list[bytes]:
        """What the time brings: a bookmark, or the end."""
        lines = []
        if now >= self._next_bookmark and not self._watcher.closed:
            lines.append(self._writer.bookmark(max(self._call.registry.revision, self._after)))
            self._next_bookmark = self._bookmark_after(now)
        self._rung, self._over = False, now >= self._end
        if not self._over:
            self._arm()
        return lines

    def _bookmark_after(self, now: float) -> float:
        """When the next bookmark is due: within the interval, and once shortly before the end."""
        last = self._end - BOOKMARK_BEFORE_END
        return min(now + BOOKMARK_INTERVAL, last) if now < last else math.inf

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(min(self._end, self._next_bookmark), self._ring)

    def _ring(self) -> None:
        self._rung = True
        self._watcher.wake()


class EventWriter:
    """Turns changes into lines, in the form the client asked for."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._resource = call.target.resource
        self._binary = call.form.media_type == PROTOBUF
        self._shared = not call.form.transform
        self._suffix = f" {self._resource.group}" + (" binary" if self._binary else "")
        self._head = True

    def event(self, kind: str, change: Change) -> bytes:
        """The line of a change; in the plain form made once for all watchers."""
        if not self._shared:
            return self.line(kind, _item(kind, change))
        label = kind + self._suffix
        line = change.lines.get(label)
        if line is None:
            line = change.lines[label] = self.line(kind, _item(kind, change))
        return line

    def line(self, kind: str, item: bytes) -> bytes:
        """The line of an event with a list item."""
        registry = self._call.registry
        if self._shared:
            whole = binary.body if self._binary else encoding.full
            return self._frame(kind, whole(self._resource, registry.item(self._resource, item)))
        return self.frame(kind, self._transformed(registry.decode(self._resource, item)))

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        """A `BOOKMARK`: everything up to the revision was sent."""
        metadata: Object = {"resourceVersion": str(revision)}
        if initial_end:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        kind, api_version = self._resource.kind, self._resource.api_version
        obj: Object = {"kind": kind, "apiVersion": api_version, "metadata": metadata}
        if self._call.form.transform == "Table":
            # A bookmark is about no object, so its Table has no row.
            obj = table.table(self._call, self._call.form.version, (), metadata, head=False)
        else:
            obj = self._transformed(obj)
        return self.frame("BOOKMARK", obj)

    def frame(self, kind: str, obj: Object) -> bytes:
        """An event with any object."""
        return self._frame(kind, rendering.write(obj, self._call.form) if self._binary else encoding.encode(obj))

    def _frame(self, kind: str, obj: bytes) -> bytes:
        return protobuf.event_frame(kind, obj) if self._binary else frame(kind, obj)

    def _transformed(self, obj: Object) -> Object:
        form = self._call.form
        match form.transform:
            case "Table":
                about = {"resourceVersion": obj["metadata"]["resourceVersion"]}
                head, self._head = self._head, False
                return table.table(self._call, form.version, [obj], about, head=head)
            case "PartialObjectMetadata" | "PartialObjectMetadataList":
                return table.partial(obj, form.version)
            case _:
                return obj


def _item(kind: str, change: Change) -> bytes:
    if kind == "DELETED":
        return change.gone()
    assert change.new is not None
    return change.new.item


async def start(call: Call) -> WatchStream | bytes:
    """Begins a watch; the bytes of an `ERROR` event when the version is too old.

    Raises:
        ApiError: 400, 422, 500 for a version that is no number, 504.
    """
    negotiation.check_stream(call.form)
    options = listoptions.read(call, watch=True)
    selection = select(call)
    try:
        revision = options.revision()
    except ValueError as wrong:
        raise failure(500, "", str(wrong)) from None
    if options.initial_events:
        await read.wait_for(call.registry, revision)
    writer = EventWriter(call)
    try:
        backlog = _backlog(call, options, selection, writer, revision)
    except TooOld as error:
        return writer.frame("ERROR", too_old(revision, error.oldest))
    watcher = call.registry.broadcaster(call.target.resource).join(selection.interest)
    after = 0 if options.initial_events is not None else revision
    return WatchStream(call, options, selection, watcher, after=after, writer=writer, backlog=backlog)


def _backlog(call: Call, options: ListOptions, selection: Selection, writer: EventWriter, revision: int) -> list[bytes]:
    """What a new watcher is sent before anything new happens."""
    wants_state = options.initial_events if options.initial_events is not None else not revision
    if not wants_state:
        if not revision or revision >= call.registry.revision:
            return []
        changes = call.registry.cache(call.target.resource).since(revision)
        return [line for change in changes for line in event_lines(selection, writer, change)]
    lines = [writer.line("ADDED", entry.item) for entry in read.chosen(call, selection)]
    if options.initial_events and options.bookmarks:
        lines.append(writer.bookmark(call.registry.revision, initial_end=True))
    return lines


def event_lines(selection: Selection, writer: EventWriter, change: Change) -> list[bytes]:
    """What a watcher with this selection is sent about a change."""
    kind = transition(selection, change)
    return [writer.event(kind, change)] if kind else []


def transition(selection: Selection, change: Change) -> str:
    """The event a watcher with this selection sees: objects enter and leave what is selected; empty for none."""
    was = change.old is not None and selection.matches(change.old)
    now = change.new is not None and selection.matches(change.new)
    if now:
        return "MODIFIED" if was else "ADDED"
    return "DELETED" if was else ""


def frame(kind: str, obj: bytes) -> bytes:
    """One line of a watch stream."""
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), obj)


def too_old(wanted: int, oldest: int) -> Object:
    """What the `ERROR` event of a watch from a forgotten version says."""
    return failure(410, "Expired", f"too old resource version: {wanted} ({oldest})").status
