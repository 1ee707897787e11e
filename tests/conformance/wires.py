"""Wires for tests: scripted answers, and bad networks in front of a good server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from conformance.wire import NoAnswer, Reply, Stream, Wire

Answer = Any


class Scripted:
    """Answers requests from a list: a `(status, body)` pair, or an exception to raise. Streams likewise, as lines."""

    def __init__(self, answers: Iterable[Answer] = (), streams: Iterable[Answer] = ()) -> None:
        self.answers = list(answers)
        self.streams = list(streams)
        self.asked: list[tuple[str, str]] = []

    async def send(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Reply:
        self.asked.append((method, target))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body, *more = answer
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Reply(status, more[0] if more else {}, text)

    @asynccontextmanager
    async def stream(self, target: str, headers: Mapping[str, str]) -> AsyncIterator[Stream]:
        self.asked.append(("WATCH", target))
        answer = self.streams.pop(0) if self.streams else []

        async def lines() -> AsyncIterator[bytes]:
            for line in answer[1]:
                if isinstance(line, Exception):
                    raise line
                yield line if isinstance(line, bytes) else json.dumps(line).encode()

        if isinstance(answer, Exception):
            raise answer
        yield Stream(answer[0], lines())

    async def aclose(self) -> None:
        pass


class Bad:
    """A network in front of another wire; `decide(method, target)` gives None, an exception, or a status to answer.

    `slow` delays every request; `cut(target)` says whether a stream breaks after its next line.
    """

    def __init__(
        self,
        inner: Wire,
        decide: Callable[[str, str], Any] = lambda method, target: None,
        *,
        slow: float = 0,
        cut: Callable[[str], bool] = lambda target: False,
        lose_answers: bool = False,
    ) -> None:
        self._inner = inner
        self._decide = decide
        self._slow = slow
        self._cut = cut
        self._lose = lose_answers

    async def send(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Reply:
        import asyncio

        await asyncio.sleep(self._slow)
        decision = self._decide(method, target)
        if isinstance(decision, BaseException):
            if self._lose:
                await self._inner.send(method, target, headers, content)
            raise decision
        if decision is not None:
            return Reply(decision, {"retry-after": "1"}, b"{}")
        return await self._inner.send(method, target, headers, content)

    @asynccontextmanager
    async def stream(self, target: str, headers: Mapping[str, str]) -> AsyncIterator[Stream]:
        async with self._inner.stream(target, headers) as stream:
            yield Stream(stream.status, self._lines(stream, target))

    async def _lines(self, stream: Stream, target: str) -> AsyncIterator[bytes]:
        async for line in stream.lines:
            yield line
            if self._cut(target):
                raise NoAnswer("the network cut the stream")

    async def aclose(self) -> None:
        await self._inner.aclose()
