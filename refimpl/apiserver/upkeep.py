"""What a server does by itself from time to time: it forgets history, and events that nobody repeats.

Source: kube-apiserver 1.36, `--etcd-compaction-interval` and `--event-ttl`.
"""

from __future__ import annotations

from refimpl.api.resources import EVENTS
from refimpl.apiserver.objects.cache import Key
from refimpl.apiserver.objects.registry import Registry
from refimpl.clock import Clock
from refimpl.storage.base import Mismatch

EVENT_LIFETIME = 3600.0
"""Seconds an Event is kept after its last change."""
_SWEEP_INTERVAL = 60.0


class Upkeep:
    """Keeps the store of one server small.

    Args:
        registry: of the server.
        clock: for the intervals.
        compaction_interval: seconds between two compactions; each leaves the history of that time.
    """

    def __init__(self, registry: Registry, clock: Clock, *, compaction_interval: float) -> None:
        self._registry = registry
        self._clock = clock
        self._compaction_interval = compaction_interval
        self._known: dict[Key, tuple[int, float]] = {}

    async def run(self) -> None:
        """Works until cancelled."""
        forgettable = self._registry.revision
        now = self._clock.monotonic()
        next_compaction, next_sweep = now + self._compaction_interval, now + _SWEEP_INTERVAL
        while True:
            await self._clock.sleep(max(0.0, min(next_compaction, next_sweep) - self._clock.monotonic()))
            if self._clock.monotonic() >= next_sweep:
                await self.sweep_events()
                next_sweep += _SWEEP_INTERVAL
            if self._clock.monotonic() >= next_compaction:
                await self._registry.compact(forgettable)
                forgettable = self._registry.revision
                next_compaction = self._clock.monotonic() + self._compaction_interval

    async def sweep_events(self) -> None:
        """Removes Events that have not changed for their lifetime, as far as this server has seen."""
        now = self._clock.monotonic()
        known = self._known
        self._known = {}
        for entry in self._registry.cache(EVENTS).ordered():
            revision, since = known.get(entry.key, (0, now))
            if revision != entry.revision:
                since = now
            if now - since < EVENT_LIFETIME:
                self._known[entry.key] = (entry.revision, since)
                continue
            try:
                await self._registry.remove(EVENTS, entry)
            except Mismatch:
                # It was repeated, or removed by another server, just now.
                continue
