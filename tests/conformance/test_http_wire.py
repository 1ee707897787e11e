"""The suite's requests over HTTP: whatever a connection does, the client gets an answer or one clear line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import respx
import yaml

from conformance.client import ApiClient
from conformance.clock import SuiteClock
from conformance.wire import HttpWire, NoAnswer, Wire
from fixtures.endpoint import EndpointTarget

BASE = "https://api.test:6443"
NODE = {"kind": "Node", "metadata": {"name": "n", "uid": "u"}}


def client_of(wire: Wire) -> ApiClient:
    return ApiClient(wire, clock=SuiteClock(seed=1), who="test", note=lambda _: None)


# Scripted answers


@asynccontextmanager
async def scripted(*answers: httpx.Response | Exception) -> AsyncIterator[tuple[HttpWire, respx.Route]]:
    with respx.mock(base_url=BASE) as mock:
        route = mock.route().mock(side_effect=list(answers))
        wire = HttpWire(httpx.AsyncClient(base_url=BASE))
        yield wire, route
        await wire.aclose()


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("connection refused"),
        httpx.ReadError("connection reset by peer"),
        httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
        httpx.ReadTimeout("too late"),
        httpx.Response(429, headers={"Retry-After": "1"}),
        httpx.Response(503, headers={"Retry-After": "1"}, text="no leader"),
        httpx.Response(502, html="<h1>Bad gateway</h1>"),
        httpx.Response(504),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else str(each.status_code),
)
async def test_what_passes_is_got_over(trouble: httpx.Response | Exception):
    async with scripted(trouble, httpx.Response(200, json=NODE)) as (wire, route):
        assert await client_of(wire).get("/api/v1/nodes/n") == NODE
        assert route.call_count == 2


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_waited_for(status: int):
    async with scripted(httpx.Response(status, headers={"Retry-After": "4"}), httpx.Response(200, json={})) as (
        wire,
        _,
    ):
        clock = SuiteClock(seed=1)
        began = clock.monotonic()
        await client_of(wire).get("/x")
        assert clock.monotonic() - began >= 4


@pytest.mark.parametrize("text", ["soon", "Wed, 21 Oct 2026 07:28:00 GMT", "-1"])
async def test_a_retry_after_that_is_no_number_of_seconds_is_passed_over(text: str):
    async with scripted(httpx.Response(429, headers={"Retry-After": text}), httpx.Response(200, json={})) as (wire, _):
        assert await client_of(wire).get("/x") == {}


async def test_a_creation_whose_answer_was_lost_is_read_back():
    lost, there = httpx.ReadError("reset"), httpx.Response(409, json={"kind": "Status", "reason": "AlreadyExists"})
    async with scripted(lost, there, httpx.Response(200, json=NODE)) as (wire, route):
        assert await client_of(wire).create("/api/v1/nodes", NODE) == NODE
        assert [call.request.method for call in route.calls] == ["POST", "POST", "GET"]


class Chunks(httpx.AsyncByteStream):
    def __init__(self, *chunks: bytes | Exception) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


async def test_events_come_whole_however_they_were_cut():
    chunks = Chunks(b'{"type":"ADD', b'ED"}\n{"type":', b'"MODIFIED"}\n\n', b'{"type":"DELETED"}')
    async with scripted(httpx.Response(200, stream=chunks)) as (wire, _):
        events = [event["type"] async for event in client_of(wire).watch("/api/v1/nodes")]
    assert events == ["ADDED", "MODIFIED", "DELETED"]


async def test_a_stream_that_breaks_in_the_middle_of_an_event_gives_only_whole_ones():
    chunks = Chunks(b'{"type":"ADDED"}\n{"type":"MOD', httpx.ReadError("reset"))
    async with scripted(httpx.Response(200, stream=chunks)) as (wire, _):
        events = client_of(wire).watch("/api/v1/nodes")
        assert (await anext(events))["type"] == "ADDED"
        with pytest.raises(NoAnswer, match="reset"):
            await anext(events)


async def test_a_watch_that_has_expired_is_refused_with_its_reason():
    gone = httpx.Response(410, json={"kind": "Status", "reason": "Expired", "message": "too old"})
    async with scripted(gone) as (wire, _):
        with pytest.raises(Exception, match="410 Expired: too old"):
            _ = [event async for event in client_of(wire).watch("/api/v1/nodes")]


# Real connections


BODY = json.dumps(NODE).encode()
GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def closes_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The request is read, and nothing said."""
    await reader.readuntil(b"\r\n\r\n")


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


async def breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Half of the body."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(GOOD[:-10])


async def talks_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"220 mail.example ESMTP\r\n")


async def breaks_off_in_a_chunk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{")


async def says_it_is_busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n")


async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(GOOD)


async def answers_and_hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The connection looks as if it could be used again."""
    await answers(reader, writer)
    await writer.drain()


@asynccontextmanager
async def serving(tmp_path: Path, *behaviours: Behave) -> AsyncIterator[ApiClient]:
    """A server whose connections behave in turn; the last behaviour stays."""
    turn = iter(behaviours)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behave = next(turn, behaviours[-1])
        try:
            await behave(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    async with server, EndpointTarget(kubeconfig, None).open(0) as connection:
        client = client_of(connection.new_wire())
        try:
            yield client
        finally:
            await client.aclose()


@pytest.mark.live
@pytest.mark.parametrize(
    "behave", [closes_at_once, resets, breaks_off, talks_nonsense, breaks_off_in_a_chunk, says_it_is_busy]
)
async def test_a_connection_that_misbehaves_is_made_anew(tmp_path: Path, behave: Behave):
    async with serving(tmp_path, behave, answers) as client:
        assert await client.get("/api/v1/nodes/n") == NODE


@pytest.mark.live
async def test_a_connection_that_was_closed_while_it_was_idle_costs_nothing(tmp_path: Path):
    async with serving(tmp_path, answers_and_hangs_up) as client:
        assert [await client.get("/x") for _ in range(5)] == [NODE] * 5


@pytest.mark.live
@pytest.mark.parametrize("behave", [closes_at_once, resets, talks_nonsense, breaks_off])
async def test_one_that_never_behaves_is_one_line(tmp_path: Path, behave: Behave):
    async with serving(tmp_path, behave) as client:
        with pytest.raises(NoAnswer, match=r"^no answer from http://127\.0\.0\.1:\d+: \S[^\n]*$"):
            await client.get("/x")


@pytest.mark.live
async def test_nobody_there_is_one_line(tmp_path: Path):
    async with serving(tmp_path, answers):
        """The server stops; its kubeconfig stays."""
    async with EndpointTarget(tmp_path / "kubeconfig", None).open(0) as connection:
        client = client_of(connection.new_wire())
        with pytest.raises(NoAnswer, match=r"^no answer from http://127\.0\.0\.1:\d+: \S[^\n]*$"):
            await client.get("/x")
        await client.aclose()
