"""Notices when the suite itself stands still: then whatever came late may have come in time."""

from __future__ import annotations

import asyncio
from typing import Final

from conformance.clock import SuiteClock
from conformance.record.history import Gap
from conformance.record.log import Log

_BEAT: Final = 0.5
"""Seconds between two looks at the clock."""
_LATE: Final = 0.25
"""Seconds by which a look may be late without a word."""


async def keep_time(log: Log, clock: SuiteClock) -> None:
    """Looks at the clock in even steps, and notes a gap when it was kept from it.

    Where time only jumps nothing is late, and nobody looks.

    A machine that is overloaded or paused, or a suite that is busy, stops everything that the suite does: its requests,
    its watches, and the agents that it started on the same machine.
    """
    while clock.live:
        due = clock.monotonic() + _BEAT
        await asyncio.sleep(_BEAT)
        now = clock.monotonic()
        if now - due > _LATE:
            log.gap(Gap(due, now, "", "the machine was paused, or had too much to do", lossy=False))
