"""More pods at once than there is room for."""

from __future__ import annotations

import asyncio

from conformance.drive import manifests, placing
from conformance.drive.stage import Stage
from conformance.drive.sums import devices
from conformance.drive.waits import schedulable
from conformance.judge import placing as judge
from conformance.kinds import NODE, POD
from conformance.naming import SCENARIO_LABEL
from conformance.scenario import scenario
from conformance.timing import Timing

NODES = ("left", "right")
EACH = 5
"""Devices of a node."""

PODS = tuple(f"pod-{number}" for number in range(20))
"""Each wants one device."""


def _longest(timing: Timing) -> float:
    return timing.no_schedule_taint().latest + timing.scheduled().latest + 2 * timing.slack


@scenario(watches=(NODE, POD), longest=_longest)
async def crowd(stage: Stage) -> None:
    """Twenty pods are created at once for ten devices on two nodes."""
    offer = {**manifests.CAPACITY, **devices("seat", EACH)}
    await stage.nodes(*NODES, capacity=offer)
    await schedulable(stage, *NODES)
    anywhere = {SCENARIO_LABEL: stage.naming.scenario}
    one = dict(placing.asking(devices("seat", 1)))
    await asyncio.gather(
        *(stage.pod(role, node_selector=anywhere, requests=one["requests"], limits=one["limits"]) for role in PODS)
    )
    await placing.answered(stage, *PODS)
    await stage.until(lambda: _seated(stage) == len(NODES) * EACH, within=stage.timing.scheduled().latest)
    await stage.hold(2 * stage.timing.slack)


def _seated(stage: Stage) -> int:
    return sum(judge.bound(stage.current(POD, role)) for role in PODS)
