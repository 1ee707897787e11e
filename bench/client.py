"""What a request costs the suite's client, over its own connections and over httpx's pool.

    python bench/client.py [--requests 300] [--idle 50]

Both are measured in turn (A B A B) against one local server, with many idle connections open, as in a run of the suite.
Prints CPU milliseconds a request (client and server together) and the ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import time

import httpx

from fixtures.connections import Connections

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
ROUNDS = 3


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers every request alike."""
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(ANSWER)
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        writer.close()


async def cost(client: httpx.AsyncClient, requests: int, idle: int) -> float:
    """CPU milliseconds a request, one after the other while other connections are idle."""
    async with client:
        await asyncio.gather(*(client.get("/healthz") for _ in range(idle)))
        began = time.process_time()
        for _ in range(requests):
            await client.get("/healthz")
        return (time.process_time() - began) / requests * 1000


async def compare(requests: int, idle: int) -> None:
    """Measures both in turn and prints the medians."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    ours, theirs = [], []
    for _ in range(ROUNDS):
        transport = Connections(ssl.create_default_context())
        ours.append(await cost(httpx.AsyncClient(base_url=url, transport=transport), requests, idle))
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        theirs.append(await cost(httpx.AsyncClient(base_url=url, limits=limits), requests, idle))
    server.close()
    mine, other = sorted(ours)[ROUNDS // 2], sorted(theirs)[ROUNDS // 2]
    print(f"connections over aiohttp {mine:.2f} ms, httpx's pool {other:.2f} ms: {other / mine:.1f} times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--idle", type=int, default=50)
    options = parser.parse_args()
    asyncio.run(compare(options.requests, options.idle))


if __name__ == "__main__":
    main()
