"""Nodes that ought to be there all the time are held to it: gaps, changes of Ready, and those that never came."""

from __future__ import annotations

from bench.attendance import Attendance


def lease(stamp: str):
    return {"spec": {"renewTime": stamp, "leaseDurationSeconds": 40}}


def node(status: str):
    return {"status": {"conditions": [{"type": "Ready", "status": status}]}}


def attended(*renewals: float, end: float) -> Attendance:
    """A node that was Ready at once and renewed its Lease at these times."""
    found = Attendance()
    found.node(node("True"), 0.5)
    for at in renewals:
        found.lease(lease(str(at)), at)
    found.end(end)
    return found


def test_a_node_that_renews_in_time_and_stays_ready_is_without_fault():
    found = attended(1, 11, 25, end=30)
    assert list(found.faults()) == []
    assert (found.renewals, found.longest_gap) == (2, 14)


def test_an_event_without_a_new_time_is_no_renewal():
    found = Attendance()
    assert found.lease(lease("a"), 1)
    assert not found.lease(lease("a"), 2)
    assert found.lease(lease("b"), 3)
    assert found.renewals == 1


def test_a_gap_longer_than_the_lease_holds_is_a_fault():
    assert "for 41.0 s; it holds for 40 s" in next(attended(1, 42, end=43).faults())


def test_silence_at_the_end_is_a_gap():
    assert "for 50.0 s" in next(attended(1, 10, end=60).faults())


def test_not_ready_before_the_first_time_is_no_fault_and_afterwards_it_is():
    found = attended(1, end=5)
    assert list(found.faults()) == []
    found.node(node("False"), 3.0)
    found.node(node("False"), 3.5)
    found.node(node("True"), 4.0)
    assert list(found.faults()) == ["at 3.0 s Ready became False", "at 4.0 s Ready became True"]


def test_a_node_that_goes_away_is_a_fault():
    found = attended(1, end=5)
    found.node(None, 4.0)
    assert list(found.faults()) == ["at 4.0 s Ready became gone"]


def test_a_node_that_never_came_is_a_fault():
    assert list(Attendance().faults()) == ["was never Ready", "never had a Lease"]


def test_not_ready_from_the_beginning_is_told_apart_from_never_there():
    found = Attendance()
    found.node({"status": {}}, 1.0)
    found.node(node("False"), 2.0)
    assert found.ready == "False"
    assert found.transitions == []
    assert next(found.faults()) == "was never Ready"
