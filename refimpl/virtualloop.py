"""An event loop whose time jumps: when nothing is runnable, it is at once as late as the next timer wants it to be.

It does what asyncio's selector loop does, but where that one waits for the next timer, this one moves its clock there.
Work in executor threads is the exception, for the loop can ask it how long it takes: while some is under way, time
passes as it does outside. What other processes do is invisible to it.

Calls that are due at one moment come in the order in which they were asked for. Time is kept in whole microseconds, so
that sums of many waits stay round.

A simulated cluster is mostly timers and wake-ups, so the way of a call through the loop is short: asyncio's own round
looks at the world outside each time, and asks for debug mode several times a call. What is overridden is how Python
3.11 to 3.14 have it.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import selectors
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextvars import Context, copy_context
from typing import Any

_PER_SECOND = 1_000_000
_TICK = 1 / _PER_SECOND
_NOISE = 1e-3
"""Share of a microsecond that is an error of binary fractions and no later time."""
_STEP = 0.01
"""Seconds for which executor threads are waited for at a time."""
_GLANCE = 64
"""A loop without files of its user looks outside (for signals) once in so many rounds."""
_FEW = 100
"""So many cancelled timers are kept until they would be due."""


class _Call(asyncio.TimerHandle):
    """A call that is to be made at a moment, or in the next round."""

    __slots__ = ()

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: Sequence[Any],
        loop: VirtualLoop,
        context: Context | None,
    ) -> None:
        self._context = copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None
        self._when = when
        self._scheduled = False

    def cancel(self) -> None:
        """Takes the call back; once it was made, this does nothing."""
        if not self._cancelled:
            self._cancelled = True
            self._callback = self._args = None  # type: ignore[assignment]
            if self._scheduled:
                self._loop.cancelled += 1


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that starts at time zero and never waits for a timer.

    Attributes:
        cancelled: how many of the timers that are kept were cancelled.
    """

    _ready: deque[asyncio.Handle]
    _stopping: bool
    _closed: bool
    _debug: bool
    _process_events: Callable[[list[tuple[selectors.SelectorKey, int]]], None]

    def __init__(self) -> None:
        self._now = 0.0
        self._timers: list[tuple[float, int, _Call]] = []
        self._timers_made = 0
        self.cancelled = 0
        self._threads = 0
        self._rounds_unseen = 0
        self._selector = selectors.DefaultSelector()
        super().__init__(self._selector)
        self._files = self._selector.get_map()
        self._own_files = len(self._files)

    def time(self) -> float:
        """Seconds since the loop was made, of its own time."""
        return self._now

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Calls in the next round."""
        if self._debug or self._closed:
            return super().call_soon(callback, *args, context=context)
        call = _Call(self._now, callback, args, self, context)
        self._ready.append(call)
        return call

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Calls so many seconds from now."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Calls at a moment; one that is later, but not by a tick, comes with the next tick.

        Without that it would come at once, and who waits until the moment has passed would ask for it again for ever.
        """
        if self._closed:
            raise RuntimeError("Event loop is closed")
        if self._now < when < self._now + _TICK:
            when = self._now + _TICK
        call = _Call(when, callback, args, self, context)
        call._scheduled = True
        self._timers_made += 1
        heapq.heappush(self._timers, (when, self._timers_made, call))
        return call

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Runs a function in a thread; until it is done, time does not jump."""
        future = super().run_in_executor(executor, func, *args)
        self._threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    async def shutdown_default_executor(self, *timeout: Any) -> None:
        """Waits for the executor's threads; the thread that joins them is one of asyncio's own."""
        self._threads += 1
        try:
            await super().shutdown_default_executor(*timeout)
        finally:
            self._threads -= 1

    def close(self) -> None:
        """Forgets all calls and closes what the loop has opened."""
        super().close()
        self._timers.clear()

    def _thread_ended(self, _: asyncio.Future[Any]) -> None:
        self._threads -= 1

    def _run_once(self) -> None:
        """One round: takes in what came from outside, or else lets time pass; then makes all calls that are due."""
        ready, timers = self._ready, self._timers
        self._drop_cancelled()
        busy = bool(ready) or self._stopping
        if self._threads or not (busy or timers):
            self._wait(busy=busy)
        elif self._is_worth_a_look() and (events := self._selector.select(0)):
            self._process_events(events)
        elif not busy:
            self._now = max(self._now, _whole_ticks(timers[0][0]))
        due = self._now + _TICK
        while timers and timers[0][0] < due:
            timer = heapq.heappop(timers)[2]
            timer._scheduled = False
            ready.append(timer)
        for _ in range(len(ready)):
            call = ready.popleft()
            if not call._cancelled:
                call._run()

    def _drop_cancelled(self) -> None:
        """Forgets timers that were cancelled: those that would be next, and all when they are most of many."""
        timers = self._timers
        if self.cancelled > _FEW and self.cancelled > len(timers) / 2:
            timers[:] = [entry for entry in timers if not entry[2]._cancelled]
            heapq.heapify(timers)
            self.cancelled = 0
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
            self.cancelled -= 1

    def _is_worth_a_look(self) -> bool:
        """Whether something may have come from outside that is to be seen before time jumps."""
        self._rounds_unseen += 1
        if self._rounds_unseen < _GLANCE and len(self._files) <= self._own_files:
            return False
        self._rounds_unseen = 0
        return True

    def _wait(self, *, busy: bool) -> None:
        """Waits for what only the world outside can bring: a thread's result or, with nothing else to do, anything."""
        if not self._threads:
            self._process_events(self._selector.select(None))
            return
        step = 0.0 if busy else _STEP
        if self._timers:
            step = min(step, max(0.0, self._timers[0][0] - self._now))
        events = self._selector.select(step)
        self._process_events(events)
        if not events:
            self._now = _whole_ticks(self._now + step)


def _whole_ticks(seconds: float) -> float:
    return math.ceil(seconds * _PER_SECOND - _NOISE) / _PER_SECOND
