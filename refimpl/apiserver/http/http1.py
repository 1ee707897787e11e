"""One HTTP/1.1 connection: bytes to requests, answers to bytes, straight on the transport.

uvicorn accepts connections, keeps count of them and speaks websockets; HTTP goes past its ASGI layer, which would cost
more than what is behind it. Requests of a connection are answered one after the other, in order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, cast

import httptools
import uvicorn
from uvicorn.server import ServerState

from refimpl.api.http import Request, Response, close
from refimpl.api.transient import transient
from refimpl.apiserver.http import httptext
from refimpl.apiserver.identity.authentication import Subject
from refimpl.apiserver.server import MAX_BODY
from refimpl.apiserver.verbs.watch import WatchStream

Answer = Callable[[Request, Subject | None], Awaitable[Response]]

KEEP_ALIVE: Final = 300.0
"""Seconds an idle connection is kept: nodes come back every ten, and a TLS handshake is dear."""
REQUEST_WITHIN: Final = 60.0
"""Seconds a request may take to arrive (kube-apiserver 1.36, `--request-timeout`)."""
MAX_HEAD: Final = 1024 * 1024
"""Bytes of a request line and its headers (Go's `http.DefaultMaxHeaderBytes`)."""
_WAITING: Final = 64
"""Requests read ahead while one is answered."""
_SLICE: Final = 256 * 1024
"""Bytes of a long answer that are written at once, so that others get their turn between."""
_LINGER: Final = 0.5
"""Seconds in which a client may read why it is hung up on (Go's `rstAvoidanceDelay`)."""


@transient
class _Waiting:
    request: Request
    keep_alive: bool
    chunked: bool


class Connection(asyncio.Protocol):
    """One connection, with the signature that uvicorn makes connections with.

    Args:
        config: its `app` has the method `answer`.
        server_state: where connections and tasks are counted.
        app_state: for websockets.
        _loop: the running one anyway.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._answer_request: Answer = cast(Any, config.app).answer
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._requests: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None
        self._streaming = False
        self._closing = False
        self._paused = False
        self._farewell = b""
        self._drained: asyncio.Future[None] | None = None
        self._since = self._loop.time()
        self._begin()

    def _begin(self) -> None:
        """Forgets the request before."""
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._head_size = 0
        self._in_head = True
        self._reading = False
        self._too_large = False

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert() if tls is not None else None
        self._subject: Subject | None = certificate["subject"] if certificate else None
        self._server_state.connections.add(cast(Any, self))

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._closing = True
        self._requests.clear()
        self._server_state.connections.discard(cast(Any, self))
        self.resume_writing()
        # A write goes on without its client, nobody reads a stream any more.
        if self._task is not None and self._streaming:
            self._task.cancel()

    def eof_received(self) -> bool:
        """See `asyncio.Protocol`: a client that has said everything still wants its answers."""
        self._closing = True
        if self._task is None or self._streaming:
            self._transport.close()
        return self._transport.get_extra_info("ssl_object") is None

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        if self._drained is None:
            self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._farewell or self._closing:
            return
        if self._in_head:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if not self._is_websocket():
                self._closing = True
            elif self._task is None:
                self._hand_over()
            else:
                self._end_with(400)
        except (httptools.HttpParserError, httptext.BadTarget):
            self._end_with(400)
        else:
            if self._in_head and self._head_size > MAX_HEAD:
                self._end_with(431)

    # The parser's side.

    def on_message_begin(self) -> None:
        """See httptools."""
        self._begin()
        self._reading = True
        self._since = self._loop.time()

    def on_url(self, part: bytes) -> None:
        """See httptools."""
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools; a header that is sent several times is one with commas."""
        key, text = httptext.header_name(name), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._in_head = False
        if self._headers.get("expect", "").lower() == "100-continue" and self._task is None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        """See httptools; what is too large is answered while it comes, and the rest of it passed over."""
        if self._too_large:
            return
        self._body.append(part)
        self._size += len(part)
        if self._size > MAX_BODY:
            self._too_large = True
            self._accept()

    def on_message_complete(self) -> None:
        """See httptools."""
        self._reading = False
        self._in_head = True
        self._head_size = 0
        if not self._too_large and not self._is_websocket():
            self._accept()

    def _accept(self) -> None:
        path, query = httptext.target(self._target)
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        request = Request(self._parser.get_method().decode("latin-1"), path, query, self._headers, body)
        self._body = []
        keep_alive = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        self._requests.append(_Waiting(request, keep_alive, self._parser.get_http_version() != "1.0"))
        if len(self._requests) > _WAITING and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        if self._task is None:
            self._next()

    def _is_websocket(self) -> bool:
        headers = self._headers
        return headers.get("upgrade", "").lower() == "websocket" and "upgrade" in headers.get("connection", "").lower()

    def _hand_over(self) -> None:
        """Lets uvicorn's protocol for websockets begin with the same request."""
        head = [self._parser.get_method(), b" ", self._target, b" HTTP/1.1\r\n"]
        for name, value in self._headers.items():
            head.append(f"{name}: {value}\r\n".encode("latin-1"))
        self._server_state.connections.discard(cast(Any, self))
        protocol = cast(Any, self._config.ws_protocol_class)(
            config=self._config, server_state=self._server_state, app_state=self._app_state
        )
        protocol.connection_made(self._transport)
        protocol.data_received(b"".join((*head, b"\r\n")))
        self._transport.set_protocol(protocol)

    # The server's side.

    def shutdown(self) -> None:
        """See uvicorn: ends the connection when what is being answered is answered."""
        self._closing = True
        if self._task is None:
            self._transport.close()

    def expire(self, now: float) -> None:
        """Hangs up on a client that has been silent, or has dawdled over a request, for too long."""
        if self._task is None and now - self._since > (REQUEST_WITHIN if self._reading else KEEP_ALIVE):
            self._transport.abort()

    def _end_with(self, status: int) -> None:
        """Answers with a plain error after everything before it, and ends the connection."""
        self._farewell = httptext.plain(status)
        if self._task is None:
            self._next()

    def _next(self) -> None:
        """Begins with the next request, or ends what has to end."""
        if self._requests:
            self._task = self._loop.create_task(self._answer(self._requests.popleft()))
            self._server_state.tasks.add(self._task)
            self._task.add_done_callback(self._answered)
            return
        self._since = self._loop.time()
        if self._farewell:
            self._leave()
        elif self._closing:
            self._transport.close()
        elif self._paused:
            self._paused = False
            self._transport.resume_reading()

    def _leave(self) -> None:
        """Says the last word; what still comes is read for a moment, or the client's system would discard the word."""
        self._transport.write(self._farewell)
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._loop.call_later(_LINGER, self._transport.close)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._task = None
        self._server_state.tasks.discard(task)
        if not self._transport.is_closing():
            self._next()
        if not task.cancelled():
            task.result()

    async def _answer(self, waiting: _Waiting) -> None:
        response: Response | None = None
        try:
            response = await self._answer_request(waiting.request, self._subject)
        finally:
            if response is None:
                self._requests.clear()
                self._end_with(500)
        if self._transport.is_closing():
            await _close(response.body)
        elif isinstance(response.body, bytes):
            await self._write_whole(response, response.body, waiting)
        else:
            await self._write_stream(response, response.body, waiting)

    async def _write_whole(self, response: Response, body: bytes, waiting: _Waiting) -> None:
        length = b"" if response.status == 204 else b"content-length: %d\r\n" % len(body)
        head = self._head(response, waiting, length)
        if len(body) <= _SLICE:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            view = memoryview(body)
            for start in range(0, len(body), _SLICE):
                self._transport.write(view[start : start + _SLICE])
                if self._drained is not None:
                    await self._drained
                if self._transport.is_closing():
                    return

    async def _write_stream(self, response: Response, body: AsyncIterator[bytes], waiting: _Waiting) -> None:
        """Sends chunks as they come, until the stream ends, the client leaves, or it is too slow to follow."""
        if isinstance(body, WatchStream):
            body.on_drop(self._transport.abort)
        self._streaming = True
        chunked = waiting.chunked
        self._transport.write(self._head(response, waiting, b"transfer-encoding: chunked\r\n" if chunked else b""))
        try:
            async for chunk in body:
                if chunk:
                    self._transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
                if self._drained is not None:
                    await self._drained
            if chunked:
                self._transport.write(b"0\r\n\r\n")
            else:
                self._closing = True
        finally:
            self._streaming = False
            await _close(body)

    def _head(self, response: Response, waiting: _Waiting, about_body: bytes) -> bytes:
        """Everything before the body."""
        self._closing = self._closing or not waiting.keep_alive
        ours = httptext.lines(tuple(self._server_state.default_headers))
        end = b"connection: close\r\n\r\n" if self._closing else b"\r\n"
        return httptext.head(response.status, response.headers) + ours + about_body + end


async def _close(body: bytes | AsyncIterator[bytes]) -> None:
    with suppress(RuntimeError):  # a generator that is running ends by itself
        await close(body)
