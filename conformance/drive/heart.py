"""The heartbeat of a simulated node: steady whatever the answers do, and honest about its own gaps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING

from conformance.client import ApiRefused
from conformance.record.history import Beat
from conformance.wire import NoAnswer

if TYPE_CHECKING:
    from conformance.drive.stage import Stage

_SHORTEST = 1.1
"""Seconds between two beats at least: heartbeat times have whole seconds, and only a changed one counts."""


class Heart:
    """Beats with one signal, or with several in turn.

    Every beat is a request of its own that may take its time; the next one does not wait for it, unless it is of the
    same signal.

    Args:
        stage: where the node lives.
        node: the node's name.
        deliver: sends one beat of a signal; raises what the client raises.
    """

    def __init__(self, stage: Stage, node: str, deliver: Callable[[str], Awaitable[None]]) -> None:
        self._stage = stage
        self._node = node
        self._deliver = deliver
        self._interval = max(stage.timing.beat_interval, _SHORTEST)
        self._loop: asyncio.Task[None] | None = None
        self._underway: dict[str, asyncio.Task[None]] = {}
        self._last_ok: float | None = None
        self._error = ""

    def start(self, signals: tuple[str, ...]) -> None:
        """Beats from now on; the first time after one interval."""
        self._last_ok = None
        self._loop = self._stage.spawn(self._keep_beating(signals), f"beats of {self._node}")

    async def stop(self) -> None:
        """Stops; beats on their way are waited for."""
        if self._loop is not None:
            loop, self._loop = self._loop, None
            loop.cancel()
            await asyncio.wait([loop, *self._underway.values()])

    def check(self) -> None:
        """Voids the scenario when beats that should have been delivered were not."""
        if self._loop is not None and self._last_ok is not None:
            self._mind(self._stage.clock.monotonic() - self._last_ok)

    async def _keep_beating(self, signals: tuple[str, ...]) -> None:
        clock = self._stage.clock
        due = clock.monotonic()
        for signal in cycle(signals):
            due += self._interval
            await asyncio.sleep(max(due - clock.monotonic(), 0))
            if signal not in self._underway:
                beat = self._underway[signal] = self._stage.spawn(self._beat(signal), f"beat of {self._node}")
                beat.add_done_callback(partial(self._over, signal))

    def _over(self, signal: str, beat: asyncio.Task[None]) -> None:
        """Makes room for the next beat of the kind."""
        if self._underway.get(signal) is beat:
            del self._underway[signal]

    async def _beat(self, signal: str) -> None:
        sent = self._stage.clock.moment()
        ok = await self._try(signal)
        answered = self._stage.clock.moment()
        self._stage.log.beat(Beat(sent, answered, self._node, signal, ok))
        if ok:
            self._mind(answered - (self._last_ok or answered))
            self._last_ok = answered

    async def _try(self, signal: str) -> bool:
        try:
            async with asyncio.timeout(self._stage.timing.stall):
                await self._deliver(signal)
        except (ApiRefused, NoAnswer) as error:
            self._error = str(error)
            return False
        except TimeoutError:
            self._error = f"no answer within {self._stage.timing.stall:g} s"
            return False
        return True

    def _mind(self, gap: float) -> None:
        """A gap that the master might take for a silence is the suite's fault."""
        limit = self._stage.timing.stall
        if gap > limit:
            cause = f"; last error: {self._error}" if self._error else ""
            self._stage.void(
                f"suite stalled: no heartbeat of {self._node} got through for {gap:.1f} s (limit {limit:g} s){cause}"
            )
