"""The scheduler against an API server, on virtual time: what M-SCHED of the catalogue asks for."""

from __future__ import annotations

import asyncio

import pytest

from refimpl.api import meta
from refimpl.api.errors import ApiError
from refimpl.api.resources import NODES, PODS, PRIORITYCLASSES
from refimpl.clock import Clock
from tests.scheduler.cluster import Cluster, gone, is_refused, node_of, scheduling
from tests.scheduler.objects import taint


@pytest.fixture
async def cluster(clock: Clock):
    async with scheduling(clock) as cluster:
        yield cluster


async def test_a_pod_is_bound_and_told_so(cluster: Cluster):
    await cluster.node()
    await cluster.pod("web")
    assert await cluster.bound("web") == "n1"
    assert meta.is_true(await cluster.get("web"), "PodScheduled")
    [event] = await cluster.events("web", "Scheduled")
    assert (event["type"], event["action"], event["reportingController"]) == ("Normal", "Binding", "default-scheduler")
    assert event["note"] == "Successfully assigned default/web to n1"


async def test_a_pod_that_fits_nowhere_is_told_why(cluster: Cluster):
    await cluster.node(cpu="1", pods="10")
    await cluster.pod("big", requests={"cpu": "2"})
    condition = await cluster.refused("big")
    text = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
    assert condition["message"] == text + "1 Preemption is not helpful for scheduling."
    found = await cluster.get("big")
    assert (node_of(found), found["status"]["phase"]) == ("", "Pending")
    [event] = await cluster.events("big", "FailedScheduling")
    assert (event["type"], event["action"], event["note"]) == ("Warning", "Scheduling", condition["message"])


async def test_without_nodes_pods_wait_and_the_first_node_gets_them(cluster: Cluster):
    await cluster.pod("early")
    condition = await cluster.refused("early")
    assert condition["message"] == "no nodes available to schedule pods"
    await cluster.node()
    assert await cluster.bound("early", within=1) == "n1"


class TestAWaitingPodIsBoundAtOnce:
    """When what kept it waiting is removed, however long it has been waiting."""

    @pytest.fixture
    async def full(self, cluster: Cluster):
        await cluster.node(cpu="1", pods="10")
        await cluster.pod("first", requests={"cpu": "1"})
        await cluster.bound("first")
        await cluster.pod("second", requests={"cpu": "1"})
        await cluster.refused("second")
        await asyncio.sleep(100)
        return cluster

    async def test_when_another_pod_is_deleted(self, full: Cluster):
        await full.delete("first")
        await full.bound("second", within=1)

    @pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
    async def test_when_another_pod_is_finished(self, full: Cluster, phase: str):
        await full.finish("first", phase)
        await full.bound("second", within=1)
        assert not await gone(full, "first")

    async def test_but_not_while_the_other_one_is_only_terminating(self, full: Cluster):
        await full.delete("first", grace=300)
        await asyncio.sleep(1000)
        assert is_refused(await full.get("second"))
        await full.delete("first")
        await full.bound("second", within=1)

    async def test_when_the_node_offers_more(self, full: Cluster):
        await full.offer("n1", cpu="2", pods="10")
        await full.bound("second", within=1)

    async def test_when_a_node_is_added(self, full: Cluster):
        await full.node("n2")
        assert await full.bound("second", within=1) == "n2"

    async def test_when_a_taint_is_removed(self, cluster: Cluster):
        await cluster.node(taints=[taint("k")])
        await cluster.pod("web")
        await cluster.refused("web")
        await asyncio.sleep(100)
        await cluster.patch_node("n1", {"spec": {"taints": None}}, kind="merge")
        await cluster.bound("web", within=1)

    async def test_when_the_node_is_uncordoned(self, cluster: Cluster):
        await cluster.node(unschedulable=True)
        await cluster.pod("web")
        await cluster.refused("web")
        await asyncio.sleep(100)
        await cluster.patch_node("n1", {"spec": {"unschedulable": None, "taints": None}}, kind="merge")
        await cluster.bound("web", within=1)

    async def test_when_the_label_is_added(self, cluster: Cluster):
        await cluster.node()
        await cluster.pod("web", nodeSelector={"disk": "ssd"})
        await cluster.refused("web")
        await asyncio.sleep(100)
        await cluster.patch_node("n1", {"metadata": {"labels": {"disk": "ssd"}}})
        await cluster.bound("web", within=1)

    async def test_when_a_host_port_is_freed(self, cluster: Cluster):
        await cluster.node()
        claim = [{"containerPort": 80, "hostPort": 80}]
        await cluster.pod("first", ports=claim)
        await cluster.bound("first")
        await cluster.pod("second", ports=claim)
        await cluster.refused("second")
        await cluster.delete("first")
        await cluster.bound("second", within=1)

    async def test_when_the_pod_it_may_not_be_near_is_gone(self, cluster: Cluster):
        term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "a"}}}
        apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
        await cluster.node()
        await cluster.pod("first", labels={"app": "a"}, affinity=apart)
        await cluster.bound("first")
        await cluster.pod("second", labels={"app": "a"}, affinity=apart)
        await cluster.refused("second")
        await cluster.delete("first")
        await cluster.bound("second", within=1)


