"""The master refuses the agent's status for a while."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.driver import Disturbance
from conformance.kinds import LEASE, NODE
from conformance.scenario import agent_scenario

TICKS = 3
MEMORY = "1Gi"


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    return begin + (TICKS + 2) * timing.status_tick().latest


@agent_scenario(watches=(NODE, LEASE), longest=_longest)
async def agent_status_refused(stage: AgentStage) -> None:
    """The master answers 500 to writes of the status while there is something to write."""
    tick = stage.timing.status_tick().latest
    await stage.start()
    if not await stage.settled():
        return
    await stage.hold(tick)
    heal = stage.disturb(Disturbance("status", "", f"/api/v1/nodes/{stage.node_name}/status", status=500))
    await stage.patch(NODE, stage.node_name, {"status": {"capacity": {"memory": MEMORY}}}, subresource="status")
    await stage.hold(TICKS * tick)
    heal()
    await stage.until(lambda: (stage.node or {})["status"]["capacity"]["memory"] != MEMORY, within=tick)
