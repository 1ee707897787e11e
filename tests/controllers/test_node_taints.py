"""Conditions become taints, NoExecute by zone and rate; pods of silent nodes lose their readiness."""

import asyncio

import pytest

from refimpl.api import meta
from refimpl.api.resources import NODES, PODS
from refimpl.clock import Clock
from refimpl.controllers.node_lifecycle import NodeLifecycleConfig, NodeLifecycleController
from tests.controllers.node_cluster import node_cluster

CONFIG = NodeLifecycleConfig()
P, G = CONFIG.node_monitor_period, CONFIG.node_monitor_grace_period
TICK = 0.2
NOT_READY, UNREACHABLE = ("not-ready", "NoExecute"), ("unreachable", "NoExecute")


@pytest.fixture
async def cluster(clock: Clock):
    async with node_cluster(clock, NodeLifecycleController) as running:
        await running.add_node("keeper")
        running.keep("keeper")
        yield running


@pytest.mark.parametrize(
    ("kind", "status", "taint"),
    [
        ("Ready", "False", "not-ready"),
        ("Ready", "Unknown", "unreachable"),
        ("MemoryPressure", "True", "memory-pressure"),
        ("DiskPressure", "True", "disk-pressure"),
        ("PIDPressure", "True", "pid-pressure"),
        ("NetworkUnavailable", "True", "network-unavailable"),
    ],
)
async def test_a_condition_brings_its_taint_within_a_second_and_takes_it_away(cluster, kind, status, taint):
    await cluster.add_node("node")
    await cluster.clock.sleep(1)
    assert await cluster.taints("node") == set()
    await cluster.beat("node", status, kind=kind)
    await cluster.clock.sleep(1)
    assert (taint, "NoSchedule") in await cluster.taints("node")
    assert await cluster.time_added("node", "NoSchedule") is not None
    await cluster.beat("node", "True" if kind == "Ready" else "False", kind=kind)
    await cluster.clock.sleep(1)
    assert (taint, "NoSchedule") not in await cluster.taints("node")


async def test_cordon_taints_and_uncordon_does_not(cluster):
    await cluster.add_node("node", unschedulable=True)
    await cluster.clock.sleep(1)
    assert await cluster.taints("node") == {("unschedulable", "NoSchedule")}
    await cluster.client.patch(NODES, "node", {"spec": {"unschedulable": None}}, kind="merge")
    await cluster.clock.sleep(1)
    assert await cluster.taints("node") == set()


async def test_the_taint_of_admission_goes_when_there_is_no_condition(cluster):
    await cluster.add_node("node", ready=None)
    await cluster.clock.sleep(1)
    assert await cluster.taints("node") == set()


async def test_a_silent_node_keeps_only_unreachable(cluster):
    await cluster.add_node("victim")
    await cluster.beat("victim", "True", kind="MemoryPressure")
    await cluster.until_ready_is("victim", "Unknown")
    await cluster.clock.sleep(1)
    assert await cluster.taints("victim") == {("unreachable", "NoSchedule"), UNREACHABLE}


async def test_no_execute_follows_in_the_same_pass(cluster):
    await cluster.add_node("victim")
    flip = await cluster.until_ready_is("victim", "Unknown")
    assert await cluster.until_tainted("victim", UNREACHABLE) <= flip + TICK + 0.5


async def test_the_times_of_taints_stay_while_the_state_lasts(cluster):
    await cluster.add_node("victim")
    await cluster.until_tainted("victim", UNREACHABLE)
    await cluster.clock.sleep(1)
    before = [await cluster.time_added("victim", effect) for effect in ("NoSchedule", "NoExecute")]
    await cluster.clock.sleep(60)
    assert [await cluster.time_added("victim", effect) for effect in ("NoSchedule", "NoExecute")] == before


async def test_not_ready_and_unreachable_are_swapped_without_a_gap(cluster):
    await cluster.add_node("node")
    await cluster.clock.sleep(P)
    await cluster.beat("node", "False")
    await cluster.until_tainted("node", NOT_READY, within=P + 1)
    seen = []
    watch = cluster.client.watch(NODES, field_selector="metadata.name=node")

    async def follow():
        async for event in watch:
            found = event.object["spec"].get("taints") or ()
            seen.append({taint["key"] for taint in found if taint["effect"] == "NoExecute"})

    following = asyncio.create_task(follow())
    await cluster.until_tainted("node", UNREACHABLE, within=G + 3 * P)
    await cluster.clock.sleep(1)
    following.cancel()
    assert all(seen)
    assert await cluster.taints("node") == {("unreachable", "NoSchedule"), UNREACHABLE}


