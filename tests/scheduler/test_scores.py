"""The scores of one node."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.scheduler import scores
from tests.scheduler.objects import node_info, pod_info, taint

GI = 2**30


@pytest.mark.parametrize(
    ("taken", "wanted", "score"),
    [
        ({}, {"cpu": "0", "memory": "0"}, 100),
        ({}, {"cpu": "4", "memory": "8Gi"}, 0),
        ({}, {"cpu": "2", "memory": "4Gi"}, 50),
        ({"cpu": "1", "memory": "0"}, {"cpu": "1", "memory": "4Gi"}, 50),
        ({}, {"cpu": "4", "memory": "0"}, 50),
    ],
)
def test_the_emptier_node_is_liked_better(taken, wanted, score):
    node = node_info(*([pod_info(requests=taken)] if taken else []))
    assert scores.least_allocated(pod_info(requests=wanted), node) == score


def test_pods_without_requests_still_count_a_little_in_scores():
    quiet = [pod_info() for _ in range(10)]
    assert scores.least_allocated(pod_info(), node_info(*quiet)) < scores.least_allocated(pod_info(), node_info())


def test_a_node_that_offers_neither_cpu_nor_memory_scores_nothing():
    assert scores.least_allocated(pod_info(), node_info(pods=10)) == 0


@pytest.mark.parametrize(
    ("wanted", "score"),
    [({"cpu": "2", "memory": "4Gi"}, 100), ({"cpu": "4"}, 50), ({"cpu": "3", "memory": "2Gi"}, 75)],
)
def test_even_use_of_cpu_and_memory_is_liked(wanted, score):
    assert scores.balanced_allocation(pod_info(requests=wanted), node_info()) == score


def test_soft_taints_are_counted_unless_tolerated():
    node = node_info(taints=[taint("a", "PreferNoSchedule"), taint("b", "PreferNoSchedule"), taint("c")])
    assert scores.intolerable_taints(pod_info(), node) == 2
    assert scores.intolerable_taints(pod_info(tolerations=[{"key": "a", "operator": "Exists"}]), node) == 1


def test_weights_of_matching_preferences_add_up():
    def preference(weight, key):
        return {"weight": weight, "preference": {"matchExpressions": [{"key": key, "operator": "Exists"}]}}

    terms = [preference(10, "ssd"), preference(5, "gpu"), preference(1, "none")]
    wanted = pod_info(affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}})
    assert scores.preferred_affinity(wanted, node_info(labels={"ssd": "", "gpu": ""})) == 15


def test_normalizing_makes_the_largest_the_maximum():
    assert scores.normalized([0, 1, 2]) == [0, 50, 100]
    assert scores.normalized([0, 1, 2], reverse=True) == [100, 50, 0]
    assert scores.normalized([0, 0]) == [0, 0]
    assert scores.normalized([0, 0], reverse=True) == [100, 100]


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 20 * GI), st.integers(0, 10_000), st.integers(0, 20 * GI))
def test_scores_stay_in_their_range(cpu, memory, taken_cpu, taken_memory):
    node = node_info(pod_info(requests={"cpu": f"{taken_cpu}m", "memory": str(taken_memory)}))
    wanted = pod_info(requests={"cpu": f"{cpu}m", "memory": str(memory)})
    assert 0 <= scores.least_allocated(wanted, node) <= scores.MAX
    assert 0 <= scores.balanced_allocation(wanted, node) <= scores.MAX
