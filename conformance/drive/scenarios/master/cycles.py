"""A node falls silent and comes back, three times over."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from conformance.drive.manifests import tolerate
from conformance.drive.node import SimulatedNode
from conformance.drive.pacer import RETURN
from conformance.drive.stage import Stage
from conformance.drive.taints import change, own
from conformance.drive.waits import controller_taints, ready, running, schedulable
from conformance.judge import taints
from conformance.judge.taints import NO_EXECUTE, NO_SCHEDULE, NOT_READY, UNREACHABLE, UNSCHEDULABLE
from conformance.kinds import EVENT, NODE, POD
from conformance.naming import DOMAIN
from conformance.scenario import scenario
from conformance.timing import Timing

TIMES = 3
MARKER = {f"{DOMAIN}/marker": "somebody-elses"}
MARKED: Mapping[str, Any] = {
    "metadata": {"labels": MARKER, "annotations": MARKER},
    "spec": {"unschedulable": True, "taints": [own("marker", "PreferNoSchedule", value="somebody-elses")]},
    "status": {},
}
"""What somebody else writes on the node that falls silent."""


def outage(timing: Timing) -> float:
    """Seconds that the node stays tainted each time: all outages together last longer than the pod tolerates."""
    return timing.node_monitor_period + 2 * timing.slack


def toleration(timing: Timing) -> int:
    """Seconds that the pod tolerates: longer than any single outage."""
    return math.ceil(outage(timing) + timing.taints_removed().latest + timing.slack)


def _rest(timing: Timing) -> float:
    """Pause between two silences: the zone's rate must not make the node wait for its taint."""
    return max(2 * timing.node_monitor_period, 1 / timing.node_eviction_rate - timing.node_monitor_grace_period)


def _longest(timing: Timing) -> float:
    tainted = timing.unknown_after_silence().latest + timing.no_execute_taint(2).latest + outage(timing)
    return 2 * timing.beat_interval + TIMES * (tainted + timing.taints_removed().latest + _rest(timing))


@scenario(watches=(NODE, POD, EVENT), longest=_longest)
async def cycles(stage: Stage) -> None:
    """One node of two falls silent and comes back three times; a pod on it tolerates each outage, not their sum.

    Roles: `keeper` never stops beating; `cycler` does. `survivor` is the pod. The cycler is cordoned, and carries a
    label, an annotation and a taint of somebody else's.
    """
    keeper, cycler = await stage.nodes("keeper", "cycler", zone="a")
    keeper.pods.run()
    await schedulable(stage, "keeper", "cycler")
    await _settle(stage, cycler)
    for _ in range(TIMES):
        await stage.hold(_rest(stage.timing))
        if not await _cycle(stage, cycler):
            return


async def _settle(stage: Stage, node: SimulatedNode) -> None:
    await stage.patch(NODE, "cycler", {"metadata": MARKED["metadata"], "spec": {"unschedulable": True}})
    await stage.until(
        lambda: taints.has(stage.current(NODE, "cycler"), UNSCHEDULABLE, NO_SCHEDULE),
        within=stage.timing.no_schedule_taint().latest,
    )
    await change(stage, "cycler", "marking", add=MARKED["spec"]["taints"])
    seconds = toleration(stage.timing)
    tolerations = [tolerate(UNREACHABLE, seconds), tolerate(NOT_READY, seconds)]
    await stage.pod("survivor", node_name=node.name, tolerations=tolerations)
    node.pods.run()
    await running(stage, ["survivor"])
    await stage.hold(2 * stage.timing.beat_interval)


async def _cycle(stage: Stage, node: SimulatedNode) -> bool:
    """One outage; whether the node was given up in it."""
    timing = stage.timing
    # The return is paid for in advance: the pod tolerates an outage of a certain length, not a queue.
    await stage.pace(RETURN)
    await node.fall_silent()
    flipped = timing.unknown_after_silence().latest + timing.slack
    if not await stage.until(lambda: ready(stage, "cycler") == "Unknown", within=flipped):
        return False
    await stage.until(
        lambda: taints.has(stage.current(NODE, "cycler"), UNREACHABLE, NO_EXECUTE),
        within=timing.no_execute_taint(2).latest,
    )
    await stage.hold(outage(timing))
    await node.recover(paced=True)
    node.pods.run()
    await stage.until(lambda: not controller_taints(stage, "cycler"), within=timing.taints_removed().latest)
    return True
