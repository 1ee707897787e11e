"""An agent is frozen for a while."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.client import STRATEGIC
from conformance.drive.agent import AgentStage
from conformance.drive.scenarios.node.foreign_edits import taken_over
from conformance.kinds import LEASE, NODE
from conformance.scenario import agent_scenario


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    return begin + timing.node_lease_duration_seconds + 3 * timing.renewal().latest + 3 * timing.status_tick().latest


@agent_scenario(watches=(NODE, LEASE), abilities=("can_pause",), longest=_longest)
async def agent_paused(stage: AgentStage) -> None:
    """The agent is frozen until its Lease is over; its conditions are set to Unknown meanwhile, and it goes on."""
    timing = stage.timing
    await stage.start()
    if not await stage.settled():
        return
    await stage.hold(timing.renewal().latest)
    await stage.driver.pause()
    stage.mark("agent frozen")
    await stage.hold(timing.node_lease_duration_seconds)
    await stage.patch(
        NODE,
        stage.node_name,
        {"status": {"conditions": taken_over(stage)}},
        subresource="status",
        content_type=STRATEGIC,
    )
    await stage.hold(timing.slack)
    stage.mark("agent resumed")
    await stage.driver.resume()
    await stage.hold(max(timing.status_tick().latest, 2 * timing.renewal().latest))
    await stage.until(stage.is_ready, within=timing.runtime_regained().latest)
