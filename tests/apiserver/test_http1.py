"""HTTP/1.1 as it comes over a connection, good and bad. These need real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from bench.rawhttp import statuses
from refimpl.api.http import ADMIN
from refimpl.apiserver.http import asgi, http1, httptext
from refimpl.apiserver.security import Security
from refimpl.apiserver.server import ApiServer
from refimpl.clock import Clock
from refimpl.storage.memory import MemoryStore

HOST = b"Host: h\r\n"
READY = b"GET /readyz HTTP/1.1\r\n" + HOST + b"\r\n"
NODE = b'{"metadata":{"name":"n1"}}'


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = ApiServer(MemoryStore(), Clock(), security=Security([lambda _: ADMIN]))
    await server.start()
    listener = asgi.listen("127.0.0.1", 0)
    serving = asyncio.Event()
    task = asyncio.create_task(asgi.serve(server, listener, ready=serving.set))
    await serving.wait()
    yield listener.getsockname()[1]
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await server.close()


async def told(port: int, *parts: bytes) -> bytes:
    """Everything that comes back for some bytes, after our side was shut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await asyncio.sleep(0.01)
    writer.write_eof()
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.live
async def test_requests_sent_at_once_are_answered_in_order(port: int):
    missing = b"GET /api/v1/nodes/none HTTP/1.1\r\n" + HOST + b"\r\n"
    assert statuses(await told(port, (READY + missing) * 100)) == (200, 404) * 100


@pytest.mark.live
async def test_a_request_may_come_byte_by_byte(port: int):
    assert statuses(await told(port, *(READY[at : at + 1] for at in range(len(READY))))) == (200,)


@pytest.mark.live
async def test_a_body_in_chunks_is_put_together(port: int):
    head = b"POST /api/v1/nodes HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HOST + b"\r\n"
    answer = await told(port, head + b"5\r\n" + NODE[:5] + b"\r\n", b"15\r\n" + NODE[5:] + b"\r\n0\r\n\r\n")
    assert statuses(answer) == (201,)


@pytest.mark.live
async def test_who_expects_to_go_on_is_told_to(port: int):
    head = b"POST /api/v1/nodes HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 26\r\n" + HOST + b"\r\n"
    assert statuses(await told(port, head, NODE)) == (100, 201)


@pytest.mark.live
@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /api/v1/nodes/%zz HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET nowhere HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 2 * http1.MAX_HEAD, 431),
    ],
)
async def test_bad_requests_are_refused_after_what_came_before(port: int, bad: bytes, status: int):
    assert statuses(await told(port, READY + bad)) == (200, status)


@pytest.mark.live
async def test_who_asks_to_close_is_closed_upon(port: int):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /readyz HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    assert b"\r\nconnection: close\r\n" in answer


@pytest.mark.live
async def test_a_watch_over_http_1_0_has_no_chunks(port: int):
    made = b"POST /api/v1/nodes HTTP/1.1\r\nContent-Length: 26\r\n" + HOST + b"\r\n" + NODE
    await told(port, made)
    answer = await told(port, b"GET /readyz HTTP/1.0\r\n\r\n")
    assert b"connection: close" in answer
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /api/v1/nodes?watch=1&timeoutSeconds=1 HTTP/1.0\r\n\r\n")
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    assert b"chunked" not in answer
    assert b'\r\n\r\n{"type":"ADDED"' in answer


@pytest.mark.live
async def test_a_long_answer_does_not_keep_others_waiting(port: int):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /openapi/v2 HTTP/1.1\r\n" + HOST + b"\r\n")
    await reader.readexactly(100)
    assert statuses(await told(port, READY)) == (200,)
    writer.close()


@pytest.mark.live
async def test_who_dawdles_is_hung_up_on(port: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http1, "REQUEST_WITHIN", 0.1)
    monkeypatch.setattr(http1, "KEEP_ALIVE", 0.2)
    for begun in (READY[:10], b"", READY):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                await reader.read()
        writer.close()


def test_targets_are_read():
    assert httptext.target(b"/api/v1/nodes/a%2Fb?x=1&x=&y=%C3%A9") == (
        "/api/v1/nodes/a/b",
        (("x", "1"), ("x", ""), ("y", "é")),
    )
    assert httptext.target(b"http://h:1/version") == ("/version", ())
    assert httptext.target("/é".encode()) == ("/é", ())
