"""Notices when the suite stands still, or an agent gets no processor: what came late may then have come in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import attrs

from conformance.clock import SuiteClock
from conformance.record.history import AGENT, SUITE, Gap
from conformance.record.log import Log

_BEAT: Final = 0.5
"""Seconds between two looks at the clock."""
_LATE: Final = 0.25
"""Seconds by which a look may be late without a word."""
_SHORT: Final = 0.5
"""Share of a stretch for which an agent may wait for a processor without a word."""


async def keep_time(log: Log, clock: SuiteClock, waited: Callable[[], float] = lambda: 0.0) -> None:
    """Looks at the clock in even steps; notes when the suite was kept from it, and when the agent was short of time.

    A machine that is paused or overloaded stops everything that the suite does, its requests and its watches, and the
    agents that it started. Where time only jumps nothing is late, and nobody looks.

    Args:
        log: where gaps go.
        clock: the suite's.
        waited: seconds for which the agent was ready to run and did not, so far; they may begin anew.
    """
    hunger = _Hunger(log, clock.monotonic(), waited())
    try:
        while clock.live:
            due = clock.monotonic() + _BEAT
            await asyncio.sleep(_BEAT)
            now = clock.monotonic()
            if now - due > _LATE:
                log.gap(Gap(due, now, SUITE, "the machine was paused, or had too much to do", lossy=False))
            hunger.look(now, waited())
    finally:
        hunger.end()


@attrs.define
class _Hunger:
    """A stretch in which an agent mostly waits for a processor, as long as it goes on."""

    log: Log
    seen: float
    waited: float
    since: float | None = None

    def look(self, now: float, waited: float) -> None:
        """Takes a new count."""
        if waited - self.waited > _SHORT * (now - self.seen):
            self.since = self.seen if self.since is None else self.since
        else:
            self.end()
        self.seen, self.waited = now, waited

    def end(self) -> None:
        """Notes the stretch, if there is one."""
        if self.since is not None:
            self.log.gap(Gap(self.since, self.seen, AGENT, "the machine had too much to do", lossy=False))
        self.since = None
