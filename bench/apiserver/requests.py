"""Requests a second: lease renewals, status patches, reads of one node, over keep-alive connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from bench.apiserver.measure import CONNECTIONS, Sample, Server, Watch
from bench.apiserver.objects import (
    LEASES,
    NODES,
    STRATEGIC,
    checked,
    fill,
    lease,
    lease_revision,
    micro_time,
    node_name,
    revision_of,
    status_patch,
    unique,
)
from bench.wire import Connection

Step = Callable[[Connection], Awaitable[None]]


async def _over_connections(
    server: Server, duration: float, prepare: Callable[[Connection, int], Awaitable[Step]]
) -> Sample:
    """Takes steps on every connection until the time is over."""
    connections = [await Connection.open(server.target) for _ in range(CONNECTIONS)]
    steps = [await prepare(connection, number) for number, connection in enumerate(connections)]
    watch = Watch(server, duration)
    slowest: list[float] = []

    async def work(connection: Connection, step: Step) -> None:
        longest = 0.0
        while watch.running:
            began = time.perf_counter()
            await step(connection)
            longest = max(longest, time.perf_counter() - began)
            watch.count += 1
        slowest.append(longest)

    await asyncio.gather(*map(work, connections, steps))
    sample = watch.sample(**{"slowest ms": max(slowest) * 1000})
    for connection in connections:
        connection.close()
    return sample


async def leases(server: Server, duration: float) -> Sample:
    """Lease renewals, each with a new time and the version it replaces."""

    async def prepare(connection: Connection, number: int) -> Step:
        path = f"{LEASES}/{node_name(number)}"
        revision = await lease_revision(connection, number)

        async def step(connection: Connection) -> None:
            nonlocal revision
            body = lease(number, micro_time(unique()), revision)
            revision = revision_of(await connection.request("PUT", path, body))

        return step

    return await _over_connections(server, duration, prepare)


async def patches(server: Server, duration: float) -> Sample:
    """Strategic merge patches of node status, each with a new heartbeat."""
    await fill(server.target, CONNECTIONS)

    async def prepare(_: Connection, number: int) -> Step:
        path = f"{NODES}/{node_name(number)}/status"

        async def step(connection: Connection) -> None:
            body = status_patch(micro_time(unique() * 1000)[:19] + "Z", f"beat {unique()}")
            checked(await connection.request("PATCH", path, body, STRATEGIC))

        return step

    return await _over_connections(server, duration, prepare)


async def gets(server: Server, duration: float) -> Sample:
    """Reads of one node."""
    await fill(server.target, CONNECTIONS)

    async def prepare(_: Connection, number: int) -> Step:
        path = f"{NODES}/{node_name(number)}"

        async def step(connection: Connection) -> None:
            checked(await connection.request("GET", path))

        return step

    return await _over_connections(server, duration, prepare)
