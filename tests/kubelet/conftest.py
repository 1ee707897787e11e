"""Fixtures of the kubelet's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from refimpl.apiserver.server import ApiServer
from refimpl.clock import Clock
from refimpl.storage.memory import MemoryStore
from tests.kubelet.kubelet_master import Master


@pytest.fixture
async def master(clock: Clock) -> AsyncIterator[Master]:
    """A master that has just started."""
    server = ApiServer(MemoryStore(), clock)
    await server.start()
    yield Master(server, clock)
    await server.close()
