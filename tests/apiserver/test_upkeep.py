"""A server that runs for long does not grow for ever."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from refimpl.api.errors import ApiError
from refimpl.api.http import Request
from refimpl.api.resources import EVENTS, NODES
from refimpl.apiserver.server import ApiServer
from refimpl.client.client import Client

EVENT = {
    "metadata": {"name": "e", "namespace": "default"},
    "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"},
}


@pytest.fixture
async def upkept(server: ApiServer) -> AsyncIterator[ApiServer]:
    task = asyncio.create_task(server.run())
    yield server
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def exists(client: Client) -> bool:
    try:
        await client.get(EVENTS, "e", namespace="default")
    except ApiError:
        return False
    return True


async def test_an_event_goes_an_hour_after_its_last_change(upkept: ApiServer, client: Client):
    await client.create(EVENTS, EVENT)
    await asyncio.sleep(3000)
    await client.patch(EVENTS, "e", {"count": 2}, namespace="default", kind="merge")
    await asyncio.sleep(3500)
    assert await exists(client)
    await asyncio.sleep(300)
    assert not await exists(client)


async def test_metrics_count_answers_objects_and_watchers(server: ApiServer, client: Client):
    await client.create(NODES, {"metadata": {"name": "a"}})
    watch = await server.handle(Request("GET", NODES.path(), (("watch", "1"),)))
    answer = await server.handle(Request("GET", "/metrics"))
    assert isinstance(answer.body, bytes)
    lines = answer.body.decode().splitlines()
    assert 'apiserver_storage_objects{resource="minions"} 1' in lines
    assert 'apiserver_registered_watchers{resource="minions"} 1' in lines
    assert 'apiserver_request_total{verb="GET",code="200"} 1' in lines
    await watch.body.aclose()  # type: ignore[union-attr]


async def test_history_is_kept_for_five_minutes_and_forgotten_after_ten(upkept: ApiServer, client: Client):
    made = await client.create(NODES, {"metadata": {"name": "a"}})
    version = made["metadata"]["resourceVersion"]
    await client.delete(NODES, "a")
    await asyncio.sleep(299)
    exactly = {"resourceVersion": version, "resourceVersionMatch": "Exact"}
    listed = await client.request("GET", NODES.path(), query=exactly)
    assert len(listed["items"]) == 1
    await asyncio.sleep(302)
    with pytest.raises(ApiError) as refusal:
        await client.request("GET", NODES.path(), query=exactly)
    assert refusal.value.code == 410
