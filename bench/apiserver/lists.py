"""Lists of many nodes, whole and in pages of 500."""

from __future__ import annotations

import re
from urllib.parse import quote

from bench.apiserver.measure import Sample, Server, Watch
from bench.apiserver.objects import NODES, checked, fill
from bench.wire import Connection

HOW_MANY = 5000
PAGE = 500
_CONTINUE = re.compile(rb'"continue":\s*"([^"]+)"')


async def whole(server: Server, duration: float) -> Sample:
    """All nodes in one answer."""
    await fill(server.target, HOW_MANY)
    connection = await Connection.open(server.target)
    watch = Watch(server, duration)
    size = 0
    while watch.running:
        size = len(checked(await connection.request("GET", NODES)).body)
        watch.count += 1
    connection.close()
    return watch.sample(MiB=size / 2**20)


async def pages(server: Server, duration: float) -> Sample:
    """All nodes, page by page."""
    await fill(server.target, HOW_MANY)
    connection = await Connection.open(server.target)
    watch = Watch(server, duration)
    while watch.running:
        token = b""
        while True:
            query = f"?limit={PAGE}" + (f"&continue={quote(token)}" if token else "")
            match = _CONTINUE.search(checked(await connection.request("GET", NODES + query)).body, 0, 2000)
            if match is None:
                break
            token = match.group(1)
        watch.count += 1
    connection.close()
    return watch.sample()
