"""Which pods go first when there are too many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.controllers.replication import ranking
from tests.controllers.objects import NOW, pod

COST = ranking.DELETION_COST


def pending(name: str, **more):
    return pod(name, phase="Pending", ready_for=None, **more)


@pytest.mark.parametrize(
    ("goes", "stays"),
    [
        pytest.param(pending("a", node=""), pending("b"), id="unbound"),
        pytest.param(
            pod("a", phase="Pending", ready_for=None), pod("b", phase="Running", ready_for=None), id="pending"
        ),
        pytest.param(
            pod("a", phase="Unknown", ready_for=None), pod("b", phase="Running", ready_for=None), id="unknown"
        ),
        pytest.param(pod("a", ready_for=None), pod("b", ready_for=1), id="not ready"),
        pytest.param(pod("a", annotations={COST: "-1"}), pod("b"), id="cheap"),
        pytest.param(pod("a"), pod("b", annotations={COST: "10"}), id="dear stays"),
        pytest.param(pod("a", ready_for=2), pod("b", ready_for=3000), id="freshly ready"),
        pytest.param(pod("a", restarts=4), pod("b", restarts=1), id="many restarts"),
        pytest.param(pod("a", age=20), pod("b", age=20000), id="young"),
    ],
)
def test_the_pod_that_would_be_missed_least_goes_first(goes, stays):
    assert ranking.choose([stays, goes], [], 1, NOW) == [goes]
    assert ranking.choose([goes, stays], [], 1, NOW) == [goes]


def test_a_crowded_node_gives_one_up_first():
    crowded = [pod("a", node="n1", age=1000, ready_for=900), pod("b", node="n1", age=1000, ready_for=900)]
    alone = pod("c", node="n2", age=10, ready_for=9)
    assert ranking.choose([*crowded, alone], [*crowded, alone], 1, NOW)[0]["spec"]["nodeName"] == "n1"


def test_pods_of_siblings_make_a_node_crowded_and_inactive_ones_do_not():
    mine = [pod("a", node="n1"), pod("b", node="n2")]
    siblings = [pod("s1", node="n2"), pod("s2", node="n1", deleting=True), pod("s3", node="n1", phase="Failed")]
    assert ranking.choose(mine, [*mine, *siblings], 1, NOW)[0]["metadata"]["name"] == "b"


def test_ages_within_a_factor_of_two_count_as_equal_and_the_uid_decides():
    younger, older = pod("z", ready_for=600), pod("a", ready_for=700)
    assert ranking.choose([younger, older], [], 1, NOW) == [older]


def test_a_deletion_cost_that_is_no_number_is_zero():
    assert ranking.deletion_cost(pod(annotations={COST: "much"})) == 0


@given(
    st.lists(
        st.builds(
            lambda node, phase, ready, age, restarts: (node, phase, ready, age, restarts),
            st.sampled_from(["", "n1", "n2"]),
            st.sampled_from(["Pending", "Running", "Unknown"]),
            st.one_of(st.none(), st.integers(0, 10_000)),
            st.integers(0, 10_000),
            st.integers(0, 5),
        ),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 14),
)
def test_exactly_as_many_as_asked_for_are_chosen_and_no_bound_one_before_an_unbound(facts, count):
    candidates = [
        pod(f"p{i}", node=node, phase=phase, ready_for=ready, age=age, restarts=restarts)
        for i, (node, phase, ready, age, restarts) in enumerate(facts)
    ]
    chosen = ranking.choose(candidates, candidates, count, NOW)
    names = [one["metadata"]["name"] for one in chosen]
    assert len(set(names)) == len(names) == min(count, len(candidates))
    spared_unbound = any(not one["spec"].get("nodeName") for one in candidates if one["metadata"]["name"] not in names)
    assert not (spared_unbound and any(one["spec"].get("nodeName") for one in chosen))
