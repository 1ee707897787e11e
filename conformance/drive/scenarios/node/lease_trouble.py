"""The agent's Lease is fought over, and then deleted."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.driver import Disturbance
from conformance.kinds import LEASE, NODE
from conformance.scenario import agent_scenario

CONFLICTS = 1.5
"""Renewal intervals that end in conflicts."""

NOTE = "conformance.test/note"
DURATION = 1000
EDIT = {
    "metadata": {"annotations": {NOTE: "kept"}, "labels": {NOTE: "kept"}},
    "spec": {"leaseDurationSeconds": DURATION},
}
"""What somebody else writes into the Lease."""


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    return begin + (CONFLICTS + 6) * timing.renewal().latest


@agent_scenario(watches=(NODE, LEASE), abilities=("has_lease",), longest=_longest)
async def agent_lease_trouble(stage: AgentStage) -> None:
    """Renewals are answered with conflicts for one and a half intervals; later the Lease is edited, and deleted."""
    renewal = stage.timing.renewal().latest
    await stage.start()
    if not await stage.settled():
        return
    await stage.hold(renewal)
    heal = stage.disturb(Disturbance("status", "PUT", "/apis/coordination.k8s.io/", status=409))
    await stage.hold(CONFLICTS * renewal)
    stage.mark("alive", alive=stage.driver.is_alive())
    heal()
    await stage.hold(renewal)
    await stage.patch(LEASE, stage.node_name, EDIT)
    stage.mark("lease edited")
    await stage.hold(2 * renewal)
    stage.mark("lease deleted")
    await stage.delete(LEASE, stage.node_name)
    await stage.until(lambda: stage.lease is None, within=stage.timing.slack)
    await stage.until(lambda: stage.lease, within=renewal)
