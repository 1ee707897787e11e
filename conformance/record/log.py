"""The log of a running session: facts are appended, scenarios wait on it, finished parts are cut out of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from conformance.record.history import AGENT, Beat, Exchange, Gap, History, Mark, Object, ObjectEvent, Story


class Log:
    """Collects facts and wakes those who wait for them.

    Args:
        epoch: wall-clock time of second zero of the loop's clock.
    """

    def __init__(self, epoch: datetime) -> None:
        self._epoch = epoch
        self._events: list[ObjectEvent] = []
        self._marks: list[Mark] = []
        self._beats: list[Beat] = []
        self._exchanges: list[Exchange] = []
        self._gaps: list[Gap] = []
        self._by_object: dict[str, dict[str, list[ObjectEvent]]] = {}
        self._by_kind: dict[str, list[ObjectEvent]] = {}
        self._current: dict[str, dict[str, Object]] = {}
        self._waiters: list[asyncio.Future[None]] = []

    def event(self, event: ObjectEvent) -> None:
        """Notes a change of an object."""
        self._events.append(event)
        self._by_object.setdefault(event.kind, {}).setdefault(event.name, []).append(event)
        self._by_kind.setdefault(event.kind, []).append(event)
        current = self._current.setdefault(event.kind, {})
        if event.after is None:
            current.pop(event.name, None)
        else:
            current[event.name] = event.after
        self._wake()

    def mark(self, mark: Mark) -> None:
        """Notes a point of a scenario."""
        self._marks.append(mark)

    def beat(self, beat: Beat) -> None:
        """Notes a heartbeat."""
        self._beats.append(beat)

    def exchange(self, exchange: Exchange) -> None:
        """Notes a request and its answer; nobody waits for the suite's own."""
        self._exchanges.append(exchange)
        if exchange.who == AGENT:
            self._wake()

    def gap(self, gap: Gap) -> None:
        """Notes that a watch may have missed something."""
        self._gaps.append(gap)

    def story(self, kind: str, name: str) -> Story:
        """What happened to one object so far."""
        return Story(kind, name, tuple(self._by_object.get(kind, {}).get(name, ())))

    def current(self, kind: str, name: str) -> Object | None:
        """The object as last seen."""
        return self._current.get(kind, {}).get(name)

    def all_current(self, kind: str) -> list[Object]:
        """All objects of a kind that exist as far as seen, in order of their creation."""
        return list(self._current.get(kind, {}).values())

    def events_since(self, kind: str, index: int) -> list[ObjectEvent]:
        """Changes of objects of a kind, from the `index`-th on."""
        return self._by_kind.get(kind, [])[index:]

    def exchanges_since(self, index: int) -> list[Exchange]:
        """Exchanges from the `index`-th on."""
        return self._exchanges[index:]

    async def changed(self) -> None:
        """Returns after the next fact."""
        future = asyncio.get_running_loop().create_future()
        self._waiters.append(future)
        try:
            await future
        finally:
            if future in self._waiters:
                self._waiters.remove(future)

    async def until(self, holds: Callable[[], Any], within: float) -> bool:
        """Waits until `holds()` is true, asked again after every fact, at most `within` seconds."""
        if holds():
            return True
        try:
            async with asyncio.timeout(within):
                while not holds():
                    await self.changed()
        except TimeoutError:
            return bool(holds())
        return True

    def whole(self, until: float) -> History:
        """A frozen copy of everything."""
        return History(
            epoch=self._epoch,
            until=until,
            events=tuple(self._events),
            marks=tuple(self._marks),
            beats=tuple(self._beats),
            exchanges=tuple(self._exchanges),
            gaps=tuple(self._gaps),
        )

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for future in waiters:
            if not future.done():
                future.set_result(None)
