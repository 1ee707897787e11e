"""NoExecute taints drive pods away, at once or in time (M-EV)."""

import pytest

from refimpl.api import meta
from refimpl.api.resources import NODES, PODS
from refimpl.clock import Clock
from refimpl.controllers.node_lifecycle import NodeLifecycleController
from refimpl.controllers.taint_eviction import TaintEvictionController
from tests.controllers.node_cluster import node_cluster

X, Y = ("example.com/x", "NoExecute"), ("example.com/y", "NoExecute")
SLACK = 1.0


def tolerate(key: str, seconds: int | None = None, **more) -> dict:
    limit = {} if seconds is None else {"tolerationSeconds": seconds}
    return {"key": key, "operator": "Exists", "effect": "NoExecute", **limit, **more}


FOR_X, FOR_Y = "example.com/x", "example.com/y"


@pytest.fixture
async def cluster(clock: Clock):
    async with node_cluster(clock, NodeLifecycleController, TaintEvictionController) as running:
        for name in ("node", "keeper"):
            await running.add_node(name)
            running.keep(name)
        await running.clock.sleep(1)
        yield running


async def pods(cluster, **tolerations) -> None:
    for name, some in tolerations.items():
        await cluster.add_pod(name, "node", tolerations=some)


async def test_untolerated_pods_go_at_once_and_tolerant_ones_never(cluster):
    await pods(cluster, plain=[], other=[tolerate(FOR_Y)], schedule=[tolerate(FOR_X, effect="NoSchedule")])
    await pods(cluster, exists=[tolerate(FOR_X)], everything=[{"operator": "Exists"}])
    await cluster.set_taints("node", X)
    start = cluster.clock.monotonic()
    await cluster.clock.sleep(60)
    for name in ("plain", "other", "schedule"):
        assert (await cluster.deletion(name)) - start <= SLACK
    for name in ("exists", "everything"):
        assert await cluster.deletion(name) is None


@pytest.mark.parametrize(("seconds", "expected"), [(20, 20), (0, 0), (-1, 0)])
async def test_tolerated_pods_go_in_time(cluster, seconds, expected):
    await pods(cluster, pod=[tolerate(FOR_X, seconds)])
    await cluster.set_taints("node", X)
    start = cluster.clock.monotonic()
    await cluster.clock.sleep(60)
    assert expected <= (await cluster.deletion("pod")) - start <= expected + SLACK


async def test_of_several_taints_the_shortest_toleration_decides(cluster):
    z = ("example.com/z", "NoExecute")
    await pods(cluster, pod=[tolerate(FOR_X), tolerate(FOR_Y, 15), tolerate(z[0], 40)])
    await cluster.set_taints("node", X, Y, z)
    start = cluster.clock.monotonic()
    await cluster.clock.sleep(60)
    assert 15 <= (await cluster.deletion("pod")) - start <= 15 + SLACK


async def test_an_untolerated_taint_ends_a_running_time(cluster):
    await pods(cluster, pod=[tolerate(FOR_X, 100)])
    await cluster.set_taints("node", X)
    await cluster.clock.sleep(5)
    await cluster.set_taints("node", X, Y)
    start = cluster.clock.monotonic()
    await cluster.clock.sleep(5)
    assert (await cluster.deletion("pod")) - start <= SLACK


async def test_removing_the_taints_cancels_and_tainting_again_starts_anew(cluster):
    await pods(cluster, pod=[tolerate(FOR_X, 20)])
    await cluster.set_taints("node", X)
    await cluster.clock.sleep(10)
    await cluster.set_taints("node")
    await cluster.clock.sleep(40)
    assert await cluster.deletion("pod") is None
    await cluster.set_taints("node", X)
    start = cluster.clock.monotonic()
    await cluster.clock.sleep(30)
    assert 20 <= (await cluster.deletion("pod")) - start <= 20 + SLACK
    messages = [event["message"] for event in await cluster.events("pod")]
    assert messages == ["Cancelling deletion of Pod default/pod", "Marking for deletion Pod default/pod"]


