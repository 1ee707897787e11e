"""What counts as a heartbeat, and what the master writes about a node that has none (M-REG, M-HB, M-NR)."""

import pytest

from refimpl.api import meta
from refimpl.api.resources import EVENTS, LEASES, NODES
from refimpl.clock import Clock, run, virtual_loop
from refimpl.controllers.node_lifecycle import NodeLifecycleConfig, NodeLifecycleController
from tests.controllers.node_cluster import LEASE_NAMESPACE, NodeCluster, node_cluster

CONFIG = NodeLifecycleConfig()
P, G, S = CONFIG.node_monitor_period, CONFIG.node_monitor_grace_period, CONFIG.node_startup_grace_period
SLACK = 1.0


@pytest.fixture
async def cluster(clock: Clock):
    async with node_cluster(clock, NodeLifecycleController) as running:
        await running.add_node("keeper")
        running.keep("keeper")
        yield running


async def conditions(cluster: NodeCluster, name: str) -> dict[str, dict]:
    return {condition["type"]: condition for condition in meta.conditions(await cluster.node(name))}


async def test_a_silent_node_becomes_unknown_within_the_window(cluster):
    await cluster.add_node("victim")
    await cluster.clock.sleep(2)
    await cluster.beat("victim")
    beat = cluster.clock.monotonic()
    flip = await cluster.until_ready_is("victim", "Unknown")
    assert beat + G < flip <= beat + G + 2 * P + SLACK


async def test_a_node_whose_last_beat_was_a_status_lives_one_pass_longer_if_it_has_a_lease(cluster):
    await cluster.add_node("victim")
    for _ in range(3):
        await cluster.clock.sleep(10)
        await cluster.renew("victim")
    await cluster.clock.sleep(11)
    await cluster.beat("victim")
    beat = cluster.clock.monotonic()
    flip = await cluster.until_ready_is("victim", "Unknown")
    assert beat + G + P < flip <= beat + G + 3 * P + SLACK


async def test_leases_alone_keep_a_node_ready(cluster):
    await cluster.add_node("node")
    for _ in range(15):
        await cluster.renew("node")
        await cluster.clock.sleep(10)
    assert await cluster.ready("node") == "True"


async def test_statuses_alone_keep_a_node_ready(cluster):
    await cluster.clock.sleep(3 * G)
    assert await cluster.ready("keeper") == "True"


async def test_posted_times_are_not_believed(cluster):
    old = "2001-01-01T00:00:00Z"
    body = {"metadata": {"name": "victim"}, "status": {"conditions": [cluster.condition("Ready", "True")]}}
    body["status"]["conditions"][0]["lastHeartbeatTime"] = old
    await cluster.client.create(NODES, body)
    await cluster.clock.sleep(G - 1)
    assert await cluster.ready("victim") == "True"
    await cluster.until_ready_is("victim", "Unknown", within=2 * P + 1 + SLACK)


@pytest.mark.parametrize("skew", [-7200.0, 7200.0])
async def test_a_skewed_clock_is_fine_while_it_advances(cluster, skew):
    await cluster.add_node("node")
    for _ in range(15):
        await cluster.renew("node", skew=skew)
        await cluster.clock.sleep(10)
    assert await cluster.ready("node") == "True"


async def test_a_lease_renewed_far_in_the_future_does_not_help_a_node_that_fell_silent(cluster):
    await cluster.add_node("victim")
    await cluster.renew("victim", skew=7200)
    await cluster.until_ready_is("victim", "Unknown", within=G + 3 * P + SLACK)


async def test_heartbeats_of_other_conditions_do_not_count(cluster):
    await cluster.add_node("victim")
    for _ in range(8):
        await cluster.clock.sleep(10)
        await cluster.beat("victim", "False", kind="MemoryPressure")
    assert await cluster.ready("victim") == "Unknown"


async def test_a_lease_that_changes_without_being_renewed_does_not_count(cluster):
    await cluster.add_node("victim")
    await cluster.renew("victim")
    for turn in range(8):
        await cluster.clock.sleep(10)
        labels = {"metadata": {"labels": {"turn": str(turn)}}}
        await cluster.client.patch(LEASES, "victim", labels, namespace=LEASE_NAMESPACE)
    assert await cluster.ready("victim") == "Unknown"


async def test_duration_and_holder_of_a_lease_mean_nothing(cluster):
    await cluster.add_node("short")
    await cluster.add_node("long")
    await cluster.renew("long", leaseDurationSeconds=3600)
    for _ in range(8):
        await cluster.renew("short", leaseDurationSeconds=1, holderIdentity="somebody-else")
        await cluster.clock.sleep(10)
    assert (await cluster.ready("short"), await cluster.ready("long")) == ("True", "Unknown")


