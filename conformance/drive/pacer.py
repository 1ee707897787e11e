"""Spreads what the scenarios do to the target's controllers, which may not send requests as fast as they like."""

from __future__ import annotations

import asyncio
from heapq import heapify, heappush
from itertools import count

import attrs

from conformance.clock import SuiteClock

REGISTRATION = 3
"""Requests the lifecycle controller makes for a new node: its event, and the taint read and taken off."""
SILENCE = 7
"""The same for a node that falls silent: conditions, event, each of two taints read, put on and compared."""
RETURN = 6
"""The same for a node that comes back."""

_SHARE = 0.45
_BURST = 1.0
_GRAIN = 0.001
"""Seconds that a clock need not tell apart."""


class Pacer:
    """Lets work begin in the order it is asked for, so that the requests it causes stay within a rate.

    kube-controller-manager allows each controller 20 requests a second (`--kube-api-qps`). All scenarios of a run
    together would ask far more of one controller, and windows derived from its periods would not hold. Those that last
    longest go first, for the run lasts as long as they do.

    Args:
        clock: of the run.
        qps: requests a second that a controller of the target may make.
    """

    def __init__(self, clock: SuiteClock, qps: float) -> None:
        self._clock = clock
        self._rate = qps * _SHARE
        self._burst = _BURST
        self._due = 0.0
        self._tickets = count()
        self._waiting: list[_Ticket] = []

    async def wait(self, requests: int, urgency: float = 0) -> None:
        """Waits until the controllers can afford so many more requests.

        Args:
            requests: how many.
            urgency: the more urgent go first, whenever they asked.
        """
        ticket = _Ticket(-urgency, next(self._tickets))
        heappush(self._waiting, ticket)
        try:
            while self._waiting[0] is not ticket or (pause := self._pause()) > _GRAIN:
                if self._waiting[0] is ticket:
                    await asyncio.sleep(pause)
                else:
                    await ticket.first.wait()
                    ticket.first.clear()
            self._due = self._earliest() + requests / self._rate
        finally:
            self._waiting.remove(ticket)
            heapify(self._waiting)
            if self._waiting:
                self._waiting[0].first.set()

    def _earliest(self) -> float:
        """When the next may begin; rate that nobody used is kept for a while."""
        return max(self._due, self._clock.monotonic() - self._burst)

    def _pause(self) -> float:
        return self._earliest() - self._clock.monotonic()


@attrs.define(order=True)
class _Ticket:
    """A place in the line; `first` is set when it may be the first one."""

    rank: float
    number: int
    first: asyncio.Event = attrs.field(factory=asyncio.Event, order=False)
