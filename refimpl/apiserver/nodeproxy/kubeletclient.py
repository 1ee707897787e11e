"""The API server's own client of kubelets: for logs, streamed where they are followed, and for exec and attach.

A kubelet's certificate is not verified, as kube-apiserver does not without `--kubelet-certificate-authority`.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from functools import cached_property
from typing import TYPE_CHECKING

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from refimpl.api.errors import ApiError, failure
from refimpl.api.http import Request, Response
from refimpl.apiserver.identity.pki import Pair
from refimpl.apiserver.nodeproxy import tunnels
from refimpl.apiserver.nodeproxy.kubelets import Location

if TYPE_CHECKING:
    # An API server whose kubelets nobody asks for anything starts without it.
    import httpx

_CONNECT_TIMEOUT = 5.0
_STREAMS = ("/exec/", "/attach/", "/portForward/")


class KubeletClient:
    """Sends requests to kubelets; a `refimpl.apiserver.nodeproxy.kubelets.Kubelets`.

    Args:
        certificate: proves to kubelets that it is the API server who asks; None for those that ask nobody.
    """

    def __init__(self, certificate: Pair | None = None) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if certificate is not None:
            context.load_cert_chain(certificate.certificate, certificate.key)
        self._tls = context

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        import httpx

        timeout = httpx.Timeout(_CONNECT_TIMEOUT, read=None)
        return httpx.AsyncClient(verify=self._tls, trust_env=False, timeout=timeout)

    async def __call__(self, location: Location, request: Request) -> Response:
        """Asks a kubelet.

        Args:
            location: which one, and for what.
            request: as the API server got it; its method and body are passed on.

        Raises:
            ApiError: 500 when the kubelet cannot be reached.
        """
        import httpx

        where = f"{_host(location.host)}:{location.port}{location.path}"
        if "upgrade" in request.headers and location.path.startswith(_STREAMS):
            return await self._tunnel(location, f"wss://{where}", request)
        url = f"https://{where}"
        sent = self._http.build_request(request.method, url, content=request.body)
        try:
            answer = await self._http.send(sent, stream=True)
        except httpx.HTTPError as error:
            raise _unreachable(location, error) from error
        headers = tuple((name, answer.headers[name]) for name in ("content-type",) if name in answer.headers)
        return Response(answer.status_code, _chunks(answer), headers)

    async def _tunnel(self, location: Location, url: str, request: Request) -> Response:
        """Opens a websocket to a kubelet; the answer has status 101 and the tunnel as its body."""
        protocols = [Subprotocol(tunnels.inner(name)) for name in tunnels.offered(request)]
        try:
            connection = await connect(
                url,
                ssl=self._tls,
                subprotocols=protocols,
                proxy=None,
                compression=None,
                max_size=None,
                ping_interval=None,
                open_timeout=_CONNECT_TIMEOUT,
            )
        except InvalidStatus as refusal:
            said = refusal.response.body.decode(errors="replace").strip()
            text = f"unable to upgrade connection: {said}"
            raise failure(refusal.response.status_code, "", text) from None
        except (OSError, InvalidHandshake, TimeoutError) as error:
            raise _unreachable(location, error) from error
        chosen = tunnels.outer(connection.subprotocol or "")
        return Response(101, tunnels.Tunnel(connection), (("sec-websocket-protocol", chosen),))

    async def aclose(self) -> None:
        """Closes all connections."""
        if "_http" in self.__dict__:
            await self._http.aclose()


async def _chunks(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The body as it comes; a kubelet that dies in the middle ends it."""
    import httpx

    try:
        async for chunk in answer.aiter_bytes():
            yield chunk
    except httpx.HTTPError:
        return
    finally:
        await answer.aclose()


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _unreachable(location: Location, error: Exception) -> ApiError:
    import httpx

    refused = isinstance(error, httpx.ConnectError | ConnectionRefusedError)
    why = "connect: connection refused" if refused else str(error) or "i/o timeout"
    return failure(500, "", f'Get "{location.url}": dial tcp {location.host}:{location.port}: {why}')
