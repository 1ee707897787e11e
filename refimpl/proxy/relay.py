"""Carrying bytes between clients and endpoints, over TCP and UDP.

Source: kube-proxy 1.20 `userspace/proxysocket.go`: an endpoint that does not answer is left for the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Final

import attrs

from refimpl.proxy.balancer import Balancer
from refimpl.proxy.rules import Rule

log = logging.getLogger(__name__)

_DIAL_WITHIN: Final = (0.25, 0.5, 1.0, 2.0)
"""Seconds that each endpoint tried in turn gets to answer."""
_CHUNK: Final = 65536
_UDP_IDLE: Final = 0.25
"""Seconds after which a silent UDP client is forgotten; kube-proxy's `--udp-timeout`."""


@attrs.define(eq=False)
class TcpRelay:
    """Accepts connections and carries each to an endpoint.

    Args:
        rule: where they lead; may be replaced at any time.
        balancer: chooses endpoints.
    """

    rule: Rule
    balancer: Balancer
    _server: asyncio.Server | None = None
    _connections: set[asyncio.Task[None]] = attrs.field(factory=set)

    async def listen(self, opened: socket.socket) -> None:
        """Accepts connections from now on."""
        self._server = await asyncio.start_server(self._serve, sock=opened)

    async def close(self) -> None:
        """Accepts no more; open connections go on until their ends close them."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = writer.get_extra_info("peername")[0]
        try:
            found = await self._dial(client)
            if found is not None:
                await _join(reader, writer, *found)
        finally:
            writer.close()

    async def _dial(self, client: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for within in _DIAL_WITHIN:
            endpoint = self.balancer.choose(self.rule, client)
            if endpoint is None:
                return None
            try:
                async with asyncio.timeout(within):
                    return await asyncio.open_connection(endpoint.address, endpoint.port)
            except (OSError, TimeoutError) as error:
                log.info("%s: %s:%d does not answer: %s", self.rule.name, endpoint.address, endpoint.port, error)
                self.balancer.leave(self.rule, client)
        return None


@attrs.define(eq=False)
class UdpRelay(asyncio.DatagramProtocol):
    """Carries datagrams to an endpoint, the same one for a client as long as it is not silent, and answers back.

    Args:
        rule: where they lead; may be replaced at any time.
        balancer: chooses endpoints.
    """

    rule: Rule
    balancer: Balancer
    _transport: asyncio.DatagramTransport | None = None
    _clients: dict[tuple[str, int], asyncio.Queue[bytes]] = attrs.field(factory=dict)
    _tasks: set[asyncio.Task[None]] = attrs.field(factory=set)

    async def listen(self, opened: socket.socket) -> None:
        """Accepts datagrams from now on."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=opened)

    async def close(self) -> None:
        """Accepts no more and forgets all clients."""
        if self._transport is not None:
            self._transport.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """See `asyncio.DatagramProtocol`."""
        queue = self._clients.get(addr)
        if queue is None:
            queue = self._clients[addr] = asyncio.Queue(maxsize=64)
            task = asyncio.create_task(self._serve(addr, queue), name=f"udp {addr}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(asyncio.QueueFull):
            queue.put_nowait(data)

    async def _serve(self, client: tuple[str, int], queue: asyncio.Queue[bytes]) -> None:
        endpoint = self.balancer.choose(self.rule, client[0])
        try:
            if endpoint is not None:
                answers = _Answers(self, client)
                loop = asyncio.get_running_loop()
                to_endpoint, _ = await loop.create_datagram_endpoint(
                    lambda: answers, remote_addr=(endpoint.address, endpoint.port)
                )
                try:
                    await self._carry(to_endpoint, queue, answers)
                finally:
                    to_endpoint.close()
        except OSError as error:
            log.info("%s: %s", self.rule.name, error)
        finally:
            self._clients.pop(client, None)

    async def _carry(
        self, to_endpoint: asyncio.DatagramTransport, queue: asyncio.Queue[bytes], answers: _Answers
    ) -> None:
        """Passes datagrams on until both sides were silent for a while."""
        while True:
            answers.heard = False
            try:
                async with asyncio.timeout(_UDP_IDLE):
                    to_endpoint.sendto(await queue.get())
            except TimeoutError:
                if not answers.heard:
                    return

    def answer(self, data: bytes, client: tuple[str, int]) -> None:
        """Sends an endpoint's answer to a client."""
        if self._transport is not None:
            self._transport.sendto(data, client)


@attrs.define(eq=False)
class _Answers(asyncio.DatagramProtocol):
    """Hears an endpoint on behalf of one client."""

    relay: UdpRelay
    client: tuple[str, int]
    heard: bool = False

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """See `asyncio.DatagramProtocol`."""
        self.heard = True
        self.relay.answer(data, self.client)


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    other_reader: asyncio.StreamReader,
    other_writer: asyncio.StreamWriter,
) -> None:
    """Carries bytes both ways until both sides have ended."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_copy(reader, other_writer), name="to the endpoint")
            group.create_task(_copy(other_reader, writer), name="to the client")
    except* OSError as error:
        log.debug("connection broke: %s", error.exceptions[0])
    finally:
        other_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