async def test_what_is_left_tolerated_for_ever_cancels_too(cluster):
    await pods(cluster, pod=[tolerate(FOR_X, 20), tolerate(FOR_Y)])
    await cluster.set_taints("node", X, Y)
    await cluster.clock.sleep(10)
    await cluster.set_taints("node", Y)
    await cluster.clock.sleep(40)
    assert await cluster.deletion("pod") is None


async def test_a_running_time_cannot_be_changed(cluster):
    await pods(cluster, shorter=[tolerate(FOR_X, 40)], longer=[tolerate(FOR_X, 40)])
    await pods(cluster, added=[tolerate(FOR_X, 40), tolerate(FOR_Y, 5)])
    await cluster.set_taints("node", X)
    start = cluster.clock.monotonic()
    await cluster.clock.sleep(5)
    for name, seconds in (("shorter", 10), ("longer", 100)):
        changed = {"spec": {"tolerations": [tolerate(FOR_X, seconds)]}}
        await cluster.client.patch(PODS, name, changed, namespace="default", kind="merge")
    await cluster.set_taints("node", X, Y)
    await cluster.clock.sleep(1)
    await cluster.set_taints("node", X)
    await cluster.clock.sleep(60)
    assert 40 <= (await cluster.deletion("added")) - start <= 40 + SLACK
    for name in ("shorter", "longer"):
        assert (await cluster.deletion(name)) is not None


async def test_a_toleration_made_endless_cancels(cluster):
    await pods(cluster, pod=[tolerate(FOR_X, 20)])
    await cluster.set_taints("node", X)
    await cluster.clock.sleep(5)
    changed = {"spec": {"tolerations": [tolerate(FOR_X)]}}
    await cluster.client.patch(PODS, "pod", changed, namespace="default", kind="merge")
    await cluster.clock.sleep(40)
    assert await cluster.deletion("pod") is None


async def test_the_time_when_a_taint_was_added_is_not_believed(cluster):
    await pods(cluster, pod=[tolerate(FOR_X, 20)])
    old = {"key": X[0], "effect": X[1], "timeAdded": "2018-07-02T00:00:00Z"}
    await cluster.client.patch(NODES, "node", {"spec": {"taints": [old]}}, kind="merge")
    start = cluster.clock.monotonic()
    await cluster.clock.sleep(30)
    assert 20 <= (await cluster.deletion("pod")) - start <= 20 + SLACK


async def test_a_pod_bound_later_has_its_time_from_its_binding(cluster):
    await cluster.set_taints("node", X)
    await cluster.clock.sleep(30)
    start = cluster.clock.monotonic()
    await pods(cluster, pod=[tolerate(FOR_X, 20)], plain=[])
    await cluster.clock.sleep(30)
    assert 20 <= (await cluster.deletion("pod")) - start <= 20 + SLACK
    assert (await cluster.deletion("plain")) - start <= SLACK


async def test_softer_effects_and_cordon_never_evict(cluster):
    await pods(cluster, pod=[])
    await cluster.set_taints("node", ("a", "NoSchedule"), ("b", "PreferNoSchedule"))
    await cluster.client.patch(NODES, "node", {"spec": {"unschedulable": True}}, kind="merge")
    await cluster.clock.sleep(30)
    assert await cluster.deletion("pod") is None


async def test_user_taints_are_neither_limited_nor_stopped(cluster):
    names = [f"n{number}" for number in range(5)]
    for name in names:
        await cluster.add_node(name, zone="z")
        await cluster.add_pod(f"pod-{name}", name)
    for name in names:
        await cluster.set_taints(name, X)
    start = cluster.clock.monotonic()
    await cluster.clock.sleep(2)
    for name in names:
        assert (await cluster.deletion(f"pod-{name}")) - start <= SLACK


async def test_a_pod_that_goes_is_told_why_first(cluster):
    await pods(cluster, pod=[])
    await cluster.set_taints("node", X)
    await cluster.clock.sleep(1)
    target = meta.condition(await cluster.pod("pod"), "DisruptionTarget")
    assert (target["status"], target["reason"]) == ("True", "DeletionByTaintManager")
    assert target["message"] == "Taint manager: deleting due to NoExecute taint"
    (event,) = await cluster.events("pod")
    assert (event["reason"], event["type"]) == ("TaintManagerEviction", "Normal")
    assert event["source"]["component"] == "taint-eviction-controller"
    assert "uid" not in event["involvedObject"]


