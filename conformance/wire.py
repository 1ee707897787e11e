"""How the suite's requests reach a target: one small seam, so that a target in the same process costs no HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import attrs
import httpx

_WATCH_TIMEOUT = httpx.Timeout(10, read=None)


class NoAnswer(Exception):
    """No answer came; the text names the address and the cause in one line."""


@attrs.frozen
class Reply:
    """An HTTP answer as it came.

    Attributes:
        status: HTTP status code.
        headers: header values by lower-case name.
        content: the whole body.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes


@attrs.frozen
class Stream:
    """A streamed HTTP answer.

    Attributes:
        status: HTTP status code.
        lines: the body, line by line, as it comes.
        headers: header values by lower-case name.

    Raises (while lines are read):
        NoAnswer: the stream broke off.
    """

    status: int
    lines: AsyncIterator[bytes]
    headers: Mapping[str, str] = attrs.field(factory=dict)


class Wire(Protocol):
    """Carries requests to one target as one user."""

    async def send(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Reply:
        """Sends a request; `target` is path and query.

        Raises:
            NoAnswer: no complete answer came.
        """
        ...

    def stream(self, target: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Stream]:
        """Sends a GET whose answer goes on; leaving the context ends it.

        Raises:
            NoAnswer: no answer came.
        """
        ...

    async def aclose(self) -> None:
        """Closes connections."""
        ...


class HttpWire:
    """The seam over HTTP.

    Args:
        http: with base URL, credentials and TLS settings.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def send(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Reply:
        """See `Wire`."""
        try:
            response = await self._http.request(method, target, content=content or None, headers=dict(headers))
        except httpx.HTTPError as error:
            raise NoAnswer(self._explain(error)) from error
        return Reply(response.status_code, dict(response.headers), response.content)

    @asynccontextmanager
    async def stream(self, target: str, headers: Mapping[str, str]) -> AsyncIterator[Stream]:
        """See `Wire`."""
        try:
            async with self._http.stream("GET", target, timeout=_WATCH_TIMEOUT, headers=dict(headers)) as response:
                yield Stream(response.status_code, self._lines(response), dict(response.headers))
        except httpx.HTTPError as error:
            raise NoAnswer(self._explain(error)) from error

    async def aclose(self) -> None:
        """See `Wire`."""
        await self._http.aclose()

    async def _lines(self, response: httpx.Response) -> AsyncIterator[bytes]:
        rest = b""
        try:
            async for chunk in response.aiter_bytes():
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    yield line
        except httpx.HTTPError as error:
            raise NoAnswer(self._explain(error)) from error
        if rest:
            yield rest

    def _explain(self, error: Exception) -> str:
        """One line that names the address and the innermost cause."""
        cause: BaseException = error
        while cause.__cause__ is not None or cause.__context__ is not None:
            cause = cause.__cause__ or cause.__context__ or cause
        detail = " ".join(str(cause).split()) or type(cause).__name__
        if isinstance(error, httpx.TimeoutException):
            detail = f"timed out ({type(error).__name__})"
        return f"no answer from {str(self._http.base_url).rstrip('/')}: {detail}"
