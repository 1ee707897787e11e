"""The kubelet's server on the network: TLS with a certificate of its own, and who may ask.

On loopback everybody on the machine may; on any other address only who shows a certificate of the client authority.
Without such an authority nothing but `/healthz` is served there: logs are not for the neighbourhood.

Source of the rule: kubelet 1.36 authenticates by `--client-ca-file` (`x509`); its `--anonymous-auth` is our loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl

import attrs
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from refimpl.api.http import Request, Response
from refimpl.clock import Clock
from refimpl.kubelet.http.certificates import serving_pair
from refimpl.kubelet.http.streaming import Socket

Handler = Callable[[Request], Awaitable[Response]]
SocketHandler = Callable[[Request, Socket], Awaitable[None]]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@attrs.frozen
class Endpoint:
    """Where and how a kubelet serves.

    Attributes:
        listener: a bound socket.
        directory: where its certificate is kept.
        client_ca: PEM file of the authority whose clients may ask; None allows loopback only.
    """

    listener: socket.socket
    directory: Path
    client_ca: Path | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.listener.getsockname()[1])

    @property
    def address(self) -> str:
        """The address it listens on."""
        return str(self.listener.getsockname()[0])

    @property
    def open(self) -> bool:
        """Whether everybody who reaches it may ask: on loopback, or when TLS has checked who it is."""
        return self.client_ca is not None or ipaddress.ip_address(self.address).is_loopback


def listen(address: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes any free one.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError:
        listener.close()
        raise
    return listener


async def serve(handle: Handler, endpoint: Endpoint, clock: Clock, handle_socket: SocketHandler | None = None) -> None:
    """Serves until cancelled.

    Args:
        handle: answers requests.
        endpoint: where.
        clock: for the certificate.
        handle_socket: serves websockets.
    """
    context = tls_context(endpoint, clock)
    config = uvicorn.Config(
        cast(Any, Application(handle, handle_socket, everything=endpoint.open)),
        ws=WebSocketsSansIOProtocol,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        ssl_context_factory=lambda *_: context,
    )
    web = _Server(config)
    serving = asyncio.create_task(web.serve(sockets=[endpoint.listener]), name="kubelet server")
    try:
        await asyncio.shield(serving)
    finally:
        web.should_exit = True
        await serving


def tls_context(endpoint: Endpoint, clock: Clock) -> ssl.SSLContext:
    """TLS of the server: its own certificate, and, where there is an authority, a certificate of the client."""
    certificate, key = serving_pair(endpoint.directory, endpoint.address, clock.now())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    if endpoint.client_ca is not None:
        context.load_verify_locations(endpoint.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class Application:
    """The ASGI application.

    Args:
        handle: answers requests.
        handle_socket: serves websockets.
        everything: whether more than `/healthz` is served.
    """

    def __init__(self, handle: Handler, handle_socket: SocketHandler | None = None, *, everything: bool) -> None:
        self._handle = handle
        self._handle_socket = handle_socket
        self._everything = everything

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "websocket" and self._handle_socket is not None and self._everything:
            await self._handle_socket(_bare_request(scope), Socket(receive, send))
        if scope["type"] != "http":
            return
        if not self._everything and scope["path"] != "/healthz":
            await _send_whole(Response(401, b"Unauthorized\n", (("content-type", "text/plain"),)), send)
            return
        response = await self._handle(await _request(scope, receive))
        if isinstance(response.body, bytes):
            await _send_whole(response, send)
        else:
            await _send_stream(response, response.body, receive, send)


class _Server(uvicorn.Server):
    """uvicorn's server, leaving signals to the command that runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


async def _request(scope: Scope, receive: Receive) -> Request:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return attrs.evolve(_bare_request(scope), body=body)


def _bare_request(scope: Scope) -> Request:
    query = tuple(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(scope.get("method", "GET"), scope["path"], query, headers)


def _start(response: Response) -> MutableMapping[str, Any]:
    headers = [(name.encode(), value.encode()) for name, value in response.headers]
    return {"type": "http.response.start", "status": response.status, "headers": headers}


async def _send_whole(response: Response, send: Send) -> None:
    await send(_start(response))
    await send({"type": "http.response.body", "body": cast(bytes, response.body)})


async def _send_stream(response: Response, body: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
    """Sends chunks as they come, until the stream ends or the reader leaves."""
    copying = asyncio.create_task(_copy(response, body, send), name="kubelet stream")
    leaving = asyncio.create_task(_left(receive), name="kubelet stream reader")
    try:
        await asyncio.wait({copying, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if copying.done():
            copying.result()
    finally:
        for task in (copying, leaving):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _copy(response: Response, body: AsyncIterator[bytes], send: Send) -> None:
    await send(_start(response))
    async with contextlib.aclosing(cast(Any, body)) as chunks:
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
