"""Watches: order, selections that objects enter and leave, bookmarks, ends, and who is woken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from refimpl.api.errors import Object
from refimpl.api.http import Request, Response
from refimpl.api.resources import CONFIGMAPS, EVENTS, EVENTS_V1, LEASES, NODES, PODS
from refimpl.apiserver.objects import broadcast
from refimpl.apiserver.objects.broadcast import Group
from refimpl.apiserver.server import ApiServer
from refimpl.apiserver.verbs.watch import BOOKMARK_BEFORE_END, BOOKMARK_INTERVAL, MIN_TIMEOUT
from refimpl.client.client import Client
from refimpl.clock import Clock
from refimpl.storage.memory import MemoryStore
from refimpl.storage.sqlite import SqliteStore


class Watch:
    """An open watch: its events are read one by one, or all that are there."""

    def __init__(self, response: Response) -> None:
        assert response.status == 200, response
        assert not isinstance(response.body, bytes)
        self.stream: Any = response.body
        self._lines: list[Object] = []

    async def next(self) -> Object:
        while not self._lines:
            chunk = await anext(self.stream)
            self._lines = [json.loads(line) for line in chunk.splitlines()]
        return self._lines.pop(0)

    async def seen(self) -> list[tuple[str, str]]:
        """Type and name of every event that is there now."""
        seen = []
        while True:
            try:
                async with asyncio.timeout(0.01):
                    event = await self.next()
            except (TimeoutError, StopAsyncIteration):
                return seen
            seen.append((event["type"], event["object"]["metadata"].get("name", "")))


Open = Callable[..., Any]


@pytest.fixture
async def watch(server: ApiServer) -> AsyncIterator[Open]:
    opened: list[Watch] = []

    async def start(path: str, **query: str) -> Watch:
        parameters = tuple({"watch": "1", **query}.items())
        opened.append(Watch(await server.handle(Request("GET", path, parameters))))
        return opened[-1]

    yield start
    for each in opened:
        await each.stream.aclose()


def config_map(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default", "labels": labels}}


def pod(name: str, node: str = "") -> Object:
    spec: Object = {"containers": [{"name": "c", "image": "i"}]}
    if node:
        spec["nodeName"] = node
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


async def test_events_come_in_the_order_of_their_versions(client: Client, watch: Open):
    events = await watch(
        "/api/v1/configmaps", resourceVersion=(await client.list(CONFIGMAPS))["metadata"]["resourceVersion"]
    )
    for number in range(5):
        await client.create(CONFIGMAPS, config_map(f"m{number}"))
    got = [await events.next() for _ in range(5)]
    assert [event["object"]["metadata"]["name"] for event in got] == ["m0", "m1", "m2", "m3", "m4"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in got]
    assert versions == sorted(versions)


async def test_a_write_that_changes_nothing_is_no_event(client: Client, watch: Open):
    made = await client.create(CONFIGMAPS, config_map("a"))
    events = await watch("/api/v1/configmaps", resourceVersion=made["metadata"]["resourceVersion"])
    assert (await client.update(CONFIGMAPS, made))["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert await events.seen() == []


async def test_objects_enter_and_leave_a_selection(client: Client, watch: Open):
    events = await watch("/api/v1/namespaces/default/configmaps", labelSelector="on=yes")
    await client.create(CONFIGMAPS, config_map("a"))
    await client.patch(CONFIGMAPS, "a", {"metadata": {"labels": {"on": "yes"}}}, namespace="default", kind="merge")
    await client.patch(CONFIGMAPS, "a", {"data": {"k": "v"}}, namespace="default", kind="merge")
    left = await client.patch(
        CONFIGMAPS, "a", {"metadata": {"labels": {"on": "no"}}}, namespace="default", kind="merge"
    )
    await client.delete(CONFIGMAPS, "a", namespace="default")
    added, modified, deleted = [await events.next() for _ in range(3)]
    assert [event["type"] for event in (added, modified, deleted)] == ["ADDED", "MODIFIED", "DELETED"]
    assert deleted["object"]["metadata"]["labels"] == {"on": "yes"}
    assert deleted["object"]["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]
    assert await events.seen() == []


async def test_a_kubelet_sees_pods_come_to_its_node_and_nothing_else(client: Client, watch: Open):
    events = await watch("/api/v1/pods", fieldSelector="spec.nodeName=n1")
    await client.create(PODS, pod("mine", "n1"))
    await client.create(PODS, pod("other", "n2"))
    await client.create(PODS, pod("later"))
    binding = {"metadata": {"name": "later"}, "target": {"kind": "Node", "name": "n1"}}
    await client.create(PODS, binding, namespace="default", name="later", subresource="binding")
    assert await events.seen() == [("ADDED", "mine"), ("ADDED", "later")]


async def test_thousands_of_kubelets_do_not_hear_of_each_other(client: Client, watch: Open):
    for number in range(2000):
        await watch("/api/v1/pods", fieldSelector=f"spec.nodeName=n{number}")
        await watch("/api/v1/nodes", fieldSelector=f"metadata.name=n{number}")
    offered = []
    publish = Group.publish
    with patch.object(Group, "publish", lambda group, change: (offered.append(group), publish(group, change))):
        await client.create(PODS, pod("p", "n7"))
        await client.create(NODES, {"metadata": {"name": "n7"}})
    assert len(offered) == 2


async def test_a_watch_of_one_object_is_about_that_object(client: Client, watch: Open):
    events = await watch("/api/v1/nodes", fieldSelector="metadata.name=a")
    await client.create(NODES, {"metadata": {"name": "a"}})
    await client.create(NODES, {"metadata": {"name": "b"}})
    assert await events.seen() == [("ADDED", "a")]


async def test_watchers_of_a_namespace_and_of_all_share_the_bytes(client: Client, watch: Open):
    everywhere, here = await watch("/api/v1/configmaps"), await watch("/api/v1/namespaces/default/configmaps")
    await client.create(CONFIGMAPS, config_map("a"))
    chunks = [await anext(each.stream) for each in (everywhere, here)]
    assert chunks[0] == chunks[1]


async def test_both_event_groups_show_one_event_each_in_its_own_form(client: Client, watch: Open):
    core, newer = await watch("/api/v1/events"), await watch("/apis/events.k8s.io/v1/events")
    about = {"kind": "Pod", "namespace": "default", "name": "p"}
    event = {"metadata": {"name": "e", "namespace": "default"}, "involvedObject": about, "message": "hello"}
    await client.create(EVENTS, event)
    old, new = (await core.next())["object"], (await newer.next())["object"]
    assert (old["apiVersion"], old["message"]) == (EVENTS.api_version, "hello")
    assert (new["apiVersion"], new["note"]) == (EVENTS_V1.api_version, "hello")


async def test_a_watch_ends_after_its_timeout(clock: Clock, watch: Open):
    events = await watch("/api/v1/nodes", timeoutSeconds="7")
    begun = clock.monotonic()
    with pytest.raises(StopAsyncIteration):
        await events.next()
    assert clock.monotonic() - begun == 7


async def test_a_watch_without_timeout_lasts_half_an_hour_to_an_hour(clock: Clock, watch: Open):
    events = await watch("/api/v1/nodes")
    begun = clock.monotonic()
    with pytest.raises(StopAsyncIteration):
        await events.next()
    assert MIN_TIMEOUT <= clock.monotonic() - begun <= 2 * MIN_TIMEOUT


async def test_bookmarks_come_every_minute_and_shortly_before_the_end(clock: Clock, client: Client, watch: Open):
    events = await watch("/api/v1/nodes", allowWatchBookmarks="true", timeoutSeconds="150")
    begun = clock.monotonic()
    made = await client.create(CONFIGMAPS, config_map("elsewhere"))
    times = []
    for _ in range(3):
        event = await events.next()
        assert event["type"] == "BOOKMARK"
        assert event["object"]["metadata"] == {"resourceVersion": made["metadata"]["resourceVersion"]}
        times.append(clock.monotonic() - begun)
    assert times == [BOOKMARK_INTERVAL, 2 * BOOKMARK_INTERVAL, 150 - BOOKMARK_BEFORE_END]
    with pytest.raises(StopAsyncIteration):
        await events.next()


async def test_no_bookmarks_unless_asked_for(watch: Open):
    events = await watch("/api/v1/nodes", timeoutSeconds="150")
    with pytest.raises(StopAsyncIteration):
        await events.next()


async def test_closing_from_another_task_ends_a_pending_read(watch: Open):
    events = await watch("/api/v1/nodes")
    reading = asyncio.create_task(events.next())
    await asyncio.sleep(1)
    await events.stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await reading


async def test_a_cancelled_reader_leaves_nothing_behind(server: ApiServer, client: Client, watch: Open):
    events = await watch("/api/v1/nodes")
    reading = asyncio.create_task(events.next())
    await asyncio.sleep(1)
    reading.cancel()
    await asyncio.wait([reading])
    await client.create(NODES, {"metadata": {"name": "a"}})
    broadcaster = server.registry.broadcaster(NODES)
    assert not any(broadcaster._groups.values())


async def test_a_reader_that_does_not_keep_up_is_dropped(client: Client, watch: Open, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(broadcast, "MAX_BEHIND", 300)
    slow, quick = await watch("/api/v1/configmaps"), await watch("/api/v1/configmaps")
    dropped = []
    slow.stream.on_drop(lambda: dropped.append(True))
    await client.create(CONFIGMAPS, config_map("a"))
    await quick.next()
    for number in range(600):
        await client.patch(CONFIGMAPS, "a", {"data": {"n": str(number)}}, namespace="default", kind="merge")
        assert (await quick.next())["object"]["data"] == {"n": str(number)}
    assert dropped == [True]
    assert slow.stream.dropped
    with pytest.raises(StopAsyncIteration):
        await slow.next()
    assert not quick.stream.dropped


async def test_a_watch_that_has_ended_takes_nothing_from_the_others(client: Client, watch: Open):
    ended, going = await watch("/api/v1/configmaps"), await watch("/api/v1/configmaps")
    await client.create(CONFIGMAPS, config_map("a"))
    await ended.stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await ended.next()
    assert await going.seen() == [("ADDED", "a")]


async def test_closing_the_server_ends_all_watches(clock: Clock):
    server = ApiServer(MemoryStore(), clock)
    await server.start()
    events = Watch(await server.handle(Request("GET", "/api/v1/nodes", (("watch", "1"),))))
    reading = asyncio.create_task(events.next())
    await asyncio.sleep(1)
    await server.close()
    with pytest.raises(StopAsyncIteration):
        await reading


@asynccontextmanager
async def running(store: Any, clock: Clock) -> AsyncIterator[ApiServer]:
    server = ApiServer(store, clock)
    await server.start()
    yield server
    await server.close()


async def test_a_watch_goes_on_after_a_restart_on_disk(tmp_path: Path, clock: Clock):
    store = SqliteStore(tmp_path / "s.db", threaded=False)
    node = b'{"metadata":{"name":"%b"}}'
    async with running(store, clock) as server:
        made = await server.handle(Request("POST", NODES.path(), body=node % b"a"))
        assert isinstance(made.body, bytes)
        version = json.loads(made.body)["metadata"]["resourceVersion"]
        await server.handle(Request("POST", NODES.path(), body=node % b"b"))
        await server.handle(Request("DELETE", NODES.path(name="a")))
    async with running(SqliteStore(tmp_path / "s.db", threaded=False), clock) as server:
        query = (("watch", "1"), ("resourceVersion", version))
        events = Watch(await server.handle(Request("GET", NODES.path(), query)))
        assert await events.seen() == [("ADDED", "b"), ("DELETED", "a")]


async def test_replicas_on_one_store_show_the_same(clock: Clock):
    store = MemoryStore()
    async with running(store, clock) as one, running(store, clock) as other:
        events = Watch(await other.handle(Request("GET", NODES.path(), (("watch", "1"),))))
        await one.handle(Request("POST", NODES.path(), body=b'{"metadata":{"name":"a"}}'))
        assert await events.seen() == [("ADDED", "a")]
        answers = [await each.handle(Request("GET", NODES.path(name="a"))) for each in (one, other)]
        assert answers[0].body == answers[1].body


async def test_a_table_watch_describes_its_columns_once(server: ApiServer, client: Client):
    accept = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    events = Watch(await server.handle(Request("GET", LEASES.path(), (("watch", "1"),), accept)))
    for name in ("a", "b"):
        await client.create(LEASES, {"metadata": {"name": name, "namespace": "default"}})
    first, second = [(await events.next())["object"] for _ in range(2)]
    assert [column["name"] for column in first["columnDefinitions"]] == ["Name", "Holder", "Age"]
    assert second["columnDefinitions"] is None
    assert second["rows"][0]["cells"][0] == "b"
    await events.stream.aclose()


async def test_a_bookmark_in_a_table_watch_has_no_row(server: ApiServer):
    accept = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    query = (("watch", "1"), ("allowWatchBookmarks", "1"))
    events = Watch(await server.handle(Request("GET", PODS.path(), query, accept)))
    bookmark = await events.next()
    assert (bookmark["type"], bookmark["object"]["kind"], bookmark["object"]["rows"]) == ("BOOKMARK", "Table", [])
    await events.stream.aclose()
