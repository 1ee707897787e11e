"""Heartbeats that are read off a watch: what counts as one, and that its bounds hold whatever was late."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.clock import format_micro_time, format_time
from conformance.record.heartbeats import beats
from conformance.record.history import Beat, Object, ObjectEvent
from tests.conformance.tales import EPOCH

LAG, TRUST = 0.5, 20.0


def node(said: str | None, status: str = "True", **more: str) -> Object:
    ready = {"type": "Ready", "status": status, **({"lastHeartbeatTime": said} if said else {}), **more}
    return {"metadata": {"name": "n"}, "status": {"conditions": [{"type": "MemoryPressure"}, ready]}}


def lease(said: str | None) -> Object:
    return {"metadata": {"name": "n"}, "spec": {"renewTime": said}}


def whole(at: float) -> str:
    return format_time(EPOCH + timedelta(seconds=at))


def micro(at: float) -> str:
    return format_micro_time(EPOCH + timedelta(seconds=at))


def told(at: float, kind: str, before: Object | None, after: Object | None) -> list[Beat]:
    return list(beats(ObjectEvent(at, "MODIFIED", kind, "", "n", "u", "1", before, after), EPOCH, LAG, TRUST))


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("Node", None, node(whole(9))),
        ("Node", node(whole(1)), node(whole(9))),
        ("Node", node(whole(1)), node(whole(9), "False")),
        ("Node", node(whole(1), "Unknown"), node(whole(9))),
        ("Lease", None, lease(micro(9))),
        ("Lease", lease(micro(1)), lease(micro(9))),
    ],
)
def test_a_new_time_is_a_heartbeat(kind: str, before: Object | None, after: Object):
    (beat,) = told(10, kind, before, after)
    assert (beat.node, beat.answered, beat.ok) == ("n", 10, True)
    assert beat.signal == ("status" if kind == "Node" else "lease")


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("Node", node(whole(1)), None),
        ("Node", None, {"metadata": {"name": "n"}}),
        ("Node", None, node(None)),
        ("Node", node(whole(1)), node(whole(1), reason="other")),
        ("Node", node(whole(1)), node(whole(9), "Unknown")),
        ("Lease", lease(micro(1)), None),
        ("Lease", None, lease(None)),
        ("Lease", lease(micro(1)), lease(micro(1))),
    ],
)
def test_nothing_else_is(kind: str, before: Object | None, after: Object | None):
    assert told(10, kind, before, after) == []


def test_the_beginning_is_the_earlier_of_what_the_agent_and_the_watch_allow():
    assert told(10, "Lease", None, lease(micro(9.9)))[0].sent == 10 - LAG
    assert told(10, "Lease", None, lease(micro(4)))[0].sent == 4


@pytest.mark.parametrize("said", [-1000.0, 300.0], ids=["far behind", "ahead"])
def test_a_clock_that_is_wrong_is_not_believed(said: float):
    assert told(100, "Lease", None, lease(micro(said)))[0].sent == 100 - LAG


@given(
    written=st.floats(30, 1000),
    before=st.floats(0, 5),
    late=st.floats(0, 10),
    fraction=st.booleans(),
)
def test_the_write_lies_between_the_bounds_however_late_the_watch_was(
    written: float, before: float, late: float, fraction: bool
):
    said = written - before
    state = (lease(micro(said)), "Lease") if fraction else (node(whole(said)), "Node")
    (beat,) = told(written + late, state[1], None, state[0])
    assert beat.sent <= written + 1e-5
    assert beat.answered >= written
