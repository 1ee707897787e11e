"""An agent is only looked at; it may be one of a running cluster."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.kinds import LEASE, NODE
from conformance.scenario import agent_scenario

RENEWALS = 4


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    return begin + RENEWALS * timing.renewal().latest


@agent_scenario(watches=(NODE, LEASE), longest=_longest, only_watches=True)
async def agent_watched(stage: AgentStage) -> None:
    """Nothing is done to a node that is there, for four renewals of its Lease."""
    await stage.start()
    if await stage.settled():
        stage.mark("watched")
        await stage.hold(RENEWALS * stage.timing.renewal().latest)