@pytest.mark.parametrize(
    "key", ["not-ready", "unreachable", "memory-pressure", "disk-pressure", "pid-pressure", "network-unavailable"]
)
async def test_taints_decide_and_not_conditions(cluster: Cluster, key: str):
    tolerated = f"node.kubernetes.io/{key}"
    await cluster.node(ready=False, taints=[taint(tolerated)])
    await cluster.pod("plain")
    await cluster.refused("plain")
    await cluster.pod("tolerant", tolerations=[{"key": tolerated, "operator": "Exists", "effect": "NoSchedule"}])
    await cluster.bound("tolerant")
    await cluster.patch_node("n1", {"spec": {"taints": [taint(tolerated), taint("other")]}})
    await cluster.pod("late", tolerations=[{"key": tolerated, "operator": "Exists", "effect": "NoSchedule"}])
    await cluster.refused("late")


async def test_what_changes_on_a_node_evicts_nobody(cluster: Cluster):
    await cluster.node(labels={"disk": "ssd"})
    await cluster.pod("web", requests={"cpu": "1"}, nodeSelector={"disk": "ssd"})
    await cluster.bound("web")
    await cluster.offer("n1", cpu="0", pods="0")
    await cluster.patch_node("n1", {"metadata": {"labels": {"disk": None}}, "spec": {"unschedulable": True}})
    await cluster.pod("late")
    await cluster.refused("late")
    await asyncio.sleep(600)
    web = await cluster.get("web")
    assert node_of(web) == "n1"
    assert not meta.is_terminating(web)


async def test_a_deleted_node_is_not_chosen(cluster: Cluster):
    await cluster.node("n1")
    await cluster.node("n2")
    await cluster.client.delete(NODES, "n1")
    for number in range(5):
        await cluster.pod(f"p{number}")
        assert await cluster.bound(f"p{number}") == "n2"


async def test_pods_put_on_a_node_by_hand_count_in_any_namespace_and_beyond_what_it_offers(cluster: Cluster):
    await cluster.node(cpu="2", pods="10")
    for number in range(3):
        await cluster.pod(f"by-hand-{number}", requests={"cpu": "1"}, nodeName="n1", namespace="kube-public")
    await cluster.pod("web", requests={"cpu": "1"})
    await cluster.refused("web")
    await cluster.pod("empty")
    await cluster.bound("empty")


async def test_terminated_before_it_started_a_pod_counts_no_more(cluster: Cluster):
    await cluster.node(**{"example.com/unit": "1", "pods": "10"})
    for number in range(3):
        await cluster.pod(f"p{number}", requests={"example.com/unit": "1"})
        await cluster.bound(f"p{number}")
        await cluster.delete(f"p{number}")


async def test_pods_of_another_scheduler_are_left_alone(cluster: Cluster):
    await cluster.node()
    before = await cluster.pod("foreign", schedulerName="nobody")
    await asyncio.sleep(600)
    assert await cluster.get("foreign") == before
    assert await cluster.events("foreign", "FailedScheduling") == []


async def test_a_gated_pod_is_left_alone_until_its_gates_are_gone(cluster: Cluster):
    await cluster.node()
    await cluster.pod("gated", schedulingGates=[{"name": "example.com/wait"}])
    await asyncio.sleep(600)
    gated = await cluster.get("gated")
    condition = meta.condition(gated, "PodScheduled")
    assert condition is not None
    assert (node_of(gated), condition["reason"]) == ("", "SchedulingGated")
    patch = [{"op": "remove", "path": "/spec/schedulingGates"}]
    await cluster.client.patch(PODS, "gated", patch, namespace="default", kind="json")
    await cluster.bound("gated", within=1)


async def test_twenty_pods_on_ten_units_of_two_nodes(cluster: Cluster):
    for name in ("n1", "n2"):
        await cluster.node(name, **{"example.com/unit": "5", "pods": "100"})
    wanted = [cluster.pod(f"p{number}", requests={"example.com/unit": "1"}) for number in range(20)]
    await asyncio.gather(*wanted)
    await asyncio.sleep(60)
    pods = [await cluster.get(f"p{number}") for number in range(20)]
    assert sorted(filter(None, map(node_of, pods))) == ["n1"] * 5 + ["n2"] * 5
    assert sum(map(is_refused, pods)) == 10


