"""Who has to go for whom."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.scheduler.preemption import Candidate, Outcome, least_harm
from tests.scheduler.objects import node, parser, pod, pod_info, taint
from tests.scheduler.world import World


def one_cpu(**kwargs):
    return pod_info(requests={"cpu": "1"}, **kwargs)


def started(when: str, **kwargs):
    made = pod(requests={"cpu": "1"}, **kwargs)
    made["status"]["startTime"] = when
    return parser.parse(made)


def victims(outcome: Outcome) -> list[str]:
    return [] if outcome.candidate is None else [pod.name for pod in outcome.candidate.victims]


def full(*pods, size: int = 1, name: str = "n1") -> World:
    world = World(node(name, cpu=size, pods=10))
    world.put(name, *pods)
    return world


def test_lower_priority_goes():
    outcome = full(one_cpu(name="victim")).preempt(one_cpu(priority=1))
    assert victims(outcome) == ["victim"]
    assert outcome.nomination == "n1"


@pytest.mark.parametrize("priority", [1, 2])
def test_equal_and_higher_priority_stays(priority):
    outcome = full(one_cpu(priority=priority)).preempt(one_cpu(priority=1))
    assert victims(outcome) == []
    assert outcome.nomination == ""
    assert outcome.message == "0/1 nodes are available: 1 No preemption victims found for incoming pod."


def test_preemption_policy_never_takes_nobody_out():
    outcome = full(one_cpu()).preempt(one_cpu(priority=1, preemptionPolicy="Never"))
    assert victims(outcome) == []
    assert outcome.message == "not eligible due to preemptionPolicy=Never."


def test_nobody_goes_where_that_would_not_help():
    world = World(node("n1", cpu=1, pods=10, taints=None), node("n2", cpu=4, pods=10, taints=[taint("k")]))
    world.put("n1", one_cpu())
    world.put("n2", one_cpu())
    diagnosis = world.diagnose(pod_info(requests={"cpu": "2"}, priority=1))
    outcome = world.preemption.decide(pod_info(requests={"cpu": "2"}, priority=1), diagnosis)
    assert victims(outcome) == []
    assert outcome.message == "0/2 nodes are available: 2 Preemption is not helpful for scheduling."


def test_as_few_as_possible_go_and_the_least_important():
    world = full(one_cpu(name="a", priority=3), one_cpu(name="b", priority=1), one_cpu(name="c", priority=2), size=3)
    assert victims(world.preempt(one_cpu(priority=9))) == ["b"]


def test_the_younger_of_two_equals_goes():
    world = full(started("2018-07-02T02:00:00Z", name="old"), started("2018-07-02T03:00:00Z", name="young"), size=2)
    assert victims(world.preempt(one_cpu(priority=9))) == ["young"]


def test_a_pod_that_holds_the_wanted_port_goes():
    claimed = {"ports": [{"containerPort": 80, "hostPort": 80}]}
    world = full(pod_info(name="holder", **claimed), pod_info(name="other"))
    assert victims(world.preempt(pod_info(priority=1, **claimed))) == ["holder"]


def test_a_pod_whose_anti_affinity_is_in_the_way_goes():
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    world = full(pod_info(name="hermit", affinity=apart), pod_info(name="other"))
    assert victims(world.preempt(pod_info(priority=1, labels={"app": "web"}))) == ["hermit"]


class TestChoiceOfNode:
    def candidate(self, name: str, *priorities: int, violations: int = 0, when: str = "2018-07-02T02:00:00Z"):
        pods = tuple(started(when, priority=priority) for priority in sorted(priorities, reverse=True))
        return Candidate(name, pods, violations)

    def test_fewest_violated_budgets_first(self):
        chosen = least_harm([self.candidate("n1", 1, violations=1), self.candidate("n2", 9, 9, 9)])
        assert chosen.node == "n2"

    def test_then_the_least_important_first_victim(self):
        assert least_harm([self.candidate("n1", 5), self.candidate("n2", 4, 4, 4)]).node == "n2"

    def test_then_the_smallest_sum_of_priorities(self):
        assert least_harm([self.candidate("n1", 5, 4), self.candidate("n2", 5, 3)]).node == "n2"

    def test_a_negative_priority_does_not_make_more_victims_better(self):
        assert least_harm([self.candidate("n1", -5, -5), self.candidate("n2", -5)]).node == "n2"

    def test_then_the_one_that_started_last(self):
        old = self.candidate("n1", 5, when="2018-07-02T02:00:00Z")
        young = self.candidate("n2", 5, when="2018-07-02T02:00:01Z")
        assert least_harm([old, young]).node == "n2"


class TestDisruptionBudgets:
    def budget(self, allowed: int):
        return {
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}},
            "status": {"disruptionsAllowed": allowed},
        }

    def test_protected_pods_are_put_back_first(self):
        world = full(one_cpu(name="web", labels={"app": "web"}), one_cpu(name="other", priority=1), size=2)
        assert victims(world.preempt(one_cpu(priority=9))) == ["web"]
        world.budgets = [self.budget(0)]
        assert victims(world.preempt(one_cpu(priority=9))) == ["other"]
        world.budgets = [self.budget(1)]
        assert victims(world.preempt(one_cpu(priority=9))) == ["web"]

    def test_a_budget_does_not_save_the_only_victim(self):
        world = full(one_cpu(name="web", labels={"app": "web"}))
        world.budgets = [self.budget(0)]
        outcome = world.preempt(one_cpu(priority=9))
        assert outcome.candidate is not None
        assert outcome.candidate.violations == 1


class TestWaitingForVictims:
    def leaving(self, reason: str):
        made = pod(requests={"cpu": "1"}, nodeName="n1")
        made["metadata"]["deletionTimestamp"] = "2018-07-02T02:11:27Z"
        made["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True", "reason": reason}]
        return parser.parse(made)

    def test_nobody_else_is_preempted_while_the_victims_are_leaving(self):
        world = full(self.leaving("PreemptionByScheduler"))
        wanted = one_cpu(priority=1)
        world.nominator.set(wanted, "n1")
        outcome = world.preempt(wanted)
        assert outcome == Outcome(None, None, "not eligible due to a terminating pod on the nominated node.")

    def test_a_pod_that_leaves_for_another_reason_does_not_hold_it_up(self):
        world = full(self.leaving("EvictionByEvictionAPI"))
        wanted = one_cpu(priority=1)
        world.nominator.set(wanted, "n1")
        assert world.preempt(wanted).candidate is not None


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5)), min_size=1, max_size=8),
    st.integers(1, 6),
    st.integers(0, 6),
)
def test_the_victims_are_enough_and_none_of_them_is_one_too_many(there, size, priority):
    world = World(node("n1", cpu=12, pods=10))
    world.put("n1", *(pod_info(requests={"cpu": str(cpu)}, priority=rank) for cpu, rank in there))
    wanted = pod_info(requests={"cpu": str(size)}, priority=priority)
    if world.schedule(wanted):
        return
    outcome = world.preempt(wanted)
    free = 12_000 - sum(1000 * cpu for cpu, _ in there)
    could_free = sum(1000 * cpu for cpu, rank in there if rank < priority)
    assert (outcome.candidate is not None) is (free + could_free >= 1000 * size)
    if outcome.candidate is not None:
        freed = [victim.asks.requests["cpu"] for victim in outcome.candidate.victims]
        assert all(victim.priority < priority for victim in outcome.candidate.victims)
        assert free + sum(freed) >= 1000 * size
        assert free + sum(freed) - min(freed) < 1000 * size
