"""The decision of the replica controller, and that applying it comes to rest."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.errors import Object, internal
from refimpl.controllers.replication.census import Census, Replica, replica_of
from refimpl.controllers.replication.reconcile import BURST, Decision, View, reconcile
from refimpl.controllers.replication.status import Trouble, calculate, next_availability
from refimpl.controllers.workloads import pods as predicates
from tests.controllers.objects import NOW, ago, at, pod, workload


def read(mine: list[Object]) -> list[Replica]:
    return list(map(replica_of, mine))


def decide(owner: Object, mine: list[Object]) -> Decision:
    return reconcile(View(owner, read(mine), lambda: mine, NOW))


STATES = st.sampled_from(
    [
        {"phase": "Running"},
        {"phase": "Pending", "ready_for": None, "node": ""},
        {"phase": "Running", "ready_for": None},
        {"phase": "Running", "deleting": True},
        {"phase": "Failed"},
        {"phase": "Succeeded"},
    ]
)


@pytest.mark.parametrize(
    ("wanted", "mine", "create", "delete"),
    [
        (3, [], 3, 0),
        (3, [pod(f"p{i}") for i in range(3)], 0, 0),
        (1, [pod(f"p{i}") for i in range(3)], 0, 2),
        (2, [pod("a"), pod("b", deleting=True)], 1, 0),
        (2, [pod("a"), pod("b", phase="Failed"), pod("c", phase="Succeeded")], 1, 0),
        (1, [pod("a", ready_for=None)], 0, 0),
        (0, [pod("a", deleting=True)], 0, 0),
        (2000, [], BURST, 0),
    ],
)
def test_decisions(wanted: int, mine: list[Object], create: int, delete: int):
    decision = decide(workload(replicas=wanted), mine)
    assert (decision.create, len(decision.delete)) == (create, delete)


def test_an_owner_that_is_going_is_left_alone():
    owner = workload(replicas=3)
    owner["metadata"]["deletionTimestamp"] = ago(1)
    assert decide(owner, []) == Decision()


@given(st.integers(0, 8), st.lists(STATES, max_size=12))
def test_applying_decisions_comes_to_rest_at_the_wanted_number(wanted: int, states: list[dict]):
    owner = workload(replicas=wanted)
    mine = [pod(f"p{i}", **state) for i, state in enumerate(states)]
    fresh = (f"new{i}" for i in itertools.count())
    for _ in range(3):
        decision = decide(owner, mine)
        assert not (decision.create and decision.delete)
        if decision == Decision():
            break
        for doomed in decision.delete:
            doomed["metadata"]["deletionTimestamp"] = ago(0)
        mine += [pod(next(fresh), node="", phase="Pending", ready_for=None) for _ in range(decision.create)]
    assert decide(owner, mine) == Decision()
    assert sum(predicates.is_active(one) for one in mine) == wanted


def test_the_status_counts_active_pods_only():
    mine = [
        pod("ready", ready_for=100),
        pod("fresh", ready_for=5),
        pod("unready", ready_for=None),
        pod("going", deleting=True),
        pod("failed", phase="Failed"),
        pod("bare", labels={}, ready_for=None),
    ]
    status = calculate(workload(minReadySeconds=10, generation=7), read(mine), None, NOW, terminating=True)
    assert status == {
        "replicas": 4,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 2,
        "availableReplicas": 1,
        "terminatingReplicas": 1,
        "observedGeneration": 7,
    }


def test_a_census_reads_a_pod_again_only_when_it_is_another_object():
    census = Census()
    same, before = pod("same"), pod("changed", ready_for=None)
    first = census.count("owner", [same, before])
    after = pod("changed")
    second = census.count("owner", [after, same])
    assert [replica.pod for replica in second] == [after, same]
    assert [replica.ready for replica in (*first, *second)] == [True, False, True, True]
    assert second[1] is first[0]
    census.forget("owner")
    assert census.count("owner", [same])[0] is not first[0]


def test_zero_counts_are_left_out_as_on_the_wire():
    assert calculate(workload(), [], None, NOW, terminating=False) == {"replicas": 0, "observedGeneration": 1}


def test_a_refused_creation_is_a_condition_until_one_succeeds():
    trouble = Trouble("FailedCreate", "quota", internal("quota"))
    owner = workload()
    owner["status"] = calculate(owner, [], trouble, NOW, terminating=False)
    [condition] = owner["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("ReplicaFailure", "True", "FailedCreate")
    again = calculate(owner, [], trouble, at(60), terminating=False)
    assert again["conditions"] == [condition]
    assert "conditions" not in calculate(owner, [], None, at(60), terminating=False)


def test_the_next_look_is_when_the_next_pod_becomes_available():
    owner = workload(minReadySeconds=30)
    mine = [pod("a", ready_for=10), pod("b", ready_for=25), pod("c", ready_for=40), pod("d", ready_for=None)]
    assert next_availability(owner, read(mine), NOW) == 5
    assert next_availability(workload(), read(mine), NOW) is None