async def test_the_more_important_of_the_waiting_goes_first(cluster: Cluster):
    for name, value in (("low", 1), ("high", 2)):
        await cluster.client.create(PRIORITYCLASSES, {"metadata": {"name": name}, "value": value})
    await cluster.node(cpu="1", pods="10")
    await cluster.pod("first", requests={"cpu": "1"}, nodeName="n1", priorityClassName="high", priority=2)
    for name in ("low", "high"):
        await cluster.pod(name, requests={"cpu": "1"}, priorityClassName=name, priority=None)
        await cluster.refused(name)
    await asyncio.sleep(30)
    await cluster.delete("first")
    await cluster.bound("high", within=1)
    assert is_refused(await cluster.get("low"))


class TestPreemption:
    @pytest.fixture
    async def full(self, cluster: Cluster):
        await cluster.client.create(PRIORITYCLASSES, {"metadata": {"name": "high"}, "value": 1000})
        never = {"metadata": {"name": "patient"}, "value": 1000, "preemptionPolicy": "Never"}
        await cluster.client.create(PRIORITYCLASSES, never)
        await cluster.node(cpu="1", pods="10")
        await cluster.pod("victim", requests={"cpu": "1"})
        await cluster.bound("victim")
        return cluster

    async def important(self, cluster: Cluster, name: str = "important", of: str = "high"):
        await cluster.pod(name, requests={"cpu": "1"}, priorityClassName=of, priority=None)

    async def test_the_victim_is_asked_to_go_and_the_preemptor_waits_for_it(self, full: Cluster):
        await self.important(full)
        victim = await full.until("victim", meta.is_terminating)
        condition = meta.condition(victim, "DisruptionTarget")
        assert condition is not None
        assert (condition["status"], condition["reason"]) == ("True", "PreemptionByScheduler")
        await asyncio.sleep(120)
        waiting = await full.get("important")
        assert (node_of(waiting), waiting["status"].get("nominatedNodeName")) == ("", "n1")
        assert len(await full.events("victim", "Preempted")) == 1
        await full.delete("victim")
        await full.bound("important", within=1)

    async def test_the_room_made_is_not_given_to_others(self, full: Cluster):
        await self.important(full)
        await full.until("victim", meta.is_terminating)
        await full.pod("opportunist", requests={"cpu": "1"})
        await full.refused("opportunist")
        await full.delete("victim")
        await full.bound("important", within=1)
        await asyncio.sleep(60)
        assert is_refused(await full.get("opportunist"))

    async def test_the_room_is_free_again_when_the_preemptor_is_deleted(self, full: Cluster):
        await self.important(full)
        await full.until("victim", meta.is_terminating)
        await full.pod("other", requests={"cpu": "1"})
        await full.refused("other")
        await full.delete("victim")
        await full.bound("important")
        await full.delete("important")
        await full.bound("other", within=1)

    async def test_a_patient_pod_preempts_nobody(self, full: Cluster):
        await self.important(full, of="patient")
        await full.refused("important")
        await asyncio.sleep(600)
        assert not meta.is_terminating(await full.get("victim"))

    async def test_equal_priority_preempts_nobody(self, full: Cluster):
        await full.pod("equal", requests={"cpu": "1"})
        await full.refused("equal")
        await asyncio.sleep(600)
        assert not meta.is_terminating(await full.get("victim"))


async def test_a_binding_by_somebody_else_is_respected(cluster: Cluster):
    await cluster.node(taints=[taint("k")])
    await cluster.pod("web", requests={"cpu": "3"})
    await cluster.refused("web")
    target = {"kind": "Binding", "apiVersion": "v1", "metadata": {"name": "web"}, "target": {"name": "n1"}}
    await cluster.client.create(PODS, target, namespace="default", name="web", subresource="binding")
    await cluster.patch_node("n1", {"spec": {"taints": None}}, kind="merge")
    await cluster.pod("late", requests={"cpu": "2"})
    await cluster.refused("late")


async def test_a_name_used_again_is_another_pod(cluster: Cluster):
    await cluster.node(cpu="1", pods="10")
    for _ in range(5):
        await cluster.pod("web", requests={"cpu": "1"})
        await cluster.bound("web", within=1)
        await cluster.delete("web")


async def test_bound_pods_cannot_be_bound_again(cluster: Cluster):
    await cluster.node()
    await cluster.pod("web")
    await cluster.bound("web")
    target = {"kind": "Binding", "apiVersion": "v1", "metadata": {"name": "web"}, "target": {"name": "n2"}}
    with pytest.raises(ApiError) as refused:
        await cluster.client.create(PODS, target, namespace="default", name="web", subresource="binding")
    assert refused.value.code == 409
