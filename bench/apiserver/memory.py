"""Memory with many nodes."""

from __future__ import annotations

from bench.apiserver.lists import HOW_MANY
from bench.apiserver.measure import Sample, Server
from bench.apiserver.objects import fill


async def memory(server: Server, _: float) -> Sample:
    """Resident MiB of the server and its etcd with 5000 nodes, after whatever was measured before."""
    await fill(server.target, HOW_MANY)
    return Sample(server.memory() / 2**20, notes=dict(server.memories()))
