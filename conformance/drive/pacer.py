"""Spreads what the scenarios do to the target's controllers, which may not send requests as fast as they like."""

from __future__ import annotations

import asyncio

from conformance.clock import SuiteClock

REGISTRATION = 3
"""Requests the lifecycle controller makes for a new node: its event, and the taint read and taken off."""
SILENCE = 7
"""The same for a node that falls silent: conditions, event, each of two taints read, put on and compared."""
RETURN = 6
"""The same for a node that comes back."""

_SHARE = 0.45
_BURST = 1.0


class Pacer:
    """Lets work begin in the order it is asked for, so that the requests it causes stay within a rate.

    kube-controller-manager allows each controller 20 requests a second (`--kube-api-qps`). All scenarios of a run
    together would ask far more of one controller, and windows derived from its periods would not hold.

    Args:
        clock: of the run.
        qps: requests a second that a controller of the target may make.
    """

    def __init__(self, clock: SuiteClock, qps: float) -> None:
        self._clock = clock
        self._rate = qps * _SHARE
        self._burst = _BURST
        self._due = 0.0

    async def wait(self, requests: int) -> None:
        """Waits until the controllers can afford so many more requests."""
        now = self._clock.monotonic()
        begin = max(self._due, now - self._burst)
        self._due = begin + requests / self._rate
        await asyncio.sleep(max(begin - now, 0))
