"""Fixtures of the kubelet's tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from refimpl.apiserver.server import ApiServer
from refimpl.clock import Clock
from refimpl.kubelet.kubelet import Kubelet
from refimpl.storage.memory import MemoryStore
from tests.kubelet.kubelet_master import Master, make_kubelet, running


@pytest.fixture
async def master(clock: Clock) -> AsyncIterator[Master]:
    """A master that has just started."""
    server = ApiServer(MemoryStore(), clock)
    await server.start()
    yield Master(server, clock)
    await server.close()


@pytest.fixture
async def node(master: Master) -> AsyncIterator[Kubelet]:
    """A node that has been ready for a while."""
    async with running(make_kubelet(master)) as kubelet:
        await asyncio.sleep(5)
        yield kubelet
