"""The rate at which a zone is tainted is judged by what was seen and by what the target says, and by neither alone."""

from __future__ import annotations

import pytest

from conformance.drive.scenarios.master.zones import RATE
from conformance.judge.taints import NO_EXECUTE, UNREACHABLE
from conformance.master.test_zones import test_a_zone_gets_its_taints_one_after_the_other as one_after_the_other
from conformance.record.history import Object
from conformance.timing import Timing
from tests.conformance.tales import Tale, condition, node

TIMING = Timing(node_monitor_period=1, node_monitor_grace_period=8, node_eviction_rate=0.5)
FLIP = 10.0


def tainted(tale: Tale, added: float | None) -> Object:
    found = node(condition(tale, FLIP, "Ready", "Unknown"), taints=((UNREACHABLE, NO_EXECUTE),))
    if added is not None:
        found["spec"]["taints"][0]["timeAdded"] = tale.stamp(added)
    return found


def judged(*put: tuple[float, float | None]) -> list[str]:
    """What is wrong when the zone's nodes are seen with their taints, and say when they were added, at these times."""
    tale = Tale("zones")
    for role, (seen, added) in zip(RATE, put, strict=True):
        tale.object(0, "Node", role, node(condition(tale, 0, "Ready", "True")))
        tale.beat(1, role).mark(2, f"{role} silent")
        tale.object(FLIP, "Node", role, node(condition(tale, FLIP, "Ready", "Unknown")))
        tale.object(seen, "Node", role, tainted(tale, added))
    return [violation.got for violation in one_after_the_other(tale.seen(60, TIMING, minor=36))]


def test_taints_at_the_zones_rate_are_right():
    assert judged((11.2, 11), (13.2, 13)) == []


def test_taints_that_come_together_are_not():
    assert judged((11.2, 11), (11.3, 11)) == ["0.10 s"]


def test_a_first_taint_whose_write_took_long_is_no_hurry():
    assert judged((12.0, 11), (13.2, 13)) == []


@pytest.mark.parametrize("added", [None, 11.0])
def test_who_does_not_say_when_is_judged_by_what_was_seen(added: float | None):
    assert judged((11.2, added), (11.9, None)) == ["0.70 s"]
