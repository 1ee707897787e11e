"""A pod grows and shrinks while others wait for what it leaves."""

from __future__ import annotations

from typing import Any

from conformance.client import STRATEGIC, existing
from conformance.drive import manifests, placing
from conformance.drive.stage import Stage
from conformance.drive.waits import schedulable
from conformance.kinds import NODE, POD
from conformance.scenario import scenario
from conformance.timing import Timing

SINCE = 33
"""The minor version from which on pods can be resized without enabling a feature."""
WAITING = {
    "beside-wanted": "2 cpu are asked, though 1 is allocated so far",
    "beside-allocated": "2 cpu are allocated, though half a one is asked by now",
    "beside-actual": "2 cpu are in use, though half a one is asked and allocated by now",
}
"""Pods of 1.5 cpu that are offered to a node of 3, and why there is no room for them."""


def _longest(timing: Timing) -> float:
    return timing.no_schedule_taint().latest + 5 * timing.scheduled().latest + 2 * timing.slack


@scenario(watches=(NODE, POD), longest=_longest)
async def resizing(stage: Stage) -> None:
    """A pod is resized from 1 cpu to 2 and to a half, of three that its node has, and the node follows late.

    Roles: node `elastic` with the pod `grower`; the pods of `WAITING` come one after the other, and one of them is
    bound in the end.
    """
    if stage.facts.minor < SINCE:
        return
    await stage.node("elastic", allocatable={**manifests.CAPACITY, "cpu": "3"})
    await schedulable(stage, "elastic")
    await placing.offer(stage, "grower", "elastic", {"cpu": "1"})
    await placing.placed(stage, "grower")
    await _report(stage, allocated="1", actual="1")
    if not await _resize(stage, "grown", "2"):
        return
    await _wait(stage, "beside-wanted")
    await _report(stage, allocated="2", actual="2")
    await _resize(stage, "shrunk", "500m")
    await _wait(stage, "beside-allocated")
    await _report(stage, allocated="500m", actual="2")
    await _wait(stage, "beside-actual")
    await placing.count_visitors(stage, "elastic")
    with stage.request("room made"):
        await _report(stage, allocated="500m", actual="500m")
    await stage.until(lambda: any(_bound(stage, role) for role in WAITING), within=stage.timing.scheduled().latest)


async def _wait(stage: Stage, role: str) -> None:
    """A pod comes for which there is no room; the scheduler looks at it while things are as they are."""
    await placing.offer(stage, role, "elastic", {"cpu": "1500m"})
    await placing.answered(stage, role)
    await stage.hold(stage.timing.slack)
    stage.mark(f"{role} waited")


async def _resize(stage: Stage, mark: str, cpu: str) -> bool:
    """Asks for another size; says whether that is possible."""
    path = POD.path(stage.naming.namespace, stage.naming.name("grower"), "resize")
    body = {"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": cpu}}}]}}
    answer = await stage.ask(mark, "PATCH", path, body, content_type=STRATEGIC)
    return answer.status == 200


async def _report(stage: Stage, *, allocated: str, actual: str) -> None:
    """The node says what the container has been promised, and what it has."""
    known = ((stage.current(POD, "grower") or {}).get("status") or {}).get("podIP")
    status: dict[str, Any] = manifests.running_status(stage.clock.timestamp(), known or stage.pod_address())
    (container,) = status["containerStatuses"]
    container |= {"allocatedResources": {"cpu": allocated}, "resources": {"requests": {"cpu": actual}}}
    with existing():
        await stage.patch(POD, "grower", {"status": status}, content_type=STRATEGIC, subresource="status")


def _bound(stage: Stage, role: str) -> bool:
    return bool(((stage.current(POD, role) or {}).get("spec") or {}).get("nodeName"))
