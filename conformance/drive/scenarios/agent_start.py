"""An agent starts against an empty master and is left alone."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.kinds import LEASE, NODE
from conformance.scenario import agent_scenario

RENEWALS = 5


def _longest(timing: AgentTiming) -> float:
    return timing.registered().latest + timing.lease_created().latest + RENEWALS * timing.renewal().latest


@agent_scenario(watches=(NODE, LEASE), longest=_longest)
async def agent_start(stage: AgentStage) -> None:
    """The agent registers itself and renews its Lease for a while."""
    timing = stage.timing
    await stage.start()
    if await stage.until(lambda: stage.node, within=timing.registered().latest):
        await stage.until(lambda: stage.lease, within=timing.lease_created().latest)
        await stage.hold(RENEWALS * timing.renewal().latest)