async def test_a_lease_elsewhere_does_not_count_and_makes_no_node(cluster):
    await cluster.add_node("victim")
    for _ in range(8):
        await cluster.renew("victim", namespace="default")
        await cluster.renew("nobody")
        await cluster.clock.sleep(10)
    assert await cluster.ready("victim") == "Unknown"
    assert not await cluster.exists(NODES, "nobody")


async def test_leases_never_bring_ready_back(cluster):
    await cluster.add_node("victim")
    await cluster.until_ready_is("victim", "Unknown")
    for _ in range(6):
        await cluster.renew("victim")
        await cluster.clock.sleep(5)
    assert await cluster.ready("victim") == "Unknown"


async def test_a_lease_first_seen_without_renewal_never_counts_again(cluster):
    await cluster.add_node("victim")
    await cluster.client.create(LEASES, {"metadata": {"name": "victim", "namespace": LEASE_NAMESPACE}, "spec": {}})
    await cluster.clock.sleep(P + 1)
    for _ in range(8):
        await cluster.renew("victim")
        await cluster.clock.sleep(10)
    assert await cluster.ready("victim") == "Unknown"


@pytest.mark.parametrize("status", ["True", "False"])
async def test_the_transition_writes_four_conditions_and_nothing_else(cluster, status):
    node = await cluster.add_node("victim", ready=status)
    extra = [cluster.condition("NetworkUnavailable", "False"), cluster.condition("example.com/Foo", "True")]
    await cluster.client.patch(NODES, "victim", {"status": {"conditions": extra}}, subresource="status")
    before = await conditions(cluster, "victim")
    flip = await cluster.until_ready_is("victim", "Unknown")
    after = await conditions(cluster, "victim")
    for kind in ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure"):
        assert after[kind]["status"] == "Unknown"
        assert after[kind]["reason"] == "NodeStatusUnknown"
        assert after[kind]["message"] == "Kubelet stopped posting node status."
        assert after[kind]["lastHeartbeatTime"] == before[kind]["lastHeartbeatTime"]
        assert abs(cluster.seconds(after[kind]["lastTransitionTime"]) - flip) <= 1.0
    for kind in ("NetworkUnavailable", "example.com/Foo"):
        assert after[kind] == before[kind]
    assert meta.uid(await cluster.node("victim")) == meta.uid(node)


async def test_missing_pressures_are_added_and_unknown_ones_kept_at_the_transition(cluster):
    node = await cluster.add_node("victim", ready=None)
    kept = cluster.condition("MemoryPressure", "Unknown", reason="X")
    posted = {"status": {"conditions": [cluster.condition("Ready", "True"), kept]}}
    await cluster.client.patch(NODES, "victim", posted, subresource="status")
    before = await conditions(cluster, "victim")
    await cluster.until_ready_is("victim", "Unknown")
    after = await conditions(cluster, "victim")
    assert after["MemoryPressure"] == before["MemoryPressure"]
    assert after["DiskPressure"]["reason"] == "NodeStatusNeverUpdated"
    assert after["DiskPressure"]["lastHeartbeatTime"] == node["metadata"]["creationTimestamp"]


async def test_a_node_that_never_posted_is_given_up_after_the_startup_grace(cluster):
    node = await cluster.add_node("victim", ready=None)
    start = cluster.clock.monotonic()
    await cluster.clock.sleep(S - 1)
    assert meta.conditions(await cluster.node("victim")) == ()
    flip = await cluster.until_ready_is("victim", "Unknown")
    assert start + S < flip <= start + S + P + SLACK
    found = await conditions(cluster, "victim")
    assert list(found) == ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"]
    for condition in found.values():
        assert condition["reason"] == "NodeStatusNeverUpdated"
        assert condition["message"] == "Kubelet never posted node status."
        assert condition["lastHeartbeatTime"] == node["metadata"]["creationTimestamp"]


async def test_a_node_that_only_renews_its_lease_is_left_alone(cluster):
    await cluster.add_node("node", ready=None)
    for _ in range(15):
        await cluster.renew("node")
        await cluster.clock.sleep(10)
    assert meta.conditions(await cluster.node("node")) == ()


async def test_a_name_used_again_inherits_the_old_silence(cluster):
    await cluster.add_node("victim")
    await cluster.clock.sleep(S + 2 * P)
    await cluster.client.delete(NODES, "victim")
    await cluster.clock.sleep(2 * P)
    await cluster.add_node("victim", ready=None)
    await cluster.until_ready_is("victim", "Unknown", within=P + SLACK)


