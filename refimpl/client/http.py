"""The transport over sockets: one pool of HTTP/1.1 connections to one API server."""

from __future__ import annotations

import asyncio
import base64
import errno
import os
import socket
import ssl
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from refimpl.api.http import Request, Response
from refimpl.client.kubeconfig import Access
from refimpl.client.tls import tls_context
from refimpl.client.transport import Unreachable

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for a connection; how long to wait for an answer is the client's business."""

_TOKEN_AGE = 60.0
_IDLE = 3.0
"""Seconds an idle connection is kept: less than servers do, so that it is not closed under a request."""

_KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
]
"""A watch may be silent for long; this tells a silent server from a dead one."""


_LOST = (aiohttp.ClientError, OSError, RuntimeError)
"""What ends a request or a stream. aiohttp raises RuntimeError where it would have to wait on a closed connection."""


class HttpTransport:
    """Carries requests to an API server over HTTP or HTTPS. Who asks is decided by the credentials.

    Args:
        access: where the server is, and the credentials.

    Raises:
        ValueError: a certificate or key cannot be used.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._token = _Token(access)
        self._base = URL(access.server)
        self._tls = tls_context(access)
        self._session: aiohttp.ClientSession | None = None
        self._streams: set[aiohttp.ClientResponse] = set()

    async def send(self, request: Request, *, stream: bool = False) -> Response:
        """See `Transport`."""
        try:
            answer = await self._opened().request(
                request.method,
                self._url(request),
                data=request.body or None,
                headers={**request.headers, **self._token.headers()},
                allow_redirects=False,
                proxy=self._access.proxy or None,
                server_hostname=self._access.tls_server_name or None,
            )
            body = self._chunks(answer, request) if stream else await answer.read()
        except _LOST as error:
            raise Unreachable(f"{request.method} {self._base.origin()}{request.path}: {_cause(error)}") from error
        headers = tuple((name.lower(), value) for name, value in answer.headers.items())
        return Response(answer.status, body, headers)

    async def aclose(self) -> None:
        """Closes all connections; what is sent later opens new ones."""
        session, self._session = self._session, None
        for answer in list(self._streams):
            # The session would close their connections, too, and leave their readers waiting for ever.
            answer.close()
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        """The session; it belongs to the loop that sends the first request."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls, limit=0, keepalive_timeout=_IDLE, socket_factory=_socket),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _url(self, request: Request) -> URL:
        path = self._base.raw_path.rstrip("/") + quote(request.path, safe="/:@!$&'()*+,;=~")
        query = f"?{urlencode(request.query)}" if request.query else ""
        return URL(f"{self._base.origin()}{path}{query}", encoded=True)

    async def _chunks(self, answer: aiohttp.ClientResponse, request: Request) -> AsyncGenerator[bytes, None]:
        self._streams.add(answer)
        try:
            async for chunk in answer.content.iter_any():
                yield chunk
        except _LOST as error:
            why = f"{request.method} {self._base.origin()}{request.path}: stream broke: {_cause(error)}"
            raise Unreachable(why) from error
        finally:
            self._streams.discard(answer)
            answer.close()


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    opened = socket.socket(family, kind, protocol)
    for option in _KEEPALIVE:
        opened.setsockopt(*option)
    return opened


class _Token:
    """The Authorization header; a token file is read again once a minute, because tokens are rotated."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._read_at: float | None = None
        self._from_file = ""

    def headers(self) -> dict[str, str]:
        access = self._access
        if access.token_file is not None:
            return {"authorization": f"Bearer {self._current(access.token_file)}"}
        if access.token:
            return {"authorization": f"Bearer {access.token}"}
        if access.username:
            pair = base64.b64encode(f"{access.username}:{access.password}".encode()).decode()
            return {"authorization": f"Basic {pair}"}
        return {}

    def _current(self, file: Path) -> str:
        now = asyncio.get_running_loop().time()
        if self._read_at is None or now - self._read_at > _TOKEN_AGE:
            try:
                self._from_file = file.read_text().strip()
            except OSError as error:
                raise Unreachable(f"token file {file}: {error.strerror}") from error
            self._read_at = now
        return self._from_file


def _cause(error: BaseException) -> str:
    """The innermost reason that says anything: `Connection refused` rather than `All connection attempts failed`."""
    said = type(error).__name__
    inner: BaseException | None = error
    while inner is not None:
        said = _text(inner) or said
        inner = inner.__cause__ or inner.__context__
    return said


def _text(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ExceptionGroup):
        return "; ".join(dict.fromkeys(_text(member) for member in error.exceptions))
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and (error.errno or 0) in errno.errorcode:
        return os.strerror(error.errno or 0)
    return str(error)
