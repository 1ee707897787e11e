"""Writes that fail: a conflict may be the heartbeat itself, and what was lost is written later."""

import pytest

from refimpl.api import meta
from refimpl.api.errors import conflict, internal
from refimpl.api.http import Request
from refimpl.api.resources import NODES, PODS
from refimpl.clock import Clock
from refimpl.controllers.node_lifecycle import NodeLifecycleConfig, NodeLifecycleController
from refimpl.controllers.pod_gc import PodGCController
from refimpl.controllers.taint_eviction import TaintEvictionController
from tests.controllers.node_cluster import node_cluster

CONFIG = NodeLifecycleConfig()
P, G = CONFIG.node_monitor_period, CONFIG.node_monitor_grace_period
UNREACHABLE = ("unreachable", "NoExecute")


@pytest.fixture
async def cluster(clock: Clock):
    controllers = (NodeLifecycleController, TaintEvictionController, PodGCController)
    async with node_cluster(clock, *controllers) as running:
        await running.add_node("keeper")
        running.keep("keeper")
        await running.add_node("victim")
        await running.clock.sleep(2)
        yield running


async def test_a_heartbeat_that_comes_between_wins(cluster):
    """The controller has decided, and before its write arrives the node's own is stored."""
    raced: list[float] = []

    async def beat_first(request: Request):
        if request.method == "PUT" and request.path == "/api/v1/nodes/victim/status" and not raced:
            raced.append(cluster.clock.monotonic())
            await cluster.beat("victim")

    cluster.refusals.append(beat_first)
    await cluster.clock.sleep(G + 2 * P + 2)
    assert len(raced) == 1
    assert await cluster.ready("victim") == "True"
    assert await cluster.until_ready_is("victim", "Unknown") > raced[0] + G


async def test_conditions_are_written_in_the_same_pass_after_a_conflict(cluster):
    refused = cluster.refuse("PUT", "/api/v1/nodes/victim/status", conflict(NODES, "victim"), times=3)
    flip = await cluster.until_ready_is("victim", "Unknown")
    assert len(refused) == 3
    assert flip - refused[0] < P


async def test_a_node_that_cannot_be_written_is_tried_again_in_the_next_pass(cluster):
    refused = cluster.refuse("PUT", "/api/v1/nodes/victim/status", internal("no"), times=5)
    flip = await cluster.until_ready_is("victim", "Unknown")
    assert P - 1 < flip - refused[0] <= P + 1
    await cluster.until_tainted("victim", UNREACHABLE, within=2)
    assert (await cluster.reasons("victim")).count("NodeNotReady") == 1


async def test_pods_that_could_not_be_marked_are_marked_in_the_next_pass(cluster):
    await cluster.add_pod("pod", "victim")
    refused = cluster.refuse("PUT", "/api/v1/namespaces/default/pods/pod/status", internal("no"))
    await cluster.until_ready_is("victim", "Unknown")
    await cluster.clock.sleep(1)
    assert len(refused) == 1
    assert meta.condition_status(await cluster.pod("pod"), "Ready") == "True"
    await cluster.clock.sleep(P)
    assert meta.condition_status(await cluster.pod("pod"), "Ready") == "False"
    assert (await cluster.reasons("victim")).count("NodeNotReady") == 1


async def test_a_taint_that_meets_a_conflict_is_written_again_at_once(cluster):
    refused = cluster.refuse("PATCH", "/api/v1/nodes/victim", conflict(NODES, "victim"))
    await cluster.beat("victim", "True", kind="MemoryPressure")
    await cluster.clock.sleep(1)
    assert len(refused) == 1
    assert ("memory-pressure", "NoSchedule") in await cluster.taints("victim")


async def test_a_no_schedule_taint_that_was_lost_comes_with_the_next_change_of_the_node(cluster):
    cluster.refuse("PATCH", "/api/v1/nodes/victim", internal("no"))
    await cluster.beat("victim", "True", kind="MemoryPressure")
    await cluster.clock.sleep(30)
    assert await cluster.taints("victim") == set()
    await cluster.client.patch(NODES, "victim", {"metadata": {"labels": {"nudge": "1"}}})
    await cluster.clock.sleep(1)
    assert await cluster.taints("victim") == {("memory-pressure", "NoSchedule")}


async def test_a_no_execute_taint_that_was_refused_comes_with_the_next_token(cluster):
    await cluster.until_ready_is("victim", "Unknown")
    cluster.refuse("PATCH", "/api/v1/nodes/victim", internal("no"), times=1)
    assert await cluster.until_tainted("victim", UNREACHABLE) <= cluster.clock.monotonic() + 11


async def test_a_swap_that_was_refused_is_made_in_the_next_pass(cluster):
    await cluster.beat("victim", "False")
    await cluster.until_tainted("victim", ("not-ready", "NoExecute"))
    await cluster.until_ready_is("victim", "Unknown", within=2 * G)
    await cluster.until_tainted("victim", UNREACHABLE, within=P + 1)
    assert ("not-ready", "NoExecute") not in await cluster.taints("victim")


async def test_an_eviction_is_repeated_a_few_times(cluster):
    await cluster.add_pod("pod", "keeper", tolerations=[])
    refused = cluster.refuse("DELETE", "/api/v1/namespaces/default/pods/pod", internal("no"), times=3)
    await cluster.set_taints("keeper", ("example.com/x", "NoExecute"))
    await cluster.clock.sleep(1)
    assert len(refused) == 3
    assert "deletionTimestamp" in (await cluster.pod("pod"))["metadata"]


async def test_an_eviction_that_failed_for_good_is_made_when_the_taints_change_again(cluster):
    await cluster.add_pod("pod", "keeper", tolerations=[])
    refused = cluster.refuse("DELETE", "/api/v1/namespaces/default/pods/pod", internal("no"), times=5)
    await cluster.set_taints("keeper", ("example.com/x", "NoExecute"))
    await cluster.clock.sleep(10)
    assert len(refused) == 5
    assert await cluster.deletion("pod") is None
    await cluster.set_taints("keeper", ("example.com/y", "NoExecute"))
    await cluster.clock.sleep(1)
    assert await cluster.deletion("pod") is not None


async def test_an_orphan_is_kept_while_its_node_cannot_be_asked_for(cluster):
    await cluster.add_pod("pod", "nowhere", ready=None)
    cluster.refuse("GET", "/api/v1/nodes/nowhere", internal("no"), times=1)
    await cluster.clock.sleep(85)
    assert await cluster.exists(PODS, "pod", "default")
    await cluster.clock.sleep(60)
    assert not await cluster.exists(PODS, "pod", "default")
