"""The decisions of taint eviction and pod garbage collection, without any I/O."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.controllers.disruption_target import disruption_target
from refimpl.controllers.pod_gc import decisions as garbage
from refimpl.controllers.pod_gc.quarantine import Quarantine
from refimpl.controllers.taint_eviction.decisions import Stay, Verdict, judge, no_execute_taints
from refimpl.controllers.taint_eviction.timers import EvictionTimers


def taint(key, effect="NoExecute", **more):
    return {"key": key, "effect": effect, **more}


def tolerate(key, seconds=None, **more):
    limit = {} if seconds is None else {"tolerationSeconds": seconds}
    return {"key": key, "operator": "Exists", **limit, **more}


FOREVER, AT_ONCE = Verdict(Stay.FOREVER), Verdict(Stay.NOT_AT_ALL)


def for_a_time(seconds):
    return Verdict(Stay.FOR_A_TIME, seconds)


@pytest.mark.parametrize(
    ("taints", "tolerations", "expected"),
    [
        (["a"], [], AT_ONCE),
        (["a"], [tolerate("a")], FOREVER),
        (["a"], [tolerate("a", 20)], for_a_time(20)),
        (["a"], [tolerate("a", 0)], for_a_time(0)),
        (["a"], [tolerate("a", -1)], for_a_time(0)),
        (["a", "b"], [tolerate("a", 20)], AT_ONCE),
        (["a", "b", "c"], [tolerate("a"), tolerate("b", 15), tolerate("c", 40)], for_a_time(15)),
        (["a"], [tolerate("a", 10), tolerate("a", 5)], for_a_time(10)),
        (["a"], [tolerate("a", effect="NoSchedule")], AT_ONCE),
        (["a"], [tolerate("", 7)], for_a_time(7)),
        (["a"], [tolerate("b", 7), tolerate("a")], FOREVER),
    ],
)
def test_every_taint_needs_a_toleration_and_the_shortest_decides(taints, tolerations, expected):
    assert judge([taint(key) for key in taints], tolerations) == expected


def test_only_no_execute_evicts():
    node = {"spec": {"taints": [taint("a", "NoSchedule"), taint("b", "PreferNoSchedule"), taint("c")]}}
    assert no_execute_taints(node) == (taint("c"),)


@given(st.lists(st.sampled_from("ab"), min_size=1), st.lists(st.tuples(st.sampled_from("abc"), st.integers(-1, 9))))
def test_a_longer_list_of_taints_never_gives_more_time(taints, tolerations):
    some = [tolerate(key, seconds) for key, seconds in tolerations]

    def time(keys):
        verdict = judge([taint(key) for key in keys], some)
        return {Stay.FOREVER: float("inf"), Stay.NOT_AT_ALL: -1.0}.get(verdict.stay, verdict.seconds)

    assert time(taints) <= time(taints[:1])


class TestTimers:
    async def test_a_time_ends_once(self, clock):
        fired = []
        timers = EvictionTimers(lambda key: fired.append((key, clock.monotonic())))
        timers.start(("ns", "p"), 20)
        timers.start(("ns", "p"), 5)
        await clock.sleep(100)
        timers.start(("ns", "p"), 0)
        assert fired == [(("ns", "p"), 20)]
        assert not timers.is_running(("ns", "p"))

    async def test_a_cancelled_time_starts_anew(self, clock):
        fired = []
        timers = EvictionTimers(lambda key: fired.append(clock.monotonic()))
        timers.start(("ns", "p"), 20)
        await clock.sleep(15)
        assert timers.cancel(("ns", "p"))
        assert not timers.cancel(("ns", "p"))
        timers.start(("ns", "p"), 20)
        await clock.sleep(100)
        assert fired == [35]


class TestDisruptionTarget:
    def pod(self, *conditions):
        return {"metadata": {"name": "p", "generation": 3}, "status": {"conditions": list(conditions)}}

    def test_it_is_made(self):
        assert disruption_target(self.pod(), "R", "m", "now") == {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "R",
            "message": "m",
            "observedGeneration": 3,
            "lastTransitionTime": "now",
        }

    def test_it_is_not_repeated(self):
        made = disruption_target(self.pod(), "R", "m", "now")
        assert disruption_target(self.pod(made), "R", "m", "later") is None

    def test_another_reason_keeps_the_time_of_the_first(self):
        made = disruption_target(self.pod(), "R", "m", "now")
        assert disruption_target(self.pod(made), "S", "m", "later")["lastTransitionTime"] == "now"


def pod(name, node="", phase="Running", created="2020-01-01T00:00:00Z", terminating=False, **status):
    metadata = {"name": name, "namespace": "ns", "creationTimestamp": created}
    if terminating:
        metadata["deletionTimestamp"] = created
    return {"metadata": metadata, "spec": {"nodeName": node} if node else {}, "status": {"phase": phase, **status}}


def names(pods):
    return [found["metadata"]["name"] for found in pods]


class TestGarbage:
    def test_evicted_and_then_oldest_finished_pods_go_first(self):
        pods = [
            pod("young", phase="Failed", created="2020-01-03T00:00:00Z"),
            pod("old", phase="Succeeded", created="2020-01-01T00:00:00Z"),
            pod("running"),
            pod("evicted", phase="Failed", created="2020-01-04T00:00:00Z", reason="Evicted"),
        ]
        assert names(garbage.surplus_finished(pods, 1)) == ["evicted", "old"]
        assert garbage.surplus_finished(pods, 3) == []
        assert garbage.surplus_finished(pods, 0) == []

    @pytest.mark.parametrize(
        ("ready", "key", "terminating", "expected"),
        [
            ("Unknown", "node.kubernetes.io/out-of-service", True, ["p"]),
            ("False", "node.kubernetes.io/out-of-service", True, ["p"]),
            ("True", "node.kubernetes.io/out-of-service", True, []),
            ("Unknown", "example.com/x", True, []),
            ("Unknown", "node.kubernetes.io/out-of-service", False, []),
        ],
    )
    def test_out_of_service_is_for_terminating_pods_of_nodes_not_ready(self, ready, key, terminating, expected):
        node = {"spec": {"taints": [taint(key)]}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}
        found = garbage.on_out_of_service_nodes([pod("p", "n", terminating=terminating)], {"n": node}.get)
        assert names(found) == expected

    def test_missing_nodes_are_named_once(self):
        pods = [pod("a", "gone"), pod("b", "here"), pod("c"), pod("d", "gone")]
        assert garbage.missing_nodes(pods, lambda name: name == "here") == ["gone"]
        assert names(garbage.orphans(pods, ["gone"])) == ["a", "d"]

    def test_only_unbound_terminating_pods_are_nobodys(self):
        pods = [pod("a", terminating=True), pod("b", "n", terminating=True), pod("c")]
        assert names(garbage.unbound_terminating(pods)) == ["a"]


class TestQuarantine:
    def test_a_name_waits_its_time_however_often_it_is_put(self):
        quarantine = Quarantine(40)
        for now in (0, 20):
            quarantine.put("n", now)
            assert quarantine.release(now) == []
        quarantine.put("n", 40)
        assert quarantine.release(40) == ["n"]

    def test_a_name_still_missing_waits_again_from_the_end_of_its_wait(self):
        quarantine = Quarantine(40)
        quarantine.put("n", 0)
        quarantine.put("n", 40)
        assert quarantine.release(40) == ["n"]
        assert quarantine.release(60) == []
        assert quarantine.release(80) == ["n"]