async def test_recovery_takes_all_controller_taints_and_no_other(cluster):
    mine = {"key": "example.com/mine", "effect": "NoExecute"}
    await cluster.add_node("victim", taints=[mine])
    await cluster.until_tainted("victim", UNREACHABLE)
    await cluster.beat("victim")
    await cluster.clock.sleep(1)
    assert ("unreachable", "NoSchedule") not in await cluster.taints("victim")
    await cluster.clock.sleep(P)
    assert await cluster.taints("victim") == {("example.com/mine", "NoExecute")}


async def test_controller_taints_put_by_hand_are_taken_off(cluster):
    await cluster.clock.sleep(1)
    prefix = "node.kubernetes.io/"
    await cluster.set_taints(
        "keeper",
        (prefix + "unreachable", "NoExecute"),
        (prefix + "memory-pressure", "NoSchedule"),
        (prefix + "not-ready", "PreferNoSchedule"),
        ("example.com/t", "NoExecute"),
    )
    await cluster.clock.sleep(2 * P)
    assert await cluster.taints("keeper") == {("not-ready", "PreferNoSchedule"), ("example.com/t", "NoExecute")}


async def test_controller_taints_taken_off_by_hand_come_back(cluster):
    await cluster.add_node("victim")
    await cluster.until_tainted("victim", UNREACHABLE)
    await cluster.clock.sleep(30)
    await cluster.set_taints("victim")
    await cluster.clock.sleep(1)
    assert await cluster.taints("victim") >= {("unreachable", "NoSchedule")}
    await cluster.until_tainted("victim", UNREACHABLE, within=P + 1)


async def zone(cluster, name: str, victims: int, keepers: int, **labels: str) -> list[str]:
    for turn in range(keepers):
        await cluster.add_node(f"{name}-k{turn}", zone=name)
        cluster.keep(f"{name}-k{turn}")
    names = [f"{name}-v{turn}" for turn in range(victims)]
    for victim in names:
        await cluster.add_node(victim, zone=name, labels=labels)
    return names


async def tainted(cluster, names) -> int:
    return sum([UNREACHABLE in await cluster.taints(name) for name in names])


async def test_a_normal_zone_taints_one_node_each_ten_seconds(cluster):
    names = await zone(cluster, "z", victims=2, keepers=2)
    other = await zone(cluster, "y", victims=1, keepers=1)
    first = await cluster.until_tainted(names[0], UNREACHABLE)
    assert await cluster.until_tainted(other[0], UNREACHABLE) <= first + TICK
    second = await cluster.until_tainted(names[1], UNREACHABLE)
    assert 10 - TICK <= second - first <= 10 + 2 * TICK


async def test_the_transition_itself_is_never_limited(cluster):
    names = await zone(cluster, "z", victims=6, keepers=1)
    await cluster.until_ready_is(names[0], "Unknown")
    await cluster.clock.sleep(0.5)
    for name in names:
        assert await cluster.ready(name) == "Unknown"
        assert ("unreachable", "NoSchedule") in await cluster.taints(name)


async def test_a_small_zone_that_is_mostly_down_gets_no_more_taints_until_it_is_better(cluster):
    names = await zone(cluster, "z", victims=3, keepers=1)
    await cluster.until_ready_is(names[0], "Unknown")
    await cluster.clock.sleep(60)
    assert await tainted(cluster, names) <= 1
    cluster.keep(names[2])
    await cluster.clock.sleep(P + 2 * 10 + 2)
    assert await tainted(cluster, names) == 2


async def test_a_zone_that_is_down_entirely_is_tainted_at_the_normal_rate(cluster):
    names = await zone(cluster, "z", victims=4, keepers=0)
    start = await cluster.until_ready_is(names[0], "Unknown")
    await cluster.until_tainted(names[3], UNREACHABLE)
    assert 30 - TICK <= cluster.clock.monotonic() - start <= 31
    assert await tainted(cluster, names) == 4


async def test_excluded_nodes_do_not_count_but_are_tainted(cluster):
    excluded = {"node.kubernetes.io/exclude-disruption": "true"}
    names = await zone(cluster, "z", victims=2, keepers=1, **excluded) + ["z-plain"]
    await cluster.add_node("z-plain", zone="z")
    await cluster.until_ready_is(names[0], "Unknown")
    await cluster.clock.sleep(21)
    assert await tainted(cluster, names) == 3


