"""The slim client of the benchmarks: keep-alive HTTP/1.1 straight on a transport, parsed by httptools.

It costs a few ten microseconds a request, so that what is measured is the server.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Self, cast
from urllib.parse import urlsplit

import attrs
import httptools

from refimpl.client import kubeconfig
from refimpl.client.tls import tls_context

JSON = "application/json"


class Lost(ConnectionError):
    """The connection ended before the answer did: whether the request took effect is not known."""


@attrs.frozen
class Target:
    """An API server to measure.

    Attributes:
        host: name or address.
        port: TCP port.
        tls: None for plain HTTP.
        token: bearer token; empty for none.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    token: str = attrs.field(default="", repr=False)

    @classmethod
    def of_kubeconfig(cls, path: Path) -> Self:
        """The current context of a kubeconfig."""
        access = kubeconfig.load(path)
        url = urlsplit(access.server)
        tls = tls_context(access) if url.scheme == "https" else None
        return cls(url.hostname or "127.0.0.1", url.port or 443, tls, access.token)


@attrs.frozen
class Answer:
    """A whole answer."""

    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """One connection; requests go over it one after the other."""

    def __init__(self, target: Target) -> None:
        credentials = f"authorization: Bearer {target.token}\r\n" if target.token else ""
        self._head = f"host: {target.host}:{target.port}\r\n{credentials}"
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._whole: asyncio.Future[Answer] | None = None
        self._begun: asyncio.Future[int] | None = None
        self._stream: asyncio.Queue[bytes | None] | None = None
        self.lost = False
        """Whether the connection has ended, or is about to."""

    @classmethod
    async def open(cls, target: Target) -> Self:
        """Connects.

        Raises:
            OSError: nobody listens, or TLS fails.
        """
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: cls(target), target.host, target.port, ssl=target.tls)
        return made

    async def request(self, method: str, path: str, body: bytes = b"", media: str = JSON, headers: str = "") -> Answer:
        """Sends a request and waits for the whole answer.

        Args:
            method: HTTP method.
            path: path and query, encoded.
            body: of the request.
            media: its content type; sent with a body only.
            headers: more of them, each with its line end.

        Raises:
            Lost: the connection ended first.
        """
        self._whole = asyncio.get_running_loop().create_future()
        self._send(method, path, body, headers + (f"content-type: {media}\r\n" if body and media else ""))
        return await self._whole

    async def status(self, method: str, path: str, headers: str = "") -> int:
        """Sends a request, waits for the beginning of the answer and hangs up.

        Raises:
            Lost: the connection ended first.
        """
        self._begun = asyncio.get_running_loop().create_future()
        self._send(method, path, b"", headers)
        try:
            return await self._begun
        finally:
            self.close()

    def follow(self, path: str) -> Stream:
        """Begins a watch; the connection serves nothing else from then on."""
        self._stream = asyncio.Queue()
        self._send("GET", path, b"", "")
        return Stream(self._stream)

    def close(self) -> None:
        """Hangs up."""
        self.transport.abort()

    def _send(self, method: str, path: str, body: bytes, headers: str) -> None:
        if self.lost:
            self.connection_lost(None)
            return
        length = f"content-length: {len(body)}\r\n" if body else ""
        self.transport.write(f"{method} {path} HTTP/1.1\r\n{self._head}{headers}{length}\r\n".encode() + body)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.lost = True
        if self._stream is not None:
            self._stream.put_nowait(None)
        for waiting in (self._whole, self._begun):
            if waiting is not None and not waiting.done():
                waiting.set_exception(Lost("the connection ended before the answer"))

    def on_headers_complete(self) -> None:
        """See httptools."""
        if self._begun is not None and not self._begun.done():
            self._begun.set_result(self._parser.get_status_code())

    def on_body(self, part: bytes) -> None:
        """See httptools."""
        if self._stream is not None:
            self._stream.put_nowait(part)
        else:
            self._parts.append(part)

    def on_message_complete(self) -> None:
        """See httptools."""
        body, self._parts = b"".join(self._parts), []
        self.lost = self.lost or not self._parser.should_keep_alive()
        if self._stream is not None:
            self._stream.put_nowait(None)
        elif self._whole is not None and not self._whole.done():
            self._whole.set_result(Answer(self._parser.get_status_code(), body))


class Stream:
    """The lines of a watch, as they come."""

    def __init__(self, parts: asyncio.Queue[bytes | None]) -> None:
        self._parts = parts
        self._rest = b""

    async def lines(self) -> list[bytes]:
        """At least one line; none at the end of the stream. A line that the end cut short is not given."""
        while (part := await self._parts.get()) is not None:
            *lines, self._rest = (self._rest + part).split(b"\n")
            if lines:
                return lines
        return []
