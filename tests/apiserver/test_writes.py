"""Writes: the order in which a kind is asked, concurrent changes, dry runs, deletions in steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from refimpl.api.errors import ApiError, Cause, Object
from refimpl.api.resources import CONFIGMAPS, LEASES, NAMESPACES, NODES, PODS, REPLICATIONCONTROLLERS, Resource
from refimpl.apiserver import admission, kinds
from refimpl.apiserver.server import ApiServer
from refimpl.apiserver.strategy import Context, Strategy
from refimpl.apiserver.verbs import update
from refimpl.client.client import Client
from refimpl.client.transport import DirectTransport
from refimpl.clock import Clock
from refimpl.storage.memory import MemoryStore
from refimpl.storage.sqlite import SqliteStore


class Recording(Strategy):
    """A kind that notes when it is asked what."""

    has_generation = True

    def __init__(self) -> None:
        self.calls: list[str] = []

    def default(self, obj: Object) -> None:
        self.calls.append("default")

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        self.calls.append("prepare_for_create")

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        self.calls.append("validate")
        return ()

    def begin_create(self, ctx: Context, obj: Object) -> None:
        self.calls.append("begin_create")

    def prepare_for_update(self, ctx: Context, old: Object, new: Object) -> None:
        self.calls.append("prepare_for_update")

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        self.calls.append("validate_update")
        return ()

    def begin_update(self, ctx: Context, old: Object, new: Object) -> None:
        self.calls.append("begin_update")

    def take(self) -> list[str]:
        calls, self.calls = self.calls, []
        return calls


async def test_a_kind_is_asked_in_the_documented_order(clock: Clock):
    kind = Recording()

    def strategies(resource: Resource) -> Strategy:
        return kind if resource is LEASES else kinds.strategy_for(resource)

    server = ApiServer(MemoryStore(), clock, strategies=strategies)
    await server.start()
    client = Client(DirectTransport(server.handle))

    def admit(ctx: Context, old: Object | None, new: Object | None) -> None:
        kind.calls.append("admit")

    with patch.object(admission, "admit", admit):
        made = await client.create(LEASES, {"metadata": {"name": "l", "namespace": "default"}})
        assert kind.take() == ["default", "admit", "prepare_for_create", "validate", "begin_create"]
        made["spec"] = {"holderIdentity": "me"}
        changed = await client.update(LEASES, made)
        assert kind.take() == ["default", "admit", "prepare_for_update", "validate_update", "begin_update"]
    assert (made["metadata"]["generation"], changed["metadata"]["generation"]) == (1, 2)
    await server.close()


@pytest.fixture(params=["memory", "sqlite"])
async def either(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Client]:
    """A client of a server on each kind of store."""
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "s.db", threaded=False)
    server = ApiServer(store, clock)
    await server.start()
    yield Client(DirectTransport(server.handle))
    await server.close()


async def test_no_concurrent_patch_is_lost(either: Client):
    client = either
    await client.create(CONFIGMAPS, {"metadata": {"name": "a", "namespace": "default"}})
    patches = [{"data": {f"k{number}": "v"}} for number in range(50)]
    await asyncio.gather(*(client.patch(CONFIGMAPS, "a", each, namespace="default", kind="merge") for each in patches))
    assert len((await client.get(CONFIGMAPS, "a", namespace="default"))["data"]) == 50


async def test_of_concurrent_updates_of_one_version_one_wins(either: Client):
    client = either
    made = await client.create(CONFIGMAPS, {"metadata": {"name": "a", "namespace": "default"}})
    wanted = [{**made, "data": {"k": str(number)}} for number in range(10)]
    results = await asyncio.gather(*(client.update(CONFIGMAPS, each) for each in wanted), return_exceptions=True)
    codes = sorted(result.code if isinstance(result, ApiError) else 200 for result in results)
    assert codes == [200] + [409] * 9


async def test_of_concurrent_creations_of_one_name_one_wins(either: Client):
    client = either
    body = {"metadata": {"name": "a"}}
    results = await asyncio.gather(*(client.create(NODES, body) for _ in range(5)), return_exceptions=True)
    assert sorted(result.code if isinstance(result, ApiError) else 201 for result in results) == [201] + [409] * 4


async def test_generated_names_give_way(client: Client, clock: Clock):
    suffixes = iter(["aaaaa", "aaaaa", "bbbbb"])
    with patch.object(Clock, "name_suffix", lambda *_: next(suffixes)):
        body = {"metadata": {"generateName": "m-", "namespace": "default"}}
        made = [(await client.create(CONFIGMAPS, body))["metadata"]["name"] for _ in range(2)]
    assert made == ["m-aaaaa", "m-bbbbb"]


async def test_a_prefix_for_generated_names_does_not_stand_in_for_a_name_that_is_taken(client: Client):
    body = {"metadata": {"name": "m-0", "generateName": "m-", "namespace": "default"}}
    await client.create(CONFIGMAPS, body)
    with pytest.raises(ApiError) as caught:
        await client.create(CONFIGMAPS, body)
    assert caught.value.code == 409
    assert [each["metadata"]["name"] for each in (await client.list(CONFIGMAPS))["items"]] == ["m-0"]


async def test_whether_anything_changed_is_one_decision(client: Client):
    made = await client.create(CONFIGMAPS, {"metadata": {"name": "a", "namespace": "default"}})
    with patch.object(update, "is_unchanged", lambda old, new: False):
        again = await client.update(CONFIGMAPS, made)
    assert again["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]


async def test_a_namespace_goes_in_two_steps(client: Client):
    await client.create(NAMESPACES, {"metadata": {"name": "ns"}})
    going = await client.delete(NAMESPACES, "ns")
    assert going["status"]["phase"] == "Terminating"
    going["spec"]["finalizers"] = []
    await client.update(NAMESPACES, going, subresource="finalize")
    with pytest.raises(ApiError, match="not found"):
        await client.get(NAMESPACES, "ns")


async def test_a_dry_run_leaves_no_trace(client: Client):
    before = await client.list(PODS)
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    shown = await client.request("POST", PODS.path("default"), pod, query={"dryRun": "All"})
    assert "resourceVersion" not in shown["metadata"]
    assert await client.list(PODS) == before


async def test_scale_goes_through_the_workloads_own_update(client: Client):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    body: Object = {"metadata": {"name": "rc", "namespace": "default"}, "spec": {"replicas": 1, "template": template}}
    await client.create(REPLICATIONCONTROLLERS, body)
    path = REPLICATIONCONTROLLERS.path("default", "rc", "scale")
    scale = await client.request("GET", path)
    assert (scale["spec"], scale["status"]) == ({"replicas": 1}, {"replicas": 0, "selector": "a=b"})
    await client.request("PUT", path, {**scale, "spec": {"replicas": 3}})
    workload = await client.get(REPLICATIONCONTROLLERS, "rc", namespace="default")
    assert (workload["spec"]["replicas"], workload["metadata"]["generation"]) == (3, 2)
    with pytest.raises(ApiError) as refusal:
        await client.request("PUT", path, {**scale, "spec": {"replicas": 4}})
    assert refusal.value.code == 409


async def test_a_patch_to_another_name_is_refused(client: Client):
    await client.create(NODES, {"metadata": {"name": "a"}})
    change: Any = {"metadata": {"name": "b"}}
    with pytest.raises(ApiError) as refusal:
        await client.patch(NODES, "a", change, kind="merge")
    assert refusal.value.code == 400
