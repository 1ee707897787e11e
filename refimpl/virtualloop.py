"""An event loop whose time jumps: when nothing is runnable, it is at once as late as the next timer wants it to be.

An asyncio loop waits in one place only, in its selector. This one selects what is ready and, instead of waiting for
the next timer, moves its clock there. Work in executor threads is the exception, for the loop can ask it how long it
takes: while some is under way, time passes as it does outside. What other processes do is invisible to it.

Time is kept in whole microseconds, so that sums of many waits stay round.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context
from typing import Any

_PER_SECOND = 1_000_000
_TICK = 1 / _PER_SECOND
_NOISE = 1e-3
"""Share of a microsecond that is an error of binary fractions and no later time."""
_STEP = 0.01
"""Seconds for which executor threads are waited for at a time."""
_GLANCE = 64
"""A loop without files of its user looks outside (for signals) once in so many rounds."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that starts at time zero and never waits for a timer."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._jumping.standing_by = len(self._jumping.get_map())
        # How exact the base class takes its clock to be; the machine's own nanosecond is lost in sums above 48 days.
        self._clock_resolution = _TICK

    def time(self) -> float:
        """Seconds since the loop was made, of its own time."""
        return self._jumping.now

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Calls at a moment; one that is later, but not by a tick, comes with the next tick.

        Without that it would come at once, and who waits until the moment has passed would ask for it again for ever.
        """
        now = self.time()
        if now < when < now + _TICK:
            when = now + _TICK
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Runs a function in a thread; until it is done, time does not jump."""
        future = super().run_in_executor(executor, func, *args)
        self._jumping.threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, _: asyncio.Future[Any]) -> None:
        self._jumping.threads -= 1


class _JumpingSelector(selectors.DefaultSelector):
    """Selects for a loop.

    Attributes:
        now: seconds, the loop's time.
        threads: calls in executor threads that are under way.
        standing_by: how many files the loop has registered for itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.threads = 0
        self.standing_by = 0
        self._unseen = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; with nothing ready, time moves on by the timeout instead of passing."""
        if timeout is None or self.threads:
            return self._wait(timeout)
        ready = super().select(0) if self._is_worth_a_look() else []
        if timeout > 0 and not ready:
            self._move(timeout)
        return ready

    def _is_worth_a_look(self) -> bool:
        self._unseen += 1
        if self._unseen < _GLANCE and len(self.get_map()) <= self.standing_by:
            return False
        self._unseen = 0
        return True

    def _wait(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Waits for what only the world outside can bring: a thread's result, or (without a timeout) anything."""
        step = min(timeout if timeout is not None else _STEP, _STEP)
        ready = super().select(step if self.threads else None)
        if not ready:
            self._move(step)
        return ready

    def _move(self, seconds: float) -> None:
        self.now = math.ceil((self.now + seconds) * _PER_SECOND - _NOISE) / _PER_SECOND
