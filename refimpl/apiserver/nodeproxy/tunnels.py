"""Interactive streams into pods: a websocket from the client, another one to the node's kubelet, messages passed on.

Exec and attach are spoken as `v5.channel.k8s.io` or `v4.channel.k8s.io` from end to end. SPDY, which kubectl spoke
before 1.31, is not.

Source: kube-apiserver 1.36 `apimachinery/pkg/util/proxy` (`UpgradeAwareHandler`), KEP-4006.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Final

import attrs
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from refimpl.api.errors import bad_request
from refimpl.api.http import Request, Response

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io", "SPDY/3.1+portforward.k8s.io")
_INNER: Final = {"SPDY/3.1+portforward.k8s.io": "spdy-3.1+portforward.k8s.io"}
"""Names on the way to the kubelet, where they differ: a slash must not stand in such a name."""


@attrs.define(eq=False)
class Tunnel:
    """The way to a kubelet, open: messages in both directions. The body of a response with status 101.

    Args:
        connection: the websocket to the kubelet.
    """

    connection: ClientConnection

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The kubelet's messages."""
        return self

    async def __anext__(self) -> bytes:
        """The next message; the end when the kubelet closes."""
        try:
            message = await self.connection.recv(decode=False)
        except ConnectionClosed:
            raise StopAsyncIteration from None
        return bytes(message)

    async def send(self, message: bytes) -> None:
        """Sends a message to the kubelet; one that has closed gets nothing any more."""
        try:
            await self.connection.send(message)
        except ConnectionClosed:
            return

    async def aclose(self) -> None:
        """Closes the way."""
        await self.connection.close()


def offered(request: Request) -> list[str]:
    """The subprotocols of a websocket request that can be passed on, in the client's order.

    Raises:
        ApiError: 400, the request is no websocket, or offers none of them.
    """
    wanted = request.headers.get("upgrade", "").lower()
    if wanted.startswith("spdy"):
        raise bad_request(
            "SPDY is not served: exec, attach and port-forward need a client that speaks WebSocket "
            f"({PROTOCOLS[0]}), such as kubectl 1.31 or newer"
        )
    if wanted != "websocket":
        raise bad_request("Upgrade request required")
    named = [name.strip() for name in request.headers.get("sec-websocket-protocol", "").split(",")]
    found = [name for name in named if name in PROTOCOLS]
    if not found:
        raise bad_request(f"unable to upgrade: unsupported protocols {named}; there are {list(PROTOCOLS)}")
    return found


def inner(name: str) -> str:
    """What a subprotocol is called on the way to the kubelet."""
    return _INNER.get(name, name)


def outer(name: str) -> str:
    """What a subprotocol of the kubelet's is called to the client."""
    return next((each for each, known in _INNER.items() if known == name), name)


async def carry(response: Response, tunnel: Tunnel, receive: Receive, send: Send) -> None:
    """Accepts a client's websocket and passes messages on until either side closes.

    Args:
        response: says which subprotocol was agreed on.
        tunnel: the other side.
        receive: ASGI.
        send: ASGI.
    """
    await receive()
    await send({"type": "websocket.accept", "subprotocol": response.header("sec-websocket-protocol")})
    outwards = asyncio.create_task(_outwards(tunnel, send), name="tunnel to the client")
    inwards = asyncio.create_task(_inwards(tunnel, receive), name="tunnel to the kubelet")
    try:
        await asyncio.wait({outwards, inwards}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        client_left = inwards.done()
        for task in (outwards, inwards):
            task.cancel()
        await asyncio.gather(outwards, inwards, return_exceptions=True)
        await tunnel.aclose()
    if not client_left:
        await send({"type": "websocket.close", "code": 1000})


async def _outwards(tunnel: Tunnel, send: Send) -> None:
    async for message in tunnel:
        await send({"type": "websocket.send", "bytes": message})


async def _inwards(tunnel: Tunnel, receive: Receive) -> None:
    while (event := await receive())["type"] == "websocket.receive":
        await tunnel.send(event.get("bytes") or (event.get("text") or "").encode())
