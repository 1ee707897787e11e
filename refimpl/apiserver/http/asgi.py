"""The API server on a socket: uvicorn around `http1` for requests, ASGI for websockets."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, cast
from urllib.parse import parse_qsl

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from refimpl.api.http import Request, Response
from refimpl.apiserver.http.http1 import Connection
from refimpl.apiserver.identity.authentication import Subject
from refimpl.apiserver.identity.pki import Tls
from refimpl.apiserver.nodeproxy.tunnels import Tunnel, carry
from refimpl.apiserver.server import ApiServer
from refimpl.storage.base import StoreFailed

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

GRACEFUL_SHUTDOWN = 2
_TICKS_A_SECOND = 10


class Application:
    """What uvicorn serves: requests and websockets of one API server.

    Args:
        server: answers the requests.
        failed: told when the store has failed and the server must stop.
    """

    def __init__(self, server: ApiServer, failed: Callable[[StoreFailed], None]) -> None:
        self._server = server
        self._failed = failed

    async def answer(self, request: Request, subject: Subject | None) -> Response:
        """Answers a request that came over HTTP."""
        try:
            return await self._server.receive(request, subject)
        except StoreFailed as failure:
            self._failed(failure)
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one websocket."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = to_request(scope)
        response = await self._server.receive(request, peer_identity(scope))
        if isinstance(response.body, Tunnel):
            await carry(response, response.body, receive, send)
            return
        await receive()
        content = response.body if isinstance(response.body, bytes) else b""
        await send(_start(response, len(content)))
        await send({"type": "websocket.http.response.body", "body": content})


def to_request(scope: Scope) -> Request:
    """The request for a websocket as a value; a header that is sent several times is one with commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    query = scope["query_string"]
    parameters = tuple(parse_qsl(query.decode("latin-1"), keep_blank_values=True)) if query else ()
    return Request("GET", scope["path"], parameters, headers)


def peer_identity(scope: Scope) -> Subject | None:
    """The subject of the client's verified certificate."""
    certificate = ((scope.get("extensions") or {}).get("tls") or {}).get("client_cert_dict")
    return cast(Subject, certificate["subject"]) if certificate else None


def _start(response: Response, length: int) -> MutableMapping[str, Any]:
    headers = [(name.encode(), value.encode(errors="replace")) for name, value in response.headers]
    headers.append((b"content-length", str(length).encode()))
    return {"type": "websocket.http.response.start", "status": response.status, "headers": headers}


class PeerCertificateWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which leaves the client certificate out of the scope; remove when it no longer does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(cast(asyncio.Transport, transport))
        # The application agrees on a subprotocol; the library would refuse names with a slash, such as port-forward's.
        setattr(self.conn, "process_subprotocol", lambda _: None)  # noqa: B010
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert() if tls is not None else None
        self.extensions = {"tls": {"client_cert_dict": certificate}} if certificate else {}

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

    async def on_tick(self, counter: int) -> bool:
        """See uvicorn."""
        if counter % _TICKS_A_SECOND == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.expire(now)
        return await super().on_tick(counter)


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
    # What was loaded stays; requests leave no cycles behind that would be worth looking for often.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
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
        http=cast(Any, Connection),
        ws=PeerCertificateWebSocket,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
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
