"""Bytes that are no good HTTP, and connections that never come to the point."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import attrs

PATIENCE = 10.0
"""Seconds in which a connection must be answered or closed once everything was sent and our side was shut."""
MEBIBYTE = 1024 * 1024


@attrs.frozen
class Outcome:
    """How one connection ended.

    Attributes:
        what: was sent.
        statuses: of the answers.
        stuck: there was neither an answer nor an end.
    """

    what: str
    statuses: tuple[int, ...]
    stuck: bool = False


def bad_heads() -> Iterator[tuple[str, bytes]]:
    """Request lines and headers with a name each."""
    host = b"Host: h\r\n"
    get = b"GET /api/v1/nodes HTTP/1.1\r\n" + host
    yield "nothing", b""
    yield "zeros", b"\x00" * 1000
    yield "TLS to a plain port", bytes.fromhex("16030100a5010000a10303") + b"\x01" * 160
    yield "HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x12\x04\x00\x00\x00\x00\x00"
    yield "no such version", b"GET / HTTP/9.9\r\n\r\n"
    yield "HTTP/0.9", b"GET /\r\n"
    yield "HTTP/1.0", b"GET /version HTTP/1.0\r\n\r\n"
    yield "no host", b"GET /version HTTP/1.1\r\n\r\n"
    yield "no path", b"GET  HTTP/1.1\r\n" + host + b"\r\n"
    yield "absolute form", b"GET http://h/version HTTP/1.1\r\n" + host + b"\r\n"
    yield "absolute form of nothing", b"GET http://[::1 HTTP/1.1\r\n" + host + b"\r\n"
    yield "asterisk", b"OPTIONS * HTTP/1.1\r\n" + host + b"\r\n"
    yield "authority form", b"CONNECT h:443 HTTP/1.1\r\n" + host + b"\r\n"
    yield "bad escape", b"GET /api/v1/nodes/%zz%4 HTTP/1.1\r\n" + host + b"\r\n"
    yield "escaped zero", b"GET /api/v1/nodes/%00 HTTP/1.1\r\n" + host + b"\r\n"
    yield "bad UTF-8 in the path", b"GET /api/v1/nodes/%ff%fe?labelSelector=%ff HTTP/1.1\r\n" + host + b"\r\n"
    yield "raw bytes in the path", b"GET /api/v1/nodes/\xff\xfe HTTP/1.1\r\n" + host + b"\r\n"
    yield "a long path", b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n" + host + b"\r\n"
    yield "a long header", get + b"X: " + b"a" * 2 * MEBIBYTE + b"\r\n\r\n"
    yield "many headers", get + b"".join(b"X%d: y\r\n" % number for number in range(20_000)) + b"\r\n"
    yield "an endless header", get + b"X: " + b"a" * 5 * MEBIBYTE
    yield "a header without colon", get + b"nothing\r\n\r\n"
    yield "a header with a zero", get + b"X: a\x00b\r\n\r\n"
    yield "a folded header", get + b"X: a\r\n b\r\n\r\n"


def bad_bodies() -> Iterator[tuple[str, bytes]]:
    """Bodies, and what is said about them, with a name each."""
    host = b"Host: h\r\n"
    get = b"GET /api/v1/nodes HTTP/1.1\r\n" + host
    post = b"POST /api/v1/nodes HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n"
    yield "negative length", post + b"Content-Length: -1\r\n\r\n{}"
    yield "no number as length", post + b"Content-Length: many\r\n\r\n{}"
    yield "two lengths", post + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"
    yield "length and chunks", post + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    yield "more than was announced", post + b"Content-Length: 2\r\n\r\n{}{}{}"
    yield "less than was announced", post + b"Content-Length: 2000\r\n\r\n{}"
    yield "a huge length", post + b"Content-Length: 99999999999999999999\r\n\r\n{}"
    yield "a bad chunk", post + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n"
    yield "a huge chunk", post + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}"
    yield "an unknown coding", post + b"Transfer-Encoding: gzip, x\r\n\r\n{}"
    yield "a body of 4 MiB", post + b"Content-Length: %d\r\n\r\n" % (4 * MEBIBYTE) + b" " * 4 * MEBIBYTE
    yield "chunks of 4 MiB", post + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n%b\r\n" % (b" " * 65536) * 64
    yield "a long expectation", post + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"
    yield "an unknown expectation", post + b"Expect: tea\r\nContent-Length: 2\r\n\r\n{}"
    yield "an unknown upgrade", get + b"Connection: Upgrade\r\nUpgrade: tea\r\n\r\n"
    yield "a broken websocket", get + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: x\r\n\r\n"
    yield (
        "a websocket without key",
        (b"GET /api/v1/namespaces/default/pods/x/exec HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    )
    yield "bad credentials", get + b"Authorization: Bearer \xff\xfe\r\n\r\n"
    yield "strange impersonation", get + b"Impersonate-User: \xff\r\nImpersonate-Extra-%ff: x\r\n\r\n"
    yield "a thousand requests at once", (get + b"\r\n") * 1000
    deep = b'{"metadata":' * 50_000
    yield "deep JSON", post + b"Content-Length: %d\r\n\r\n" % len(deep) + deep
    yield "compressed nonsense", post + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"


def mutations(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Good requests with some bytes changed, lost or repeated."""
    chance = random.Random(seed)
    body = b'{"kind":"Node","apiVersion":"v1","metadata":{"name":"x","labels":{"a":"b"}},"spec":{"taints":[]}}'
    good = (
        b"POST /api/v1/nodes?dryRun=All HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
        b"GET /api/v1/nodes?limit=1&labelSelector=a%3Db&resourceVersion=0 HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n",
    )
    for number in range(count):
        changed = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(changed))
            match chance.randrange(3):
                case 0:
                    changed[at] = chance.randrange(256)
                case 1:
                    del changed[at : at + chance.randint(1, 9)]
                case _:
                    changed[at:at] = changed[at : at + chance.randint(1, 30)]
        yield f"mutation {number}", bytes(changed)


async def send(port: int, what: str, data: bytes) -> Outcome:
    """Sends bytes over a connection of their own, shuts our side, and reads everything that comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    stuck = False
    try:
        async with asyncio.timeout(PATIENCE):
            writer.write(data)
            if writer.can_write_eof():
                writer.write_eof()
            while part := await reader.read(MEBIBYTE):
                received += part
    except TimeoutError:
        stuck = not received
    except ConnectionError:
        pass
    writer.transport.abort()
    return Outcome(what, statuses(received), stuck)


def statuses(received: bytes) -> tuple[int, ...]:
    """The status codes in a stream of answers."""
    found = []
    for part in received.split(b"HTTP/1.1 ")[1:]:
        code = part[:3]
        if code.isdigit():
            found.append(int(code))
    return tuple(found)


async def dawdle(port: int, connections: int, seconds: float) -> int:
    """Holds connections that send a byte now and then, or half a request and no more; returns how many are left."""
    begun = b"POST /api/v1/nodes HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{"
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
    steps = int(seconds / 0.1)
    for step in range(steps):
        for number, (_, writer) in enumerate(opened):
            if not writer.is_closing() and (number % 2 or not step):
                writer.write(begun[step : step + 1] if number % 2 else begun)
        await asyncio.sleep(0.1)
    left = sum(not reader.at_eof() for reader, _ in opened)
    for _, writer in opened:
        writer.transport.abort()
    return left
