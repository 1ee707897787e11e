"""The scheduler's picture of the cluster."""

from __future__ import annotations

import copy

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from refimpl.api.selectors import from_map
from refimpl.scheduler.cache import Cache
from refimpl.scheduler.verdicts import VerdictMemory, judge
from tests.scheduler.objects import node, pod_info, taint


def bound(pod, name):
    return attrs.evolve(pod, node_name=name)


def cache_with(*names: str) -> Cache:
    cache = Cache()
    for name in names:
        cache.set_node(node(name))
    return cache


def requested(cache: Cache, name: str = "n1") -> int:
    found = cache.node(name)
    assert found is not None
    return found.requested.get("cpu", 0)


class TestAssumedPods:
    def test_they_count_at_once(self):
        cache = cache_with("n1")
        cache.assume(pod_info(requests={"cpu": "1"}), "n1")
        assert requested(cache) == 1000

    def test_they_count_once_after_they_were_seen_bound(self):
        cache = cache_with("n1")
        pod = pod_info(requests={"cpu": "1"})
        cache.assume(pod, "n1")
        assert cache.set_pod(bound(pod, "n1")) is None
        assert requested(cache) == 1000
        assert not cache.is_assumed(pod.uid)

    def test_they_move_when_they_are_seen_bound_elsewhere(self):
        cache = cache_with("n1", "n2")
        pod = pod_info(requests={"cpu": "1"})
        cache.assume(pod, "n1")
        assert cache.set_pod(bound(pod, "n2")) == "n1"
        assert (requested(cache, "n1"), requested(cache, "n2")) == (0, 1000)

    def test_forgetting_gives_their_room_back(self):
        cache = cache_with("n1")
        pod = pod_info(requests={"cpu": "1"})
        cache.assume(pod, "n1")
        assert cache.forget(pod.uid) == "n1"
        assert requested(cache) == 0

    def test_a_pod_seen_bound_cannot_be_forgotten(self):
        cache = cache_with("n1")
        pod = pod_info(requests={"cpu": "1"})
        cache.assume(pod, "n1")
        cache.set_pod(bound(pod, "n1"))
        assert cache.forget(pod.uid) is None
        assert requested(cache) == 1000

    def test_a_pod_deleted_before_its_binding_was_answered_is_gone(self):
        cache = cache_with("n1")
        pod = pod_info(requests={"cpu": "1"})
        cache.assume(pod, "n1")
        assert cache.remove_pod(pod.uid) == "n1"
        assert cache.forget(pod.uid) is None
        assert requested(cache) == 0


class TestNodes:
    def test_pods_count_before_their_node_is_there_and_after_it_is_back(self):
        cache = Cache()
        cache.set_pod(bound(pod_info(requests={"cpu": "1"}), "n1"))
        assert cache.node("n1") is None
        cache.set_node(node("n1"))
        assert requested(cache) == 1000
        cache.remove_node("n1")
        assert cache.nodes() == []
        cache.set_node(node("n1"))
        assert requested(cache) == 1000

    def test_a_heartbeat_changes_nothing(self):
        cache = cache_with("n1")
        before = cache.nodes()[0].generation
        beat = copy.deepcopy(node("n1"))
        beat["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
        assert not cache.set_node(beat)
        assert cache.nodes()[0].generation == before

    def test_what_decisions_depend_on_is_a_change(self):
        changes = [
            node("n1", cpu=8, pods=10),
            node("n1", labels={"a": "b"}),
            node("n1", taints=[taint("k")]),
            node("n1", unschedulable=True),
        ]
        for change in changes:
            assert cache_with("n1").set_node(change)

    def test_zones_take_turns(self):
        cache = Cache()
        for name, zone in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("c1", "c"), ("a3", "a")):
            cache.set_node(node(name, labels={"topology.kubernetes.io/zone": zone}))
        assert [info.name for info in cache.nodes()] == ["a1", "b1", "c1", "a2", "a3"]

    def test_status_updates_of_a_bound_pod_leave_its_node_as_it_was(self):
        cache = cache_with("n1")
        pod = bound(pod_info(), "n1")
        cache.set_pod(pod)
        before = cache.nodes()[0].generation
        cache.refresh_pod(pod.uid, {**pod.pod, "status": {"phase": "Running"}})
        cache.set_pod(attrs.evolve(pod))
        assert cache.nodes()[0].generation == before


