"""Events on their way to the master: at most so many wait, and what finds no room is counted, not waited for."""

from __future__ import annotations

import asyncio
import logging
from typing import Generic, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)


class EventQueue(Generic[T]):
    """A queue that never holds up who puts something in.

    A flood is told of in two lines, one when it begins to cost events and one when the queue is empty again.

    Args:
        limit: how many events wait at most.
    """

    def __init__(self, limit: int) -> None:
        self._queue: asyncio.Queue[T] = asyncio.Queue(limit)
        self._dropped = 0

    def put(self, event: T, says: str) -> None:
        """Queues an event, or drops it when there is no room; `says` is what it tells of, for the log."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            if not self._dropped:
                log.warning("%d events wait already; dropped %s, and more until they are written", self.limit, says)
            self._dropped += 1

    async def get(self) -> T:
        """Waits for the next event."""
        if self._dropped and self._queue.empty():
            log.warning("%d events were dropped, the queue was full", self._dropped)
            self._dropped = 0
        return await self._queue.get()

    @property
    def limit(self) -> int:
        """How many events wait at most."""
        return self._queue.maxsize
