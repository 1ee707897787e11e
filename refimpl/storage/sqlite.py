"""The store on disk: a log of writes in SQLite, committed in groups.

Every write is one row; the newest row of a key is its value, a row without value is a deletion. `synchronous=FULL`: a
write that was answered survives `kill -9` and a power cut. Writes that arrive while a commit is under way share the
next one, so the price of a commit is paid once for all of them.

On a live loop commits happen in a thread of their own; on a virtual loop, where a thread would be invisible, at the
end of the loop's current turn.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

import attrs

from refimpl.api.transient import transient
from refimpl.storage.base import FIRST_REVISION, Event, KeyValue, Listener, Mismatch, Snapshot, StoreFailed
from refimpl.storage.state import DEFAULT_HISTORY, State

Durability = Literal["FULL", "NORMAL", "OFF"]
"""SQLite's `synchronous`: FULL survives a power cut, NORMAL the end of the process, OFF a clean stop."""

_SCHEMA = """
create table if not exists log (
    revision integer primary key,
    key text not null,
    value blob
);
create index if not exists log_key on log (key, revision);
create table if not exists compaction (revision integer not null);
"""
_CURRENT = """
select key, value, revision from log
where revision in (select max(revision) from log group by key) and value is not null
"""
_COMPACT = """
delete from log where revision <= :upto and (
    value is null
    or exists (select 1 from log later where later.key = log.key and later.revision > log.revision
               and later.revision <= :upto)
)
"""

_ROWS = 100
"""Rows of one statement."""


@transient
class _Write:
    """A write on its way to disk."""

    revision: int
    key: str
    value: bytes | None
    done: asyncio.Future[int]


@attrs.define
class _Batch:
    """What one commit takes to disk.

    Attributes:
        writes: in revision order.
        compact: forget up to this revision as well; 0 forgets nothing.
    """

    writes: list[_Write] = attrs.field(factory=list)
    compact: int = 0

    def __bool__(self) -> bool:
        return bool(self.writes) or bool(self.compact)


