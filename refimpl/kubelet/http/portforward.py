"""Port-forwarding at the kubelet: for each connection the client opens two SPDY streams over one websocket.

One stream, of type `error`, says what went wrong; the other one, `data`, carries the connection's bytes.

Source: kubelet 1.36 `portforward/httpstream.go`, KEP-4006.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Final

import attrs

from refimpl.kubelet.http import spdy
from refimpl.kubelet.http.streaming import Socket

log = logging.getLogger(__name__)

PROTOCOL: Final = "spdy-3.1+portforward.k8s.io"
"""The API server's clients call it `SPDY/3.1+portforward.k8s.io`; a slash must not stand in such a name."""
_CHUNK: Final = 32768
_DIAL_WITHIN: Final = 10.0


@attrs.define(eq=False)
class _Pair:
    """The two streams of one connection.

    Attributes:
        port: where it leads.
        error: number of the error stream; 0 while it is not open.
        data: number of the data stream; 0 while it is not open.
        incoming: what the client sent; empty bytes end it.
    """

    port: int
    error: int = 0
    data: int = 0
    incoming: asyncio.Queue[bytes] = attrs.field(factory=asyncio.Queue)


class PortForward:
    """One client's forwarded ports.

    Args:
        socket: the accepted websocket.
        host: where the pod's ports are reached.
        pod: for messages.
    """

    def __init__(self, socket: Socket, host: str, pod: str) -> None:
        self._socket = socket
        self._host = host
        self._pod = pod
        self._sender = spdy.Sender()
        self._pairs: dict[str, _Pair] = {}
        self._by_data: dict[int, _Pair] = {}
        self._connections: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Serves until the client leaves; then all connections end."""
        receiver = spdy.Receiver()
        try:
            async for message in self._socket.messages():
                for event in receiver.feed(message):
                    await self._handle(event)
        except spdy.ProtocolError as error:
            log.info("port-forward of %s: %s", self._pod, error)
            await self._socket.close()
        finally:
            for task in self._connections.values():
                task.cancel()
            await asyncio.gather(*self._connections.values(), return_exceptions=True)

    async def _handle(self, event: spdy.Event) -> None:
        match event:
            case spdy.Opened(stream, headers):
                await self._opened(stream, headers)
            case spdy.Data(stream, content, fin):
                pair = self._by_data.get(stream)
                if pair is not None and content:
                    pair.incoming.put_nowait(content)
                if pair is not None and fin:
                    pair.incoming.put_nowait(b"")
            case spdy.Reset(stream):
                self._reset(stream)
            case spdy.Ping(frame):
                await self._socket.send(frame)
            case spdy.Farewell():
                pass

    def _reset(self, stream: int) -> None:
        pair = self._by_data.pop(stream, None)
        for name, task in self._connections.items():
            if self._pairs.get(name) is pair:
                task.cancel()

    async def _opened(self, stream: int, headers: Mapping[str, str]) -> None:
        name, kind, port = headers.get("requestid", ""), headers.get("streamtype", ""), headers.get("port", "")
        if kind not in ("error", "data") or not port.isdigit() or not 0 < int(port) < 65536:
            await self._socket.send(self._sender.reset(stream))
            return
        await self._socket.send(self._sender.accept(stream))
        pair = self._pairs.setdefault(name, _Pair(int(port)))
        if kind == "error":
            pair.error = stream
        else:
            pair.data = stream
            self._by_data[stream] = pair
        if pair.error and pair.data:
            self._connections[name] = asyncio.create_task(self._serve(name, pair), name=f"forward {port}")

    async def _serve(self, name: str, pair: _Pair) -> None:
        """One connection from its beginning to its end."""
        try:
            problem = await self._connect(pair)
            await self._socket.send(self._sender.data(pair.error, problem.encode(), fin=True))
            await self._socket.send(self._sender.data(pair.data, b"", fin=True))
        finally:
            self._by_data.pop(pair.data, None)
            self._pairs.pop(name, None)
            self._connections.pop(name, None)

    async def _connect(self, pair: _Pair) -> str:
        """Carries the bytes of a connection; what went wrong, empty when nothing did."""
        try:
            async with asyncio.timeout(_DIAL_WITHIN):
                reader, writer = await asyncio.open_connection(self._host, pair.port)
        except (OSError, TimeoutError) as error:
            why = f"failed to connect to {self._host}:{pair.port} inside pod {self._pod}: {error}"
            return f"an error occurred forwarding {pair.port} -> {pair.port}: {why}"
        sending = asyncio.create_task(_send(pair.incoming, writer), name="forward to the pod")
        try:
            while chunk := await reader.read(_CHUNK):
                await self._socket.send(self._sender.data(pair.data, chunk))
        except OSError as error:
            return f"an error occurred forwarding {pair.port} -> {pair.port}: {error}"
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            writer.close()
        return ""


async def _send(incoming: asyncio.Queue[bytes], writer: asyncio.StreamWriter) -> None:
    """Passes on what the client sent, until it ends; a pod that reads no more ends it, too."""
    with contextlib.suppress(OSError):
        while chunk := await incoming.get():
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
