"""The work queue between informers and a controller's reconcile loop, after client-go's `util/workqueue`.

A key that is added while it waits is handed out once; a key that is added while it is being worked on is handed out
again afterwards. Failures come back later, each time twice as late.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from refimpl.api.errors import ApiError
from refimpl.client.transport import Unreachable
from refimpl.clock import Clock

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Distinct keys in order of arrival, with delays and per-key exponential back-off.

    Args:
        clock: for delays.
        base_delay: seconds before the first retry of a key.
        max_delay: the longest wait between retries.
    """

    def __init__(self, clock: Clock, *, base_delay: float = 0.005, max_delay: float = 1000.0) -> None:
        self._clock = clock
        self._base_delay = base_delay
        self._max_delay = max_delay
        self._ready: deque[K] = deque()
        self._waiting: set[K] = set()
        self._active: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._wakeup: asyncio.Event = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: K) -> None:
        """Makes a key ready now (at most once)."""
        if key in self._active:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.append(key)
            self._wakeup.set()

    def add_after(self, key: K, delay: float) -> None:
        """Makes a key ready after `delay` seconds; an earlier pending time of the same key wins."""
        if delay <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + delay
        pending = self._timers.get(key)
        if pending is not None:
            if pending.when() <= due:
                return
            pending.cancel()
        self._timers[key] = loop.call_at(due, self._fire, key)

    def retry(self, key: K) -> None:
        """Makes a key ready after its back-off, which doubles with each call until `forget`."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(self._base_delay * 2**failures, self._max_delay))

    def forget(self, key: K) -> None:
        """Resets the back-off of a key."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """Waits for a key; pair every `get` with `done`."""
        while not self._ready:
            self._wakeup.clear()
            await self._wakeup.wait()
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._active.add(key)
        return key

    def done(self, key: K) -> None:
        """Says that work on the key has ended."""
        self._active.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _fire(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)


async def work(queue: WorkQueue[K], reconcile: Callable[[K], Awaitable[None]], *, name: str) -> None:
    """One worker: takes keys for ever, reconciles each, retries the failed ones with back-off.

    API errors and lost connections are the expected failures; a bug in `reconcile` is logged with its traceback and
    the key is retried as well, so that one bad object cannot stop a controller.
    """
    while True:
        key = await queue.get()
        try:
            await reconcile(key)
        except (ApiError, Unreachable) as error:
            log.info("%s %s: %s; will retry", name, key, error)
            queue.retry(key)
        except Exception:
            log.exception("%s %s: unexpected failure; will retry", name, key)
            queue.retry(key)
        else:
            queue.forget(key)
        finally:
            queue.done(key)
