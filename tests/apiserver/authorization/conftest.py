"""A server with the authorization of a real cluster, and ways to ask it as anybody."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from refimpl.api.errors import Object
from refimpl.api.http import ADMIN, Request, User
from refimpl.apiserver.authorization import Attributes, Decision, authorize
from refimpl.apiserver.authorization.modes import NODE_AND_RBAC
from refimpl.apiserver.security import Security
from refimpl.apiserver.server import ApiServer
from refimpl.clock import Clock
from refimpl.storage.memory import MemoryStore

ALICE = User("alice", ("developers", "system:authenticated"))
NODE_A = User("system:node:a", ("system:nodes", "system:authenticated"))
NODE_B = User("system:node:b", ("system:nodes", "system:authenticated"))
STRATEGIC = "application/strategic-merge-patch+json"

Send = Callable[..., Any]
May = Callable[..., Decision]


@pytest.fixture
async def server(clock: Clock) -> AsyncIterator[ApiServer]:
    started = ApiServer(MemoryStore(), clock, security=Security(modes=NODE_AND_RBAC))
    await started.start()
    yield started
    await started.close()


@pytest.fixture
def send(server: ApiServer) -> Send:
    """Sends a request; returns status and body."""

    async def sent(
        method: str, path: str, body: Object | None = None, user: User = ADMIN, query: str = "", **headers: str
    ) -> tuple[int, Object]:
        head = {name.replace("_", "-"): value for name, value in headers.items()}
        if method == "PATCH":
            head.setdefault("content-type", STRATEGIC)
        parameters = tuple((key, value) for key, _, value in (part.partition("=") for part in query.split("&") if part))
        content = b"" if body is None else json.dumps(body).encode()
        response = await server.handle(Request(method, path, parameters, head, content, user))
        assert isinstance(response.body, bytes)
        return response.status, json.loads(response.body) if response.body[:1] == b"{" else {}

    return sent


@pytest.fixture
def may(server: ApiServer) -> May:
    """Asks the authorizers."""

    def asked(user: User, verb: str, resource: str, group: str = "", **about: str) -> Decision:
        return authorize(server.security.authorizers, Attributes(user, verb, group, resource, **about))

    return asked
