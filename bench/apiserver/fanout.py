"""Watch fan-out: many watchers of all nodes while these are patched; deliveries a second, and how late they are."""

from __future__ import annotations

import asyncio
import re
import time
from itertools import count
from statistics import median

from bench.apiserver.measure import Sample, Server, Watch
from bench.apiserver.objects import NODES, STRATEGIC, checked, fill, micro_time, node_name, status_patch
from bench.wire import Connection

WATCHERS = 100
WRITERS = 16
_SENT = re.compile(rb"sent at (\d+)")
_COUNTER = count(int(time.time()) % 100_000_000)  # noqa: TID251 - every write must change something, over all runs


async def fanout(server: Server, duration: float) -> Sample:
    """Deliveries a second. The lag is from just before a patch is sent until a watcher has its event."""
    await fill(server.target, WRITERS)
    writers = [await Connection.open(server.target) for _ in range(WRITERS)]
    probe = checked(await writers[0].request("GET", f"{NODES}?limit=1"))
    revision = re.search(rb'"resourceVersion":\s*"(\d+)"', probe.body)
    assert revision is not None
    watchers = [await Connection.open(server.target) for _ in range(WATCHERS)]
    streams = [watcher.follow(f"{NODES}?watch=1&resourceVersion={revision.group(1).decode()}") for watcher in watchers]
    await asyncio.sleep(0.3)
    watch = Watch(server, duration)
    writes = 0
    lags: list[float] = []

    async def write(connection: Connection, number: int) -> None:
        nonlocal writes
        path = f"{NODES}/{node_name(number)}/status"
        while watch.running:
            body = status_patch(micro_time(next(_COUNTER) * 1000)[:19] + "Z", f"sent at {time.perf_counter_ns()}")
            checked(await connection.request("PATCH", path, body, STRATEGIC))
            writes += 1

    async def look(number: int) -> None:
        while lines := await streams[number].lines():
            watch.count += len(lines)
            if not number:
                match = _SENT.search(lines[-1])
                assert match is not None
                lags.append((time.perf_counter_ns() - int(match.group(1))) / 1e6)

    looking = [asyncio.create_task(look(number)) for number in range(WATCHERS)]
    await asyncio.gather(*(write(connection, number) for number, connection in enumerate(writers)))
    sample = watch.sample(**{"writes/s": writes / duration, "lag ms": median(lags), "worst ms": max(lags)})
    for connection in (*writers, *watchers):
        connection.close()
    await asyncio.gather(*looking)
    return sample
