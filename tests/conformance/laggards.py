"""A master all of whose parts take their time: every request and every piece of a stream comes a little late."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import attrs

from fixtures.inprocess import InProcessWire
from refimpl.api.http import Response, close
from refimpl.client.transport import DirectTransport

USUAL = 0.01
LONGEST = 0.5
OFTEN = 0.05


class _Late:
    """A stream of which every piece comes late; those that wait meanwhile come with it."""

    def __init__(self, body: AsyncIterator[bytes], delay: Callable[[], float]) -> None:
        self._body = body
        self._delay = delay

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await asyncio.sleep(self._delay())
        return await anext(self._body)

    async def aclose(self) -> None:
        await close(self._body)


@contextmanager
def laggards(seed: int) -> Iterator[None]:
    """Whoever asks hears and is heard late: 10 ms as a rule, now and then half a second."""
    dice = random.Random(seed)

    def delay() -> float:
        return dice.uniform(0, LONGEST) if dice.random() < OFTEN else dice.expovariate(1 / USUAL)

    def late(send: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
        async def wrapped(*args: Any, **options: Any) -> Response:
            await asyncio.sleep(delay())
            answer = await send(*args, **options)
            await asyncio.sleep(delay())
            return answer if isinstance(answer.body, bytes) else attrs.evolve(answer, body=_Late(answer.body, delay))

        return wrapped

    with (
        patch.object(DirectTransport, "send", late(DirectTransport.send)),
        patch.object(InProcessWire, "_answer", late(InProcessWire._answer)),
    ):
        yield
