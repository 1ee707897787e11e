"""A faulty proxy at the seam between suite and master: it works in virtual time, and one seed gives one weather."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

import attrs

from conformance.wire import NoAnswer, Reply, Stream, Wire

GONE = json.dumps(
    {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}
).encode()


@attrs.define(eq=False)
class Weather:
    """What goes wrong, the same for all connections of a run.

    Attributes:
        seed: of the dice.
        drop: share of requests that never arrive.
        lose: share of requests whose answers never arrive.
        busy: share of requests answered 429 or 503 with Retry-After.
        cut: chance that a watch breaks off after a line.
        end: chance that it is closed in good order instead.
        gone: chance that it ends with 410.
        slow: seconds that every request takes longer.
        down: stretches, in seconds since the start of the loop, in which nobody is there; all watches break.
        happened: how often something went wrong.
    """

    seed: int = 0
    drop: float = 0
    lose: float = 0
    busy: float = 0
    cut: float = 0
    end: float = 0
    gone: float = 0
    slow: float = 0
    down: tuple[tuple[float, float], ...] = ()
    happened: int = attrs.field(default=0, init=False)
    _dice: random.Random = attrs.field(
        init=False, default=attrs.Factory(lambda self: random.Random(self.seed), takes_self=True)
    )

    def strikes(self, chance: float) -> bool:
        """Whether something with that chance happens now."""
        struck = chance > 0 and self._dice.random() < chance
        self.happened += struck
        return struck

    def is_down(self) -> bool:
        """Whether nobody is there just now."""
        now = asyncio.get_running_loop().time()
        return any(since <= now < until for since, until in self.down)

    def falls(self) -> float | None:
        """Seconds until the next stretch in which nobody is there."""
        now = asyncio.get_running_loop().time()
        return next((since - now for since, _ in self.down if since > now), None)

    def busy_answer(self) -> Reply:
        """What a server says that has too much to do."""
        status = self._dice.choice((429, 503))
        self.happened += 1
        return Reply(status, {"retry-after": "1"}, b'{"kind":"Status","reason":"TooManyRequests"}')


class Faulty:
    """A wire with weather; see `conformance.wire.Wire`."""

    def __init__(self, inner: Wire, weather: Weather) -> None:
        self._inner = inner
        self._weather = weather

    async def send(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Reply:
        weather = self._weather
        await asyncio.sleep(weather.slow)
        if weather.is_down():
            weather.happened += 1
            raise NoAnswer("connection refused")
        if weather.strikes(weather.drop):
            raise NoAnswer("connection reset before the request")
        if weather.strikes(weather.busy):
            return weather.busy_answer()
        reply = await self._inner.send(method, target, headers, content)
        if weather.strikes(weather.lose):
            raise NoAnswer("connection reset before the answer")
        return reply

    @asynccontextmanager
    async def stream(self, target: str, headers: Mapping[str, str]) -> AsyncIterator[Stream]:
        weather = self._weather
        await asyncio.sleep(weather.slow)
        if weather.is_down():
            raise NoAnswer("connection refused")
        if weather.strikes(weather.drop):
            raise NoAnswer("connection reset before the request")
        if weather.strikes(weather.busy):
            reply = weather.busy_answer()
            yield Stream(reply.status, _once(reply.content))
            return
        async with self._inner.stream(target, headers) as stream:
            yield Stream(stream.status, self._lines(stream.lines))

    async def _lines(self, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        weather = self._weather
        fall = weather.falls()
        end = None if fall is None else asyncio.get_running_loop().time() + fall
        try:
            async with asyncio.timeout_at(end):
                async for line in lines:
                    yield line
                    if weather.strikes(weather.cut):
                        raise NoAnswer("stream reset")
                    if weather.strikes(weather.end):
                        return
                    if weather.strikes(weather.gone):
                        yield GONE
                        return
        except TimeoutError:
            raise NoAnswer("stream reset: the server stopped") from None

    @asynccontextmanager
    async def mute(self) -> AsyncIterator[Stream]:
        """A stream on which nothing ever comes."""

        async def lines() -> AsyncIterator[bytes]:
            await asyncio.Event().wait()
            yield b""

        yield Stream(200, lines())

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def every_kind() -> Iterator[tuple[str, Weather]]:
    """Each trouble alone, and all together."""
    yield "drops one request in a hundred", Weather(drop=0.01)
    yield "loses one answer in a hundred", Weather(lose=0.01)
    yield "is busy", Weather(busy=0.02)
    yield "closes watches", Weather(cut=0.01, end=0.01)
    yield "forgets", Weather(gone=0.005)
    yield "is slow", Weather(slow=0.5)
    yield "restarts", Weather(down=((45, 53), (130, 138)))
    yield (
        "is wretched",
        Weather(drop=0.005, lose=0.005, busy=0.005, cut=0.003, end=0.003, gone=0.0002, slow=0.1, down=((60, 65),)),
    )