async def test_in_a_zone_of_excluded_nodes_only_taints_are_written_anew_with_every_pass(cluster):
    excluded = {"node.kubernetes.io/exclude-disruption": "true"}
    await zone(cluster, "z", victims=1, keepers=0, **excluded)
    await cluster.until_tainted("z-v0", UNREACHABLE)
    before = await cluster.time_added("z-v0")
    await cluster.clock.sleep(2 * P)
    assert await cluster.time_added("z-v0") > before


class TestNobodyReady:
    @pytest.fixture
    async def lonely(self, clock: Clock):
        async with node_cluster(clock, NodeLifecycleController) as running:
            for name in ("n0", "n1", "n2"):
                await running.add_node(name)
            yield running

    async def test_evictions_stop_and_their_taints_go(self, lonely):
        lonely.keep("n1", "n2")
        await lonely.until_tainted("n0", UNREACHABLE)
        lonely.silence("n1", "n2")
        await lonely.until_ready_is("n2", "Unknown")
        await lonely.clock.sleep(60)
        for name in ("n0", "n1", "n2"):
            assert await lonely.taints(name) == {("unreachable", "NoSchedule")}

    async def test_leaving_renews_everybodys_grace_and_resumes(self, lonely):
        await lonely.until_ready_is("n0", "Unknown")
        await lonely.clock.sleep(60)
        lonely.keep("n0")
        await lonely.clock.sleep(P + 1)
        await lonely.beat("n1")
        back = lonely.clock.monotonic()
        assert await lonely.until_ready_is("n1", "Unknown") > back + G - P
        await lonely.until_tainted("n1", UNREACHABLE, within=30)
        await lonely.until_tainted("n2", UNREACHABLE, within=30)


class TestPodsOfASilentNode:
    async def test_only_the_ready_condition_of_its_own_pods_changes(self, cluster):
        await cluster.add_node("victim")
        await cluster.add_node("sick")
        await cluster.add_pod("a", "victim")
        await cluster.add_pod("b", "keeper")
        await cluster.add_pod("c", "victim", ready=None)
        await cluster.add_pod("d", "sick")
        await cluster.beat("sick", "False")
        before = {name: await cluster.pod(name) for name in "abcd"}
        flip = await cluster.until_ready_is("victim", "Unknown")
        await cluster.clock.sleep(1)
        after = {name: await cluster.pod(name) for name in "abcd"}
        for name in "bcd":
            assert after[name]["metadata"]["resourceVersion"] == before[name]["metadata"]["resourceVersion"]
        changed = meta.condition(after["a"], "Ready")
        assert (changed["status"], changed["reason"], changed["message"]) == ("False", "Kept", "kept")
        assert abs(cluster.seconds(changed["lastTransitionTime"]) - flip) <= 1
        assert meta.condition_status(after["a"], "ContainersReady") == "True"
        assert after["a"]["status"]["phase"] == "Running"
        assert await cluster.reasons("a") == ["NodeNotReady"]

    async def test_recovery_leaves_them_not_ready(self, cluster):
        await cluster.add_node("victim")
        await cluster.add_pod("a", "victim")
        await cluster.until_ready_is("victim", "Unknown")
        cluster.keep("victim")
        await cluster.clock.sleep(3 * P)
        assert meta.condition_status(await cluster.pod("a"), "Ready") == "False"

    async def test_a_ready_pod_bound_to_a_node_not_ready_is_marked_once(self, cluster):
        await cluster.add_node("victim")
        await cluster.until_ready_is("victim", "Unknown")
        await cluster.clock.sleep(1)
        await cluster.add_pod("a", "victim", ready=None)
        await cluster.clock.sleep(1)
        ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        await cluster.client.patch(PODS, "a", ready, namespace="default", subresource="status")
        await cluster.clock.sleep(2 * P)
        assert meta.condition_status(await cluster.pod("a"), "Ready") == "True"


async def test_a_thousand_quiet_nodes_cost_no_requests(clock: Clock):
    async with node_cluster(clock, NodeLifecycleController) as cluster:
        names = [f"n{number}" for number in range(1000)]
        for name in names:
            await cluster.add_node(name, zone=f"z{int(name[1:]) % 3}")
        await cluster.clock.sleep(2 * P)
        cluster.requests.clear()
        for _ in range(3):
            for name in names:
                await cluster.renew(name)
            await cluster.clock.sleep(10)
        assert cluster.requests == []
