"""One scheduling cycle."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.api.resources import REPLICASETS, SERVICES
from refimpl.scheduler.config import SchedulerConfig, feasible_nodes_to_find
from tests.scheduler.objects import node, parser, pod, pod_info, taint
from tests.scheduler.world import World


def test_without_nodes_there_is_nothing_to_choose_from():
    assert World().diagnose(pod_info()).message == "no nodes available to schedule pods"


def test_the_message_counts_the_nodes_of_each_reason():
    world = World(
        node("full", cpu=1, pods=10),
        node("tainted", taints=[taint("k")]),
        node("cordoned", unschedulable=True),
        node("small", cpu=1, memory=1, pods=10),
    )
    diagnosis = world.diagnose(pod_info(requests={"cpu": "2", "memory": "1Gi"}))
    assert diagnosis.message == (
        "0/4 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable, "
        "2 Insufficient cpu, 2 Insufficient memory."
    )


def test_the_least_used_node_is_chosen():
    world = World(node("n1"), node("n2"), node("n3"))
    world.put("n1", pod_info(requests={"cpu": "1", "memory": "2Gi"}))
    world.put("n3", pod_info(requests={"cpu": "1", "memory": "2Gi"}))
    assert world.schedule(pod_info()) == "n2"


def test_equal_nodes_get_their_turn():
    world = World(*(node(f"n{number}", pods=1000) for number in range(5)))
    chosen = [world.schedule(pod_info()) for _ in range(100)]
    assert len(set(chosen)) == 5


def test_one_seed_gives_one_choice():
    def choices(seed: int) -> list[str]:
        world = World(*(node(f"n{number}") for number in range(20)), seed=seed)
        return world.schedule_all(pod_info() for _ in range(40))

    assert choices(1) == choices(1)
    assert choices(1) != choices(2)


def test_a_soft_taint_is_avoided_while_there_is_choice():
    world = World(node("n1", taints=[taint("k", "PreferNoSchedule")]), node("n2"))
    assert {world.schedule(pod_info()) for _ in range(20)} == {"n2"}
    world.cache.remove_node("n2")
    assert world.schedule(pod_info()) == "n1"


def test_a_preferred_node_is_chosen():
    preference = {
        "weight": 1,
        "preference": {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]},
    }
    wanted = pod_info(affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preference]}})
    world = World(node("n1"), node("n2", labels={"disk": "ssd"}), node("n3"))
    assert {world.schedule(wanted) for _ in range(20)} == {"n2"}


def test_a_pod_that_names_its_nodes_asks_no_other():
    field = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]}
    selector = {"nodeSelectorTerms": [field]}
    daemon = pod_info(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}})
    world = World(node("n1"), node("n2"), node("n3"))
    assert world.schedule(daemon) == "n2"
    world.cache.set_node(node("n2", cpu=4, pods=0))
    assert world.diagnose(daemon).message == (
        "0/3 nodes are available: 1 Too many pods, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]."
    )
    world.cache.remove_node("n2")
    assert world.schedule(daemon) == ""


def test_the_room_made_for_a_pod_is_kept_from_others_that_are_not_more_important():
    world = World(node("n1", cpu=1, pods=10))
    world.nominator.set(pod_info(requests={"cpu": "1"}, priority=5), "n1")
    assert world.schedule(pod_info(requests={"cpu": "1"}, priority=5)) == ""
    assert world.schedule(pod_info(requests={"cpu": "1"}, priority=6)) == "n1"


def test_a_pod_goes_where_room_was_made_for_it():
    world = World(*(node(f"n{number}") for number in range(5)))
    wanted = pod_info(requests={"cpu": "1"}, priority=5)
    world.nominator.set(wanted, "n3")
    world.put("n3", pod_info(requests={"cpu": "3"}))
    assert world.schedule(wanted) == "n3"


@pytest.mark.parametrize(
    ("percentage", "nodes", "enough"),
    [
        (0, 99, 99),
        (0, 100, 100),
        (0, 200, 100),
        (0, 1000, 420),
        (0, 5000, 500),
        (0, 100_000, 5000),
        (10, 5000, 500),
        (1, 5000, 100),
        (100, 1000, 1000),
    ],
)
def test_large_clusters_are_not_searched_whole(percentage, nodes, enough):
    assert feasible_nodes_to_find(SchedulerConfig(percentage_of_nodes_to_score=percentage), nodes) == enough


def test_a_search_begins_where_the_one_before_stopped():
    names = [f"n{number:03}" for number in range(300)]
    world = World(*(node(name) for name in names), percentage_of_nodes_to_score=1)
    seen = {world.schedule(pod_info()) for _ in range(3000)}
    assert len(seen) > 290


def test_a_remembered_verdict_ends_with_the_node_it_was_about():
    world = World(node("n1", cpu=1, pods=10))
    assert world.schedule(pod_info(requests={"cpu": "1"})) == "n1"
    world.put("n1", pod_info(requests={"cpu": "500m"}))
    assert world.schedule(pod_info(requests={"cpu": "1"})) == ""
    world.cache.set_node(node("n1", cpu=2, pods=10))
    assert world.schedule(pod_info(requests={"cpu": "1"})) == "n1"


def replica(owner: str, **kwargs):
    made = pod(labels={"app": owner}, **kwargs)
    made["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": f"uid-{owner}", "controller": True}
    ]
    return parser.parse(made)


def replica_set(name: str):
    return {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "spec": {"selector": {"matchLabels": {"app": name}}},
    }


def zoned(name: str, zone: str):
    return node(name, labels={"topology.kubernetes.io/zone": zone})


class TestSpreading:
    def test_replicas_are_spread_over_nodes(self):
        world = World(*(node(f"n{number}") for number in range(4)))
        world.know(REPLICASETS, replica_set("web"))
        # A node that is emptier than the others draws everything that is not spread.
        for number in range(1, 4):
            world.put(f"n{number}", pod_info(requests={"cpu": "500m", "memory": "1Gi"}))
        placed = world.schedule_all(replica("web") for _ in range(4))
        assert sorted(placed) == ["n0", "n1", "n2", "n3"]

    def test_replicas_are_spread_over_zones(self):
        world = World(zoned("a1", "a"), zoned("a2", "a"), zoned("a3", "a"), zoned("b1", "b"))
        world.know(REPLICASETS, replica_set("web"))
        placed = world.schedule_all(replica("web") for _ in range(2))
        assert {name[0] for name in placed} == {"a", "b"}

    def test_pods_of_a_service_are_spread(self):
        world = World(node("n1"), node("n2"))
        service = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"selector": {"tier": "front"}}}
        world.know(SERVICES, service)
        world.put("n1", pod_info(labels={"tier": "front"}))
        world.put("n2", pod_info(labels={"tier": "back"}, requests={"cpu": "100m", "memory": "200Mi"}))
        assert {world.schedule(pod_info(labels={"tier": "front"})) for _ in range(10)} == {"n2"}

    def test_terminating_replicas_do_not_count(self):
        world = World(node("n1"), node("n2"))
        world.know(REPLICASETS, replica_set("web"))
        leaving = pod(labels={"app": "web"}, nodeName="n1")
        leaving["metadata"]["deletionTimestamp"] = "2018-07-02T02:11:27Z"
        world.put("n1", parser.parse(leaving))
        world.put("n2", pod_info(labels={"app": "web"}))
        assert {world.schedule(replica("web")) for _ in range(10)} == {"n1"}


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=40),
)
def test_no_node_is_ever_filled_beyond_what_it_offers(capacities, arrivals):
    """Whatever comes, and however long its binding stays unanswered."""
    world = World(
        *(node(f"n{number}", **{"example.com/unit": size, "pods": 100}) for number, size in enumerate(capacities))
    )
    for size, confirmed in arrivals:
        wanted = pod_info(requests={"example.com/unit": str(size)})
        name = world.schedule(wanted)
        fits = [
            info
            for info in world.cache.nodes()
            if info.allocatable["example.com/unit"] - info.requested.get("example.com/unit", 0) >= size
        ]
        assert bool(name) is bool(fits)
        if name:
            world.cache.assume(wanted, name)
            if confirmed:
                world.put(name, wanted)
        for info in world.cache.nodes():
            assert info.requested.get("example.com/unit", 0) <= info.allocatable["example.com/unit"]