class SumsAreRight(RuleBasedStateMachine):
    """Whatever happens in whatever order, the kept sums equal the sums over the pods that count."""

    def __init__(self):
        super().__init__()
        self.cache = Cache()
        self.verdicts = VerdictMemory(self.cache)
        self.pods = [
            pod_info(
                requests={"cpu": f"{100 * (number % 3)}m", "memory": str(number)},
                labels={"app": "ab"[number % 2]},
                ports=[{"containerPort": 1, "hostPort": 1000 + number % 2}],
            )
            for number in range(6)
        ]
        self.where: dict[str, str] = {}
        self.assumed: set[str] = set()
        self.nodes: set[str] = set()

    names = st.sampled_from(["n1", "n2", "n3"])
    numbers = st.integers(0, 5)

    @rule(number=numbers, name=names)
    def assume(self, number, name):
        pod = self.pods[number]
        if pod.uid not in self.where:
            self.cache.assume(pod, name)
            self.where[pod.uid] = name
            self.assumed.add(pod.uid)

    @rule(number=numbers)
    def forget(self, number):
        uid = self.pods[number].uid
        freed = self.cache.forget(uid)
        assert freed == (self.where.pop(uid) if uid in self.assumed else None)
        self.assumed.discard(uid)

    @rule(number=numbers, name=names, terminating=st.booleans())
    def see_bound(self, number, name, terminating):
        pod = attrs.evolve(self.pods[number], node_name=name, terminating=terminating)
        self.cache.set_pod(pod)
        self.where[pod.uid] = name
        self.assumed.discard(pod.uid)

    @rule(number=numbers)
    def see_gone(self, number):
        uid = self.pods[number].uid
        assert self.cache.remove_pod(uid) == self.where.pop(uid, None)
        self.assumed.discard(uid)

    @rule(name=names)
    def set_node(self, name):
        self.cache.set_node(node(name))
        self.nodes.add(name)

    @rule(name=names)
    def remove_node(self, name):
        if name in self.nodes:
            self.cache.remove_node(name)
            self.nodes.discard(name)

    @invariant()
    def nodes_are_known(self):
        assert {info.name for info in self.cache.nodes()} == self.nodes

    @invariant()
    def sums_equal_what_is_there(self):
        by_uid = {pod.uid: pod for pod in self.pods}
        for info in self.cache.nodes():
            here = [by_uid[uid] for uid, name in self.where.items() if name == info.name]
            assert set(info.pods) == {pod.uid for pod in here}
            for name in ("cpu", "memory"):
                assert info.requested.get(name, 0) == sum(pod.asks.requests.get(name, 0) for pod in here)
            assert info.non_zero_cpu == sum(pod.asks.non_zero_cpu for pod in here)
            assert len(info.host_ports) == len(here)

    @invariant()
    def columns_equal_what_is_found_anew(self):
        for value in "ab":
            selector = from_map({"app": value})
            found = self.cache.index.counts(("default",), selector.matches, terminating=False)
            names = self.cache.order().names
            assert self.cache.counts("default", selector) == [found.get(name, 0) for name in names]
        for pod in self.pods[:2]:
            verdicts = self.verdicts.on(pod)
            for place, info in enumerate(self.cache.nodes()):
                assert verdicts.rejection(pod, place) == judge(pod, info).rejection
            assert verdicts.resources == [judge(pod, info).resources for info in self.cache.nodes()]

    @invariant()
    def counts_by_label_equal_what_is_there(self):
        by_uid = {pod.uid: pod for pod in self.pods}
        expected: dict[str, int] = {}
        for uid, name in self.where.items():
            if by_uid[uid].labels["app"] == "a":
                expected[name] = expected.get(name, 0) + 1
        counted = self.cache.index.counts(["default"], lambda labels: labels["app"] == "a", terminating=True)
        assert counted == expected


SumsAreRight.TestCase.settings = settings(deadline=None, max_examples=60)
TestSumsAreRight = SumsAreRight.TestCase
