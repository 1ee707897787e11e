"""A server in this process, on virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from refimpl.apiserver.server import ApiServer
from refimpl.client.client import Client
from refimpl.client.transport import DirectTransport
from refimpl.clock import Clock
from refimpl.storage.memory import MemoryStore


@pytest.fixture
async def server(clock: Clock) -> AsyncIterator[ApiServer]:
    started = ApiServer(MemoryStore(), clock)
    await started.start()
    yield started
    await started.close()


@pytest.fixture
def client(server: ApiServer) -> Client:
    return Client(DirectTransport(server.handle))