class SqliteStore:
    """A `Store` in one file, of one process at a time.

    Args:
        path: the file; it is created when missing.
        threaded: commit in a thread (live), or on the loop (virtual time).
        durability: what a commit waits for.
        history: how many events to keep in memory.
    """

    def __init__(
        self,
        path: Path,
        *,
        threaded: bool = True,
        durability: Durability = "FULL",
        history: int = DEFAULT_HISTORY,
    ) -> None:
        self._path = path
        self._threaded = threaded
        self._durability = durability
        self._state = State(history)
        self._next = FIRST_REVISION + 1
        self._heads: dict[str, _Write] = {}
        self._waiting = _Batch()
        self._committing = False
        self._drained: asyncio.Future[None] | None = None
        self._batches: SimpleQueue[_Batch | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._broken: StoreFailed | None = None

    async def start(self) -> None:
        """Opens the file and loads it.

        Raises:
            StoreFailed: the file cannot be opened, is no such store, or belongs to another process.
        """
        try:
            self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise StoreFailed(f"{self._path}: {error}") from error
        try:
            self._db.execute("pragma locking_mode = exclusive")
            self._db.execute("pragma journal_mode = wal")
            self._db.execute(f"pragma synchronous = {self._durability}")
            self._db.executescript(_SCHEMA)
            self._load()
        except sqlite3.Error as error:
            self._db.close()
            raise StoreFailed(f"{self._path}: {error}") from error
        self._loop = asyncio.get_running_loop()
        if self._threaded:
            self._thread = threading.Thread(target=self._commit_batches, name="store", daemon=True)
            self._thread.start()

    async def close(self) -> None:
        """Waits for pending writes and closes the file."""
        await self._drain()
        if self._thread is not None:
            self._batches.put(None)
            self._thread.join()
            self._thread = None
        self._db.close()

    def subscribe(self, listener: Listener) -> Snapshot:
        """See `Store`."""
        return self._state.subscribe(listener)

    def unsubscribe(self, listener: Listener) -> None:
        """See `Store`."""
        self._state.unsubscribe(listener)

    async def write(self, key: str, value: bytes | None, expected: int) -> int:
        """See `Store`."""
        if self._broken is not None:
            raise self._broken
        # What is on its way to disk counts: the next write of a key must name it.
        if self._head(key) != expected:
            raise Mismatch(self._next - 1)
        revision, self._next = self._next, self._next + 1
        write = self._heads[key] = _Write(revision, key, value, self._loop.create_future())
        self._waiting.writes.append(write)
        self._flush_soon()
        # A caller that gives up does not take the write back: it cancels its own future, which nobody else waits for.
        return await write.done

    async def compact(self, revision: int) -> None:
        """See `Store`."""
        if self._broken is None and self._state.forget(revision):
            self._waiting.compact = revision
            self._flush_soon()
            await self._drain()

    async def _drain(self) -> None:
        """Waits until nothing is on its way to disk."""
        while self._waiting or self._committing:
            if self._drained is None:
                self._drained = self._loop.create_future()
            await asyncio.shield(self._drained)

    def _head(self, key: str) -> int:
        pending = self._heads.get(key)
        if pending is not None:
            return 0 if pending.value is None else pending.revision
        found = self._state.current.get(key)
        return found.revision if found is not None else 0

    def _load(self) -> None:
        row = self._db.execute("select max(revision) from compaction").fetchone()
        compacted = max(row[0] or 0, FIRST_REVISION)
        newest = self._db.execute("select max(revision) from log").fetchone()[0] or 0
        current = [KeyValue(*row) for row in self._db.execute(_CURRENT)]
        self._state.load(current, self._history(compacted), compacted, max(newest, compacted))
        self._next = self._state.revision + 1

    def _history(self, compacted: int) -> Iterator[Event]:
        """The kept events after a revision, each with what it replaced."""
        before: dict[str, KeyValue] = {}
        for revision, key, value in self._db.execute("select revision, key, value from log order by revision"):
            if revision > compacted:
                yield Event(revision, key, value, before.get(key))
            if value is None:
                before.pop(key, None)
            else:
                before[key] = KeyValue(key, value, revision)

    def _flush_soon(self) -> None:
        if self._committing:
            return
        self._committing = True
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Hands everything that is waiting to the committer."""
        batch, self._waiting = self._waiting, _Batch()
        if self._threaded:
            self._batches.put(batch)
        else:
            self._finish(batch, self._commit(batch))

    def _commit_batches(self) -> None:
        """The thread: one batch, one commit."""
        while (batch := self._batches.get()) is not None:
            failure = self._commit(batch)
            self._loop.call_soon_threadsafe(self._finish, batch, failure)

    def _commit(self, batch: _Batch) -> sqlite3.Error | None:
        try:
            if batch.compact or len(batch.writes) > _ROWS:
                self._commit_at_length(batch)
            else:
                # One statement is a transaction of its own. It lets go of the interpreter once, not once a row:
                # each time, a busy loop would keep this thread waiting for its turn.
                self._insert(batch.writes)
        except sqlite3.Error as error:
            return error
        return None

    def _commit_at_length(self, batch: _Batch) -> None:
        self._db.execute("begin")
        for start in range(0, len(batch.writes), _ROWS):
            self._insert(batch.writes[start : start + _ROWS])
        if batch.compact:
            self._db.execute("delete from compaction")
            self._db.execute("insert into compaction values (?)", (batch.compact,))
            self._db.execute(_COMPACT, {"upto": batch.compact})
        self._db.execute("commit")

    def _insert(self, writes: Sequence[_Write]) -> None:
        rows = ",".join(["(?,?,?)"] * len(writes))
        values = [value for write in writes for value in (write.revision, write.key, write.value)]
        self._db.execute(f"insert into log values {rows}", values)

    def _finish(self, batch: _Batch, failure: sqlite3.Error | None) -> None:
        """Publishes a committed batch and answers its writers; on the loop."""
        self._committing = False
        if failure is not None:
            self._break(batch, failure)
            return
        for write in batch.writes:
            if self._heads[write.key] is write:
                del self._heads[write.key]
        self._state.commit((write.revision, write.key, write.value) for write in batch.writes)
        for write in batch.writes:
            if not write.done.done():
                write.done.set_result(write.revision)
        if self._waiting:
            self._flush_soon()
        else:
            self._release()

    def _break(self, batch: _Batch, failure: sqlite3.Error) -> None:
        """After a failed commit nothing is certain any more: every write fails from now on."""
        self._broken = StoreFailed(f"{self._path}: {failure}")
        for write in (*batch.writes, *self._waiting.writes):
            if not write.done.done():
                write.done.set_exception(self._broken)
        self._waiting = _Batch()
        self._release()

    def _release(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None
