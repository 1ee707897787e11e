"""Port-forwarding: SPDY frames, and connections carried in them."""

from __future__ import annotations

import asyncio
import zlib

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.kubelet.http import spdy
from refimpl.kubelet.http.portforward import PortForward
from refimpl.kubelet.http.streaming import Socket

words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@given(st.lists(st.dictionaries(words, words, max_size=4), min_size=1, max_size=4), st.integers(1, 40))
def test_streams_and_headers_survive_any_fragmentation(all_headers, size):
    sender, receiver = spdy.Sender(), spdy.Receiver()
    sent = b"".join(sender.open(2 * number + 1, headers) for number, headers in enumerate(all_headers))
    sent += sender.data(1, b"x" * 100) + sender.data(1, b"", fin=True) + sender.accept(2) + sender.reset(3)
    pieces = [sent[start : start + size] for start in range(0, len(sent), size)]
    events = [event for piece in pieces for event in receiver.feed(piece)]
    opened = [spdy.Opened(2 * number + 1, headers, fin=False) for number, headers in enumerate(all_headers)]
    assert events == [*opened, spdy.Data(1, b"x" * 100, False), spdy.Data(1, b"", True), spdy.Reset(3)]


def test_the_dictionary_is_that_of_the_protocol():
    # The identifier that zlib gives to the dictionary of SPDY/3.
    assert (len(spdy.DICTIONARY), zlib.adler32(spdy.DICTIONARY)) == (1423, 0xE3C6A7C2)


@pytest.mark.parametrize("wrong", [b"\x80\x02\x00\x01\x00\x00\x00\x00", b"\x80\x03\x00\x01\x00\xff\xff\xff"])
def test_what_is_no_spdy_is_refused(wrong):
    with pytest.raises(spdy.ProtocolError):
        list(spdy.Receiver().feed(wrong))


@attrs.define(eq=False)
class Client:
    """A client of a port-forward, with SPDY of its own."""

    sender: spdy.Sender = attrs.field(factory=spdy.Sender)
    receiver: spdy.Receiver = attrs.field(factory=spdy.Receiver)
    outgoing: asyncio.Queue = attrs.field(factory=asyncio.Queue)
    events: asyncio.Queue = attrs.field(factory=asyncio.Queue)

    @property
    def socket(self) -> Socket:
        return Socket(self.outgoing.get, self._heard)

    async def _heard(self, message) -> None:
        for event in self.receiver.feed(message.get("bytes", b"")):
            self.events.put_nowait(event)

    def say(self, frame: bytes) -> None:
        self.outgoing.put_nowait({"type": "websocket.receive", "bytes": frame})

    def connect(self, port: int, request: int = 0) -> tuple[int, int]:
        error, data = 4 * request + 1, 4 * request + 3
        for stream, kind in ((error, "error"), (data, "data")):
            headers = {"streamtype": kind, "port": str(port), "requestid": str(request)}
            self.say(self.sender.open(stream, headers))
        return error, data

    async def until_end(self, stream: int) -> bytes:
        heard = b""
        while True:
            event = await self.events.get()
            if isinstance(event, spdy.Data) and event.stream == stream:
                heard += event.content
                if event.fin:
                    return heard


@pytest.mark.live
@pytest.mark.timeout(20)
async def test_connections_are_carried_and_a_closed_port_is_an_error():
    async def answer(reader, writer):
        writer.write(b"heard " + await reader.read())
        writer.close()

    client = Client()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        serving = asyncio.create_task(PortForward(client.socket, "127.0.0.1", "default/p").run())
        _, data = client.connect(port)
        client.say(client.sender.data(data, b"word", fin=True))
        assert await client.until_end(data) == b"heard word"
    error, _ = client.connect(port, 1)
    assert f"forwarding {port} -> {port}" in (await client.until_end(error)).decode()
    client.say(client.sender.open(9, {"streamtype": "odd", "port": "1", "requestid": "2"}))
    while not isinstance(event := await client.events.get(), spdy.Reset):
        pass
    assert event.stream == 9
    client.outgoing.put_nowait({"type": "websocket.disconnect"})
    await serving
