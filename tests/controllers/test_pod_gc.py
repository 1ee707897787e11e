"""Pods that nobody will ever finish are removed (M-GC)."""

import pytest

from refimpl.api import meta
from refimpl.api.resources import NODES, PODS
from refimpl.clock import Clock
from refimpl.controllers.pod_gc import PodGCConfig, PodGCController
from tests.controllers.node_cluster import node_cluster

OUT_OF_SERVICE = ("node.kubernetes.io/out-of-service", "NoSchedule")


@pytest.fixture
async def cluster(clock: Clock):
    async with node_cluster(clock, PodGCController) as running:
        await running.add_node("node")
        await running.clock.sleep(7)
        yield running


async def gone_after(cluster, name: str, within: float = 90) -> float:
    start = cluster.clock.monotonic()

    async def gone():
        return not await cluster.exists(PODS, name, "default")

    return await cluster.until(gone, within=within) - start


async def test_pods_of_a_deleted_node_go_after_the_quarantine(cluster):
    await cluster.add_pod("a", "node")
    await cluster.add_pod("b", "node")
    await cluster.client.delete(PODS, "b", namespace="default")
    await cluster.client.delete(NODES, "node")
    assert 40 <= await gone_after(cluster, "a") <= 81
    assert not await cluster.exists(PODS, "b", "default")


async def test_a_pod_of_a_node_that_never_was_goes_the_same_way(cluster):
    await cluster.add_pod("a", "nowhere", ready=None)
    assert 40 <= await gone_after(cluster, "a") <= 81


async def test_a_node_that_comes_back_in_time_saves_its_pods(cluster):
    await cluster.add_pod("a", "node")
    await cluster.client.delete(NODES, "node")
    await cluster.clock.sleep(35)
    await cluster.add_node("node")
    await cluster.clock.sleep(120)
    assert "deletionTimestamp" not in (await cluster.pod("a"))["metadata"]


async def test_an_orphan_is_failed_and_told_why(cluster):
    await cluster.add_pod("a", "nowhere", finalizers=["example.com/hold"])
    await cluster.add_pod("done", "nowhere", finalizers=["example.com/hold"])
    done = {"status": {"phase": "Succeeded"}}
    await cluster.client.patch(PODS, "done", done, namespace="default", subresource="status")
    await cluster.clock.sleep(85)
    pod = await cluster.pod("a")
    target = meta.condition(pod, "DisruptionTarget")
    assert pod["status"]["phase"] == "Failed"
    assert (target["reason"], target["message"]) == ("DeletionByPodGC", "PodGC: node no longer exists")
    assert (await cluster.pod("done"))["status"]["phase"] == "Succeeded"


@pytest.mark.parametrize(("ready", "phase"), [("Unknown", "Failed"), ("True", "Running")])
async def test_out_of_service_ends_terminating_pods_of_nodes_not_ready(cluster, ready, phase):
    await cluster.add_node("broken", ready=ready)
    await cluster.add_pod("leaving", "broken", finalizers=["example.com/hold"])
    await cluster.add_pod("staying", "broken")
    await cluster.client.delete(PODS, "leaving", namespace="default")
    await cluster.set_taints("broken", OUT_OF_SERVICE)
    await cluster.clock.sleep(25)
    assert (await cluster.pod("leaving"))["status"]["phase"] == phase
    assert "deletionTimestamp" not in (await cluster.pod("staying"))["metadata"]


async def test_an_unbound_pod_held_by_a_finalizer_is_failed(cluster):
    await cluster.add_pod("a", ready=None, finalizers=["example.com/hold"])
    await cluster.client.delete(PODS, "a", namespace="default")
    await cluster.clock.sleep(25)
    assert (await cluster.pod("a"))["status"]["phase"] == "Failed"
    nothing = {"metadata": {"finalizers": None}}
    await cluster.client.patch(PODS, "a", nothing, namespace="default", kind="merge")
    assert not await cluster.exists(PODS, "a", "default")


async def test_finished_pods_beyond_the_threshold_go_oldest_first(clock: Clock):
    config = PodGCConfig(terminated_pod_gc_threshold=2)
    async with node_cluster(clock, lambda context: PodGCController(context, config)) as cluster:
        await cluster.add_node("node")
        await cluster.clock.sleep(5)
        for number in range(4):
            await cluster.add_pod(f"p{number}", "node")
            done = {"status": {"phase": "Failed"}}
            await cluster.client.patch(PODS, f"p{number}", done, namespace="default", subresource="status")
            await cluster.clock.sleep(2)
        await cluster.clock.sleep(25)
        left = [pod["metadata"]["name"] for pod in (await cluster.client.list(PODS))["items"]]
        assert left == ["p2", "p3"]
