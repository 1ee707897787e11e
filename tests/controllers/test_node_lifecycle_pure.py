"""The decisions of the node lifecycle controller, without any I/O."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api import meta
from refimpl.api.taints import has_taint
from refimpl.clock import format_micro_time, format_time
from refimpl.controllers.node_lifecycle import NodeLifecycleConfig, disruption, health, labels, taints, writer, zones
from refimpl.controllers.node_lifecycle.health import Health, assess
from refimpl.controllers.node_lifecycle.queue import RateLimitedQueue, TokenBucket
from refimpl.controllers.node_lifecycle.zones import ZoneState

CONFIG = NodeLifecycleConfig()
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def ready(status: str = "True", beat: float = 0) -> dict:
    stamp = format_time(at(beat))
    return {"type": "Ready", "status": status, "lastHeartbeatTime": stamp, "lastTransitionTime": stamp}


def node(*conditions: dict, **spec) -> dict:
    metadata = {"name": "n", "uid": "u", "creationTimestamp": format_time(EPOCH)}
    return {"metadata": metadata, "spec": spec, "status": {"conditions": list(conditions)}}


def lease(renewed: float | None) -> dict:
    return {"spec": {} if renewed is None else {"renewTime": format_micro_time(at(renewed))}}


class TestHeartbeats:
    def test_the_first_sight_of_a_posted_status_counts_as_a_beat(self):
        assert assess(node(ready()), None, None, at(500), CONFIG).health.probed_at == at(500)

    def test_a_node_that_never_posted_is_counted_from_its_creation(self):
        assert assess(node(), None, None, at(30), CONFIG).health.probed_at == at(0)

    @pytest.mark.parametrize(("beat", "counts"), [(10, True), (-10, True), (0, False)])
    def test_a_changed_heartbeat_time_is_a_beat_in_whatever_direction(self, beat, counts):
        known = Health(at(0), ready())
        found = assess(node(ready(beat=beat)), None, known, at(20), CONFIG).health
        assert found.probed_at == (at(20) if counts else at(0))

    @pytest.mark.parametrize(
        ("seen", "found", "counts"), [(5, 6, True), (5, 5, False), (5, 4, False), (None, 6, False), (5, None, False)]
    )
    def test_a_lease_beats_only_with_a_later_renewal(self, seen, found, counts):
        known = Health(at(0), ready(), lease(seen))
        assessed = assess(node(ready()), lease(found), known, at(20), CONFIG).health
        assert assessed.probed_at == (at(20) if counts else at(0))

    def test_the_first_lease_counts_even_without_renewal(self):
        assert assess(node(ready()), lease(None), Health(at(0), ready()), at(20), CONFIG).health.probed_at == at(20)

    def test_a_status_beat_makes_an_unmoved_lease_count_once_more(self):
        known = Health(at(0), ready(), lease(5))
        first = assess(node(ready(beat=10)), lease(5), known, at(20), CONFIG).health
        assert (first.probed_at, first.lease) == (at(20), None)
        second = assess(node(ready(beat=10)), lease(5), first, at(25), CONFIG).health
        assert second.probed_at == at(25)
        third = assess(node(ready(beat=10)), lease(5), second, at(30), CONFIG).health
        assert third.probed_at == at(25)

    def test_a_removed_ready_condition_is_no_beat(self):
        assert assess(node(), None, Health(at(7), ready()), at(20), CONFIG).health == Health(at(7), None)

    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=20))
    def test_the_last_beat_never_moves_back(self, steps):
        known = None
        for turn, (beat, renewed) in enumerate(steps):
            found = assess(node(ready(beat=beat)), lease(renewed), known, at(turn), CONFIG).health
            assert known is None or found.probed_at >= known.probed_at
            known = found


class TestTransition:
    @pytest.mark.parametrize(("now", "silent"), [(50, False), (50.001, True)])
    def test_silence_is_longer_than_the_grace_period(self, now, silent):
        found = assess(node(ready()), None, Health(at(0), ready()), at(now), CONFIG)
        assert (found.conditions is not None) is silent
        assert found.turned_not_ready is silent

    @pytest.mark.parametrize(("now", "silent"), [(60, False), (60.001, True)])
    def test_a_node_that_never_posted_has_the_startup_grace(self, now, silent):
        assert (assess(node(), None, None, at(now), CONFIG).conditions is not None) is silent

    def test_nothing_is_written_when_ready_is_unknown_already(self):
        unknown = ready("Unknown")
        found = assess(node(unknown), None, Health(at(0), unknown), at(100), CONFIG)
        assert (found.conditions, found.current) == (None, unknown)

    def test_the_node_given_is_not_changed(self):
        before = node(ready())
        assess(before, None, Health(at(0), ready()), at(100), CONFIG)
        assert before == node(ready())

    def test_a_false_that_falls_silent_is_no_turn_to_not_ready(self):
        found = assess(node(ready("False")), None, Health(at(0), ready("False")), at(100), CONFIG)
        assert found.current is not None
        assert (found.current["status"], found.turned_not_ready) == ("Unknown", False)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["Ready", "MemoryPressure", "NetworkUnavailable", "example.com/Foo"]),
                st.sampled_from(["True", "False", "Unknown"]),
            ),
            unique_by=lambda pair: pair[0],
        )
    )
    def test_given_up_conditions_are_unknown_and_others_the_same(self, posted):
        conditions = [{**ready(status), "type": kind} for kind, status in posted]
        found = health.given_up_conditions(node(*conditions), at(100))
        for kind in health.GIVEN_UP:
            changed = meta.find_condition(found, kind)
            assert changed is not None
            assert changed["status"] == "Unknown"
        for before in conditions:
            after = meta.find_condition(found, before["type"])
            assert after is not None
            assert after["lastHeartbeatTime"] == before["lastHeartbeatTime"]
            if before["type"] not in health.GIVEN_UP or before["status"] == "Unknown":
                assert after is before


def keys(change: taints.TaintChange) -> tuple[list[str], list[str]]:
    def short(some):
        return [taint["key"].removeprefix("node.kubernetes.io/") for taint in some]

    return short(change.add), short(change.remove)


class TestTaints:
    @pytest.mark.parametrize(
        ("kind", "status", "key"),
        [
            ("Ready", "False", "not-ready"),
            ("Ready", "Unknown", "unreachable"),
            ("Ready", "True", None),
            ("MemoryPressure", "True", "memory-pressure"),
            ("MemoryPressure", "Unknown", None),
            ("DiskPressure", "True", "disk-pressure"),
            ("PIDPressure", "True", "pid-pressure"),
            ("NetworkUnavailable", "True", "network-unavailable"),
            ("NetworkUnavailable", "Unknown", None),
            ("example.com/Foo", "True", None),
        ],
    )
    def test_each_condition_leads_to_its_taint(self, kind, status, key):
        change = taints.no_schedule_change(node({"type": kind, "status": status}))
        assert keys(change) == ([key] if key else [], [])
        assert all(taint["effect"] == "NoSchedule" for taint in change.add)

    def test_cordon_leads_to_a_taint(self):
        assert keys(taints.no_schedule_change(node(unschedulable=True))) == (["unschedulable"], [])

    def test_a_node_without_ready_condition_loses_the_taint_of_its_admission(self):
        present = [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
        assert keys(taints.no_schedule_change(node(taints=present))) == ([], ["not-ready"])

    def test_other_effects_and_foreign_keys_are_left_alone(self):
        present = [
            {"key": "node.kubernetes.io/not-ready", "effect": "PreferNoSchedule"},
            {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"},
            {"key": "example.com/x", "effect": "NoSchedule"},
            {"key": "node.kubernetes.io/out-of-service", "effect": "NoSchedule"},
        ]
        assert not taints.no_schedule_change(node(taints=present))

    @pytest.mark.parametrize(("status", "key"), [("False", "not-ready"), ("Unknown", "unreachable")])
    def test_no_execute_replaces_its_opposite(self, status, key):
        swap = taints.no_execute_swap(ready(status))
        assert swap is not None
        added, removed = keys(swap)
        assert added == [key]
        assert {*added, *removed} == {"not-ready", "unreachable"}
        assert all(taint["effect"] == "NoExecute" for taint in (*swap.add, *swap.remove))

    def test_a_ready_node_has_no_such_taint(self):
        assert taints.no_execute_swap(ready()) is None

    some_taints = st.lists(
        st.builds(
            lambda key, effect: {"key": key, "effect": effect},
            st.sampled_from(["node.kubernetes.io/not-ready", "node.kubernetes.io/unschedulable", "example.com/x"]),
            st.sampled_from(["NoSchedule", "NoExecute", "PreferNoSchedule"]),
        ),
        unique_by=lambda taint: (taint["key"], taint["effect"]),
    )

    @given(some_taints, st.sampled_from(["True", "False", "Unknown"]), st.booleans())
    def test_after_the_change_nothing_is_left_to_change(self, present, status, cordoned):
        before = node(ready(status), taints=present, unschedulable=cordoned)
        change = taints.no_schedule_change(before)
        after = writer.without_taints(writer.with_taints(present, change.add), change.remove)
        assert not taints.no_schedule_change({**before, "spec": {**before["spec"], "taints": after}})
        assert has_taint(after, "node.kubernetes.io/unschedulable", "NoSchedule") is cordoned

    def test_a_taint_written_again_is_replaced_where_it_stands(self):
        one, two = {"key": "a", "effect": "NoSchedule"}, {"key": "b", "effect": "NoSchedule"}
        assert writer.with_taints([one, two], [{**one, "timeAdded": "t"}]) == [{**one, "timeAdded": "t"}, two]


class TestPods:
    def pod(self, *conditions):
        return {"metadata": {"name": "p"}, "status": {"phase": "Running", "conditions": list(conditions)}}

    def test_only_status_and_time_of_the_ready_condition_change(self):
        other = {"type": "ContainersReady", "status": "True"}
        kept = {"type": "Ready", "status": "True", "reason": "r", "message": "m", "lastTransitionTime": "old"}
        assert writer.not_ready_status(self.pod(other, kept), "now") == {
            "phase": "Running",
            "conditions": [other, {**kept, "status": "False", "lastTransitionTime": "now"}],
        }

    def test_pods_without_ready_condition_or_already_not_ready_are_left_alone(self):
        assert writer.not_ready_status(self.pod(), "now") is None
        assert writer.not_ready_status(self.pod({"type": "Ready", "status": "False"}), "now") is None


class TestZones:
    @pytest.mark.parametrize(
        ("are_ready", "are_not", "expected"),
        [
            (0, 1, ZoneState.FULL_DISRUPTION),
            (1, 2, ZoneState.NORMAL),
            (1, 3, ZoneState.PARTIAL_DISRUPTION),
            (9, 11, ZoneState.PARTIAL_DISRUPTION),
            (10, 11, ZoneState.NORMAL),
            (27, 33, ZoneState.PARTIAL_DISRUPTION),
            (5, 0, ZoneState.NORMAL),
        ],
    )
    def test_state_by_count(self, are_ready, are_not, expected):
        assert zones.zone_state(zones.ZoneCount(are_ready, are_not), CONFIG) is expected

    @pytest.mark.parametrize(
        ("state", "size", "rate"),
        [
            (ZoneState.NORMAL, 4, 0.1),
            (ZoneState.FULL_DISRUPTION, 4, 0.1),
            (ZoneState.PARTIAL_DISRUPTION, 50, 0.0),
            (ZoneState.PARTIAL_DISRUPTION, 51, 0.01),
        ],
    )
    def test_rate_by_state_and_size(self, state, size, rate):
        assert zones.eviction_rate(state, size, CONFIG) == rate

    def test_a_node_without_ready_condition_is_not_ready(self):
        assert zones.count_zone([None, ready(), ready("False")]) == zones.ZoneCount(1, 2)

    def test_the_legacy_zone_label_wins(self):
        given_labels = {"failure-domain.beta.kubernetes.io/zone": "a", "topology.kubernetes.io/zone": "b"}
        both = {"metadata": {"name": "n", "labels": given_labels}}
        assert zones.zone_of(both) == ("", "a")
        assert zones.zone_of({"metadata": {"name": "n"}}) == ("", "")


A, B = ("", "a"), ("", "b")
NORMAL, FULL, PARTIAL = ZoneState.NORMAL, ZoneState.FULL_DISRUPTION, ZoneState.PARTIAL_DISRUPTION


class TestDisruption:
    @pytest.mark.parametrize(
        ("before", "found", "step", "changed"),
        [
            ({A: NORMAL}, {A: NORMAL}, disruption.Step.ADJUST, ()),
            ({A: NORMAL}, {A: PARTIAL}, disruption.Step.ADJUST, (A,)),
            ({A: NORMAL, B: NORMAL}, {A: FULL, B: NORMAL}, disruption.Step.ADJUST, (A,)),
            ({A: NORMAL, B: FULL}, {A: FULL, B: FULL}, disruption.Step.ENTER, ()),
            ({A: FULL}, {A: FULL}, disruption.Step.NOTHING, ()),
            ({A: FULL, B: FULL}, {A: NORMAL, B: FULL}, disruption.Step.LEAVE, (A, B)),
            ({}, {A: FULL}, disruption.Step.ENTER, ()),
            ({}, {}, disruption.Step.NOTHING, ()),
            ({A: NORMAL}, {}, disruption.Step.NOTHING, ()),
        ],
    )
    def test_step(self, before, found, step, changed):
        decision = disruption.decide(before, found)
        assert (decision.step, decision.changed) == (step, changed)
        assert decision.states == found

    def test_a_zone_without_counted_nodes_is_forgotten(self):
        assert disruption.decide({A: NORMAL, B: FULL}, {A: NORMAL}).states == {A: NORMAL}


class TestQueue:
    async def drain(self, queue, now, result=None):
        handed = []

        async def act(name):
            handed.append(name)
            return result

        await queue.hand_out(act, lambda: now)
        return handed

    async def test_the_first_goes_at_once_and_each_next_after_a_period(self):
        queue = RateLimitedQueue(0.1)
        for name in "abc":
            queue.add(name, 0)
        handed = [(now, name) for now in range(31) for name in await self.drain(queue, now)]
        assert handed == [(0, "a"), (10, "b"), (20, "c")]

    async def test_a_name_handed_out_is_not_queued_again_until_removed(self):
        queue = RateLimitedQueue(1)
        assert queue.add("a", 0)
        assert await self.drain(queue, 0) == ["a"]
        assert not queue.add("a", 5)
        queue.remove("a")
        assert queue.add("a", 5)

    async def test_a_name_whose_work_failed_is_tried_again(self):
        queue = RateLimitedQueue(1)
        queue.add("a", 0)
        assert await self.drain(queue, 0, result=0.05) == ["a"]
        assert await self.drain(queue, 1) == ["a"]

    async def test_a_name_removed_while_it_waits_is_not_handed_out(self):
        queue = RateLimitedQueue(1)
        queue.add("a", 0)
        queue.add("b", 0)
        queue.remove("a")
        assert await self.drain(queue, 0) == ["b"]

    async def test_a_rate_of_zero_stops_everything_until_it_changes(self):
        queue = RateLimitedQueue(0.1)
        queue.add("a", 0)
        queue.set_rate(0, 0)
        assert await self.drain(queue, 1000) == []
        queue.set_rate(0.1, 1000)
        assert await self.drain(queue, 1000) == []
        assert await self.drain(queue, 1010) == ["a"]

    @given(st.floats(0.01, 10), st.lists(st.floats(0, 5), min_size=1, max_size=60))
    def test_a_bucket_never_gives_more_than_its_rate(self, rate, pauses):
        bucket, now, given_out = TokenBucket(rate), 0.0, 0
        for pause in pauses:
            now += pause
            given_out += bucket.try_accept(now)
        assert given_out <= 1 + now * rate + 1e-6


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ({}, {}),
        ({"kubernetes.io/os": "linux"}, {"beta.kubernetes.io/os": "linux"}),
        ({"kubernetes.io/os": "linux", "beta.kubernetes.io/os": "linux"}, {}),
        ({"kubernetes.io/os": "linux", "beta.kubernetes.io/os": "windows"}, {"beta.kubernetes.io/os": "linux"}),
        ({"beta.kubernetes.io/arch": "arm64"}, {}),
    ],
)
def test_beta_labels_follow_stable_ones_and_never_the_reverse(before, expected):
    assert labels.label_changes({"metadata": {"name": "n", "labels": before}}) == expected
