"""Nodes and pods do what they like: invariants must hold whatever the order is."""

from __future__ import annotations

from conformance.drive.stage import Stage
from conformance.drive.walk import Walk, longest, stroll
from conformance.kinds import NODE, POD, REPLICATION_CONTROLLER
from conformance.scenario import scenario
from conformance.timing import Timing

_STEPS = 14


def _longest(timing: Timing) -> float:
    return longest(timing, _STEPS)


@scenario(watches=(NODE, POD), optional=(REPLICATION_CONTROLLER,), longest=_longest)
async def random_walk(stage: Stage) -> None:
    """Nodes register, fall silent and return, are cordoned and tainted, pods come and go: in an order of the seed's.

    Roles: nodes `keeper`, which stays healthy, and `n1` to `n4`; pods `p1`, `p2`, and so on; the ReplicationController
    `crew`.
    """
    walk = Walk(stage)
    await walk.begin()
    await stroll(walk, stage.clock.dice(stage.naming.scenario), _STEPS)
    await walk.rest()
