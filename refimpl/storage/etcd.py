"""The store in etcd: what several API servers share.

A write is a transaction guarded by the key's revision; it is answered when the watch, over which everything that was
written comes back in order, has told the listeners of it. So all servers on one etcd see one order.

History begins when the store is opened, as that of a kube-apiserver's watch cache does: a watch from before then is
told 410. A member that does not answer is left for the next one; a write whose answer was lost is looked up when it is
tried again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from refimpl.storage.base import KeyValue, Listener, Mismatch, Snapshot, StoreFailed
from refimpl.storage.etcdgateway import Compacted, Gateway, Outcome, Unavailable
from refimpl.storage.state import DEFAULT_HISTORY, State

log = logging.getLogger(__name__)

PREFIX = "/registry/"
ATTEMPTS = 20
"""Calls before the store gives up on etcd."""
PAUSE = 0.5
"""Seconds between two of them."""


class EtcdStore:
    """A `Store` in an etcd.

    Args:
        endpoints: base URLs of its members.
        prefix: of the keys that are the store's.
        history: how many events to keep in memory.
    """

    def __init__(self, endpoints: Sequence[str], *, prefix: str = PREFIX, history: int = DEFAULT_HISTORY) -> None:
        self._gateway = Gateway(endpoints)
        self._prefix = prefix
        self._history = history
        self._state = State(history)
        self._writing: dict[str, asyncio.Future[None]] = {}
        self._news: asyncio.Future[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._broken: StoreFailed | None = None

    async def start(self) -> None:
        """Loads every key and begins to watch.

        Raises:
            StoreFailed: no member answers.
        """
        await self._gateway.open()
        self._broken = None
        revision, items = await self._patiently()
        self._state.load(items, (), revision, revision)
        self._watching = asyncio.create_task(self._watch(), name="etcd watch")

    async def close(self) -> None:
        """Waits for pending writes and hangs up."""
        while self._writing and self._broken is None:
            await asyncio.wait(list(self._writing.values()))
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
            self._watching = None
        await self._gateway.close()

    def subscribe(self, listener: Listener) -> Snapshot:
        """See `Store`."""
        return self._state.subscribe(listener)

    def unsubscribe(self, listener: Listener) -> None:
        """See `Store`."""
        self._state.unsubscribe(listener)

    async def write(self, key: str, value: bytes | None, expected: int) -> int:
        """See `Store`."""
        # Of one key, writes go out in the order they came: the next may already name the revision of the one before.
        before = self._writing.get(key)
        mine = self._writing[key] = asyncio.get_running_loop().create_future()
        try:
            if before is not None:
                await before
            return await self._write(key, value, expected)
        finally:
            mine.set_result(None)
            if self._writing.get(key) is mine:
                del self._writing[key]

    async def compact(self, revision: int) -> None:
        """See `Store`."""
        if self._broken is not None or not self._state.forget(revision):
            return
        try:
            await self._gateway.compact(revision)
        except Compacted:
            return  # another server was first
        except Unavailable as error:
            log.warning("etcd was not compacted: %s", error)

    async def _patiently(self) -> tuple[int, list[KeyValue]]:
        """Reads everything, with patience for an etcd that is only just starting."""
        for _ in range(ATTEMPTS):
            try:
                return await self._gateway.range(self._prefix)
            except Unavailable as error:
                failure = error
            await asyncio.sleep(PAUSE)
        await self._gateway.close()
        raise StoreFailed(f"etcd: {failure}")

    async def _write(self, key: str, value: bytes | None, expected: int) -> int:
        if value is None and not expected:
            raise Mismatch(self._state.revision)
        outcome, doubtful = await self._attempt(key, value, expected)
        if outcome.succeeded:
            await self._until(lambda: self._state.revision >= outcome.revision)
            return outcome.revision
        # Whoever is told of the mismatch must be able to see it.
        await self._until(lambda: self._revision_of(key) != expected)
        if doubtful and _is(outcome, value):
            return self._revision_of(key) or self._state.revision
        raise Mismatch(self._state.revision)

    async def _attempt(self, key: str, value: bytes | None, expected: int) -> tuple[Outcome, bool]:
        """Tries until there is an answer; says whether an earlier attempt may have happened."""
        for attempt in range(ATTEMPTS):
            if self._broken is not None:
                raise self._broken
            try:
                return await self._gateway.write(key, value, expected), attempt > 0
            except Unavailable as error:
                failure = error
            await asyncio.sleep(PAUSE)
        raise self._fail(str(failure))

    def _revision_of(self, key: str) -> int:
        found = self._state.current.get(key)
        return found.revision if found is not None else 0

    async def _until(self, reached: Callable[[], bool]) -> None:
        """Waits until what was written has come back far enough."""
        while not reached():
            if self._broken is not None:
                raise self._broken
            if self._news is None:
                self._news = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._news)

    async def _watch(self) -> None:
        """Takes in everything that is written, over all interruptions."""
        failures = 0
        while failures < ATTEMPTS:
            try:
                async for puts in self._gateway.watch(self._prefix, self._state.revision + 1):
                    failures = 0
                    if puts:
                        self._state.commit((put.revision, put.key, put.value) for put in puts)
                        self._tell()
            except Compacted:
                self._fail("changes were compacted before they were seen")
                return
            except Unavailable as error:
                failures += 1
                log.warning("etcd: %s", error)
            await asyncio.sleep(PAUSE)
        self._fail("the watch cannot be held")

    def _tell(self) -> None:
        news, self._news = self._news, None
        if news is not None and not news.done():
            news.set_result(None)

    def _fail(self, why: str) -> StoreFailed:
        """From now on every write fails."""
        self._broken = StoreFailed(f"etcd: {why}")
        log.error("%s", self._broken)
        self._tell()
        return self._broken


def _is(outcome: Outcome, value: bytes | None) -> bool:
    """Whether a key has what a doubtful write would have left."""
    return outcome.found is None if value is None else outcome.found is not None and outcome.found.value == value