async def test_the_transition_is_written_once(cluster):
    await cluster.add_node("victim")
    await cluster.until_tainted("victim", ("unreachable", "NoExecute"))
    await cluster.clock.sleep(1)
    version = (await cluster.node("victim"))["metadata"]["resourceVersion"]
    await cluster.clock.sleep(5 * P)
    assert (await cluster.node("victim"))["metadata"]["resourceVersion"] == version
    assert (await cluster.reasons("victim")).count("NodeNotReady") == 1


async def test_recovery_is_kept_and_repeats_alike(cluster):
    await cluster.add_node("victim")
    for _ in range(3):
        beat = cluster.clock.monotonic()
        flip = await cluster.until_ready_is("victim", "Unknown")
        assert beat + G < flip <= beat + G + 2 * P + SLACK
        await cluster.beat("victim")
        await cluster.clock.sleep(P + SLACK)
        assert await cluster.ready("victim") == "True"
        assert await cluster.taints("victim") == set()
        await cluster.beat("victim")


async def test_ready_posted_again_with_the_old_heartbeat_is_flipped_back(cluster):
    await cluster.add_node("victim")
    old = (await conditions(cluster, "victim"))["Ready"]["lastHeartbeatTime"]
    await cluster.until_ready_is("victim", "Unknown")
    await cluster.beat("victim", lastHeartbeatTime=old)
    assert await cluster.ready("victim") == "True"
    await cluster.until_ready_is("victim", "Unknown", within=P + SLACK)


async def test_nodes_are_registered_and_removed_with_events(cluster):
    await cluster.add_node("node")
    await cluster.clock.sleep(P + SLACK)
    (event,) = await cluster.events("node")
    assert (event["reason"], event["message"]) == (
        "RegisteredNode",
        "Node node event: Registered Node node in Controller",
    )
    assert event["source"]["component"] == "node-controller"
    assert event["metadata"]["namespace"] == "default"
    await cluster.client.delete(NODES, "node")
    await cluster.clock.sleep(P + SLACK)
    assert await cluster.reasons("node") == ["RegisteredNode", "RemovingNode"]


async def test_no_event_when_the_node_itself_says_not_ready(cluster):
    await cluster.add_node("node")
    await cluster.clock.sleep(P)
    await cluster.beat("node", "False")
    await cluster.clock.sleep(3 * P)
    assert await cluster.reasons("node") == ["RegisteredNode"]


async def test_foreign_parts_of_a_node_survive_a_full_cycle(cluster):
    taint = {"key": "example.com/mine", "effect": "NoSchedule", "value": "v"}
    await cluster.add_node("victim", labels={"mine": "yes"}, taints=[taint], unschedulable=True)
    more = {"metadata": {"annotations": {"mine": "too"}}}
    await cluster.client.patch(NODES, "victim", more)
    status = {"status": {"capacity": {"cpu": "4"}, "nodeInfo": {"kubeletVersion": "v1.36.0"}}}
    await cluster.client.patch(NODES, "victim", status, subresource="status")
    before = await cluster.node("victim")
    await cluster.until_tainted("victim", ("unreachable", "NoExecute"))
    await cluster.beat("victim")
    await cluster.clock.sleep(2 * P)
    after = await cluster.node("victim")
    for part in ("labels", "annotations"):
        assert after["metadata"][part] == before["metadata"][part]
    assert taint in after["spec"]["taints"]
    assert after["spec"]["unschedulable"]
    for part in ("capacity", "allocatable", "nodeInfo"):
        assert after["status"].get(part) == before["status"].get(part)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"kubernetes.io/os": "linux"}, {"beta.kubernetes.io/os": "linux"}),
        ({"kubernetes.io/arch": "arm64", "beta.kubernetes.io/arch": "x"}, {"beta.kubernetes.io/arch": "arm64"}),
        ({"beta.kubernetes.io/os": "linux"}, {"beta.kubernetes.io/os": "linux"}),
    ],
)
async def test_beta_labels_follow_the_stable_ones(cluster, labels, expected):
    await cluster.add_node("node", labels=labels)
    await cluster.clock.sleep(1)
    assert (await cluster.node("node"))["metadata"]["labels"] == {**labels, **expected}


def test_one_seed_gives_one_history():
    async def history() -> list:
        clock = Clock.virtual(seed=3)
        async with node_cluster(clock, NodeLifecycleController) as cluster:
            for turn in range(20):
                await cluster.add_node(f"n{turn}", zone=f"z{turn % 3}")
                await cluster.add_pod(f"p{turn}", f"n{turn}")
            cluster.keep(*[f"n{turn}" for turn in range(10)])
            await clock.sleep(120)
            nodes = (await cluster.client.list(NODES))["items"]
            events = (await cluster.client.list(EVENTS))["items"]
            return [cluster.requests, nodes, events]

    first, second = (run(history(), loop_factory=virtual_loop) for _ in range(2))
    assert first == second