async def test_finished_pods_go_at_once_and_terminating_ones_are_left_alone(cluster):
    await pods(cluster, finished=[], terminating=[])
    finished = {"status": {"phase": "Succeeded"}}
    await cluster.client.patch(PODS, "finished", finished, namespace="default", subresource="status")
    await cluster.client.delete(PODS, "terminating", namespace="default")
    before = (await cluster.pod("terminating"))["metadata"]["deletionTimestamp"]
    await cluster.clock.sleep(10)
    await cluster.set_taints("node", X)
    await cluster.clock.sleep(2)
    assert not await cluster.exists(PODS, "finished", "default")
    assert (await cluster.pod("terminating"))["metadata"]["deletionTimestamp"] == before


async def test_a_silent_node_loses_its_pods_after_their_own_toleration(cluster):
    await cluster.add_node("victim")
    await cluster.add_pod("short", "victim", tolerations=[tolerate("node.kubernetes.io/unreachable", 20)])
    await cluster.add_pod("default", "victim")
    not_ready = [tolerate("node.kubernetes.io/unreachable"), tolerate("node.kubernetes.io/not-ready", 10)]
    await cluster.add_pod("keyed", "victim", tolerations=not_ready)
    tainted = await cluster.until_tainted("victim", ("unreachable", "NoExecute"))
    await cluster.clock.sleep(330)
    assert 20 - SLACK <= (await cluster.deletion("short")) - tainted <= 20 + SLACK
    assert 300 - SLACK <= (await cluster.deletion("default")) - tainted <= 300 + SLACK
    assert await cluster.deletion("keyed") is None
    assert await cluster.ready("victim") == "Unknown"
    await cluster.clock.sleep(300)
    assert (await cluster.pod("default"))["metadata"]["deletionGracePeriodSeconds"] == 30


async def test_recovery_in_time_saves_the_pods_however_often(cluster):
    await cluster.add_node("victim")
    pod = await cluster.add_pod("pod", "victim", tolerations=[tolerate("node.kubernetes.io/unreachable", 100)])
    for _ in range(3):
        await cluster.until_tainted("victim", ("unreachable", "NoExecute"), within=150)
        await cluster.clock.sleep(60)
        await cluster.beat("victim")
        await cluster.clock.sleep(6)
    assert await cluster.deletion("pod") is None
    assert meta.uid(await cluster.pod("pod")) == meta.uid(pod)


async def test_the_swap_of_not_ready_for_unreachable_keeps_the_first_deadline(cluster):
    both = [tolerate(f"node.kubernetes.io/{key}", 100) for key in ("not-ready", "unreachable")]
    await cluster.add_node("victim")
    await cluster.add_pod("pod", "victim", tolerations=both)
    await cluster.clock.sleep(6)
    await cluster.beat("victim", "False")
    start = await cluster.until_tainted("victim", ("not-ready", "NoExecute"))
    await cluster.until_tainted("victim", ("unreachable", "NoExecute"))
    await cluster.clock.sleep(60)
    assert 100 - SLACK <= (await cluster.deletion("pod")) - start <= 100 + SLACK


async def test_deleting_a_pod_cancels_its_time_for_another_of_its_name(cluster):
    await pods(cluster, pod=[tolerate(FOR_X, 20)])
    await cluster.set_taints("node", X)
    await cluster.clock.sleep(10)
    await cluster.client.delete(PODS, "pod", namespace="default", grace_period=0)
    await cluster.clock.sleep(2)
    await pods(cluster, pod=[tolerate(FOR_X, 20)])
    start = cluster.clock.monotonic()
    await cluster.clock.sleep(15)
    assert await cluster.deletion("pod") is None
    await cluster.clock.sleep(15)
    assert 20 <= (await cluster.deletion("pod")) - start <= 20 + SLACK
