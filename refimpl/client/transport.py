"""How a client's requests reach an API server: in the same process, or over HTTP.

One seam with one method. `DirectTransport` calls the server's handler function with the request value itself: no
encoding of headers, no sockets, a few microseconds. `refimpl.client.http` is the other implementation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from refimpl.api.http import ADMIN, Request, Response, User


class Unreachable(Exception):
    """No answer came: connection refused, reset, timed out, or the stream broke off.

    The text names the address and the cause.
    """


class Transport(Protocol):
    """Carries one request to an API server.

    Raises (from `send` and while a streamed body is read):
        Unreachable: there was no complete answer.
    """

    async def send(self, request: Request, *, stream: bool = False) -> Response:
        """Sends the request; with `stream`, the response's body is an async iterator of chunks."""
        ...

    async def aclose(self) -> None:
        """Releases connections."""
        ...


Handler = Callable[[Request], Awaitable[Response]]


class DirectTransport:
    """Calls a handler in this process, as a given user."""

    def __init__(self, handle: Handler, user: User = ADMIN) -> None:
        self._handle = handle
        self._user = user

    async def send(self, request: Request, *, stream: bool = False) -> Response:
        """See `Transport`; the handler itself decides what is a stream."""
        mine = Request(request.method, request.path, request.query, request.headers, request.body, self._user)
        return await self._handle(mine)

    async def aclose(self) -> None:
        """Nothing to release."""
