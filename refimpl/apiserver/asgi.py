"""The API server over HTTP: the only module that knows ASGI and uvicorn.

No framework and no router: a request becomes a `Request` value, the answer a few ASGI messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from typing import Any, cast
from urllib.parse import parse_qsl

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from refimpl.api.http import Request, Response
from refimpl.apiserver.authentication import Subject
from refimpl.apiserver.pki import Tls
from refimpl.apiserver.server import MAX_BODY, ApiServer
from refimpl.apiserver.tunnels import Tunnel, carry
from refimpl.apiserver.watch import WatchStream
from refimpl.storage.base import StoreFailed

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

KEEP_ALIVE = 300
"""Seconds an idle connection is kept: nodes come back every ten, and a TLS handshake is dear."""
GRACEFUL_SHUTDOWN = 2


class Application:
    """The ASGI application of one API server.

    Args:
        server: answers the requests.
        failed: told when the store has failed and the server must stop.
    """

    def __init__(self, server: ApiServer, failed: Callable[[StoreFailed], None]) -> None:
        self._server = server
        self._failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        if body is None:
            return
        try:
            response = await self._server.receive(to_request(scope, body), peer_identity(scope))
        except StoreFailed as failure:
            self._failed(failure)
            raise
        if isinstance(response.body, bytes):
            await _send_whole(response, response.body, send)
        else:
            await _send_stream(response, response.body, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = to_request({**scope, "method": "GET"}, b"")
        response = await self._server.receive(request, peer_identity(scope))
        if isinstance(response.body, Tunnel):
            await carry(response, response.body, receive, send)
            return
        await receive()
        content = response.body if isinstance(response.body, bytes) else b""
        await send(_start(response, len(content), "websocket.http.response.start"))
        await send({"type": "websocket.http.response.body", "body": content})


def to_request(scope: Scope, body: bytes) -> Request:
    """The request as a value; a header that is sent several times is one with commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    query = scope["query_string"]
    parameters = tuple(parse_qsl(query.decode("latin-1"), keep_blank_values=True)) if query else ()
    return Request(scope["method"], scope["path"], parameters, headers, body)


def peer_identity(scope: Scope) -> Subject | None:
    """The subject of the client's verified certificate."""
    certificate = ((scope.get("extensions") or {}).get("tls") or {}).get("client_cert_dict")
    return cast(Subject, certificate["subject"]) if certificate else None


async def read_body(receive: Receive) -> bytes | None:
    """The request body, up to a little more than the server accepts; None when the client has gone."""
    parts: list[bytes] = []
    size = 0
    while size <= MAX_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        if not message.get("more_body"):
            return b"".join((*parts, part)) if parts else cast(bytes, part)
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _start(response: Response, length: int | None, kind: str = "http.response.start") -> MutableMapping[str, Any]:
    headers = [(name.encode(), value.encode(errors="replace")) for name, value in response.headers]
    if length is not None and response.status != 204:
        headers.append((b"content-length", str(length).encode()))
    return {"type": kind, "status": response.status, "headers": headers}


async def _send_whole(response: Response, body: bytes, send: Send) -> None:
    await send(_start(response, len(body)))
    await send({"type": "http.response.body", "body": body})


async def _send_stream(response: Response, body: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
    """Sends chunks as they come, until the stream ends, the client leaves, or it is too slow to follow."""
    task = asyncio.current_task()
    assert task is not None
    guard = asyncio.create_task(_guard(body, receive), name="watch guard")
    if isinstance(body, WatchStream):
        body.on_drop(task.cancel)
    try:
        await send(_start(response, None))
        async for chunk in body:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except asyncio.CancelledError:
        if not (isinstance(body, WatchStream) and body.dropped):
            raise
        task.uncancel()
    finally:
        guard.cancel()
        await _close(body)


async def _guard(body: AsyncIterator[bytes], receive: Receive) -> None:
    """Ends the stream when the client has gone or the server is about to."""
    while (await receive())["type"] != "http.disconnect":
        pass
    await _close(body)


async def _close(body: AsyncIterator[bytes]) -> None:
    close = getattr(body, "aclose", None)
    if close is not None:
        with contextlib.suppress(RuntimeError):  # a generator that is running ends by itself
            await close()


class _PeerCertificate:
    """What both protocols share: the certificate is read once a connection."""

    def read_certificate(self, transport: asyncio.BaseTransport) -> None:
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert() if tls is not None else None
        self.extensions = {"tls": {"client_cert_dict": certificate}} if certificate else {}


class PeerCertificateHttp(HttpToolsProtocol, _PeerCertificate):
    """uvicorn's protocol, which leaves the client certificate out of the scope; remove when it no longer does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(cast(asyncio.Transport, transport))
        self.read_certificate(transport)

    def on_message_begin(self) -> None:
        """See uvicorn."""
        super().on_message_begin()
        self.scope["extensions"] = cast(Any, self.extensions)


class PeerCertificateWebSocket(WebSocketsSansIOProtocol, _PeerCertificate):
    """The same for websockets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(cast(asyncio.Transport, transport))
        self.read_certificate(transport)

    async def run_asgi(self) -> None:
        """See uvicorn."""
        self.scope["extensions"] = cast(Any, {**(self.scope.get("extensions") or {}), **self.extensions})
        await super().run_asgi()


class _Server(uvicorn.Server):
    """uvicorn that leaves signals to the command and says when it listens."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        self._listening()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


async def serve(
    server: ApiServer,
    listener: socket.socket,
    *,
    tls: Tls | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serves until cancelled, then ends all watches, finishes what is being answered and closes.

    The server must have been started, and is not closed here.

    Args:
        server: answers the requests.
        listener: a bound socket; closed at the end.
        tls: certificates; None serves plain HTTP.
        ready: called when connections are accepted.

    Raises:
        StoreFailed: the store cannot keep its promises any more.
    """
    # The writer thread of the store must not wait 5 ms for its turn.
    sys.setswitchinterval(0.001)
    stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def failed(failure: StoreFailed) -> None:
        if not stopped.done():
            stopped.set_exception(failure)

    web = _Server(_config(Application(server, failed), tls), ready)
    serving = asyncio.create_task(web.serve(sockets=[listener]), name="http server")
    upkeep = asyncio.create_task(server.run(), name="upkeep")
    try:
        done, _ = await asyncio.wait({serving, upkeep, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for ended in done:
            ended.result()
    finally:
        upkeep.cancel()
        web.should_exit = True
        while not serving.done():
            # Clients whose watch ends come back at once, as long as the port is open.
            server.end_watches()
            await asyncio.wait({serving}, timeout=0.1)
        stopped.cancel()


def _config(app: Application, tls: Tls | None) -> uvicorn.Config:
    return uvicorn.Config(
        cast(Any, app),
        http=PeerCertificateHttp,
        ws=PeerCertificateWebSocket,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN,
        ssl_context_factory=(lambda *_: context(tls)) if tls is not None else None,
    )


def context(tls: Tls) -> ssl.SSLContext:
    """TLS as the API server speaks it: client certificates are welcome and never demanded."""
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(tls.certificate, tls.key)
    made.set_alpn_protocols(["http/1.1"])
    if tls.client_ca is not None:
        made.load_verify_locations(tls.client_ca)
        made.verify_mode = ssl.CERT_OPTIONAL
    return made
