"""Pods of different rank on a full node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.drive import manifests, placing
from conformance.drive.scenarios.master.accounting import LONG_GRACE
from conformance.drive.stage import Stage
from conformance.drive.sums import devices
from conformance.drive.waits import schedulable
from conformance.judge import pods
from conformance.kinds import NODE, POD, PRIORITY_CLASS
from conformance.scenario import scenario
from conformance.timing import Timing

CLASSES: Mapping[str, Mapping[str, Any]] = {
    "low": {"value": 10},
    "high": {"value": 1000},
    "meek": {"value": 1000, "preemptionPolicy": "Never"},
}
"""PriorityClasses of the run; all far below those of the system."""


def _longest(timing: Timing) -> float:
    return timing.no_schedule_taint().latest + 6 * timing.scheduled().latest + 2 * timing.slack


@scenario(watches=(NODE, POD), needs=(PRIORITY_CLASS,), longest=_longest)
async def preemption(stage: Stage) -> None:
    """A node is filled by a pod of low rank; then come its equal, a meek one and one of high rank.

    The pod that has to go takes its time, until the suite removes it; `bystander`, of low rank as well, is on the node
    and in nobody's way.
    """
    for role, fields in CLASSES.items():
        metadata = {"name": stage.naming.name(role), "labels": stage.naming.labels(role)}
        header = {"apiVersion": PRIORITY_CLASS.group_version, "kind": "PriorityClass", "metadata": metadata}
        await stage.create(PRIORITY_CLASS, {**header, **fields})
    await stage.node("full", capacity={**manifests.CAPACITY, **devices("throne", 1)})
    await schedulable(stage, "full")
    await _offer(stage, "victim", "low", grace=LONG_GRACE)
    await placing.offer(stage, "bystander", "full", priorityClassName=stage.naming.name("low"))
    await placing.placed(stage, "victim", "bystander")
    for role, rank in (("equal", "low"), ("polite", "meek")):
        await _offer(stage, role, rank)
        await placing.answered(stage, role)
    await stage.hold(stage.timing.slack)
    stage.mark("the preemptor comes")
    await _offer(stage, "preemptor", "high")
    await stage.until(lambda: pods.terminating(stage.current(POD, "victim")), within=stage.timing.scheduled().latest)
    await stage.until(lambda: nominated(stage.current(POD, "preemptor")), within=stage.timing.slack)
    await stage.hold(stage.timing.scheduler_backoff)
    await placing.removed(stage, "victim")
    await placing.placed(stage, "preemptor")


async def _offer(stage: Stage, role: str, rank: str, **spec: Any) -> None:
    name = stage.naming.name(rank)
    await placing.offer(stage, role, "full", devices("throne", 1), priorityClassName=name, **spec)


def nominated(pod: Mapping[str, Any] | None) -> str:
    """The node on which room is made for a pod; empty for none."""
    return str(((pod or {}).get("status") or {}).get("nominatedNodeName") or "")
