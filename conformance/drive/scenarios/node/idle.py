"""An agent has nothing to tell."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.kinds import LEASE, NODE
from conformance.record.history import AGENT, Exchange
from conformance.scenario import agent_scenario


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    return begin + timing.status_tick().latest + timing.status_report().latest


@agent_scenario(watches=(NODE, LEASE), longest=_longest)
async def agent_idle(stage: AgentStage) -> None:
    """Nothing happens until the agent writes its unchanged status again."""
    timing = stage.timing
    await stage.start()
    if not await stage.settled():
        return
    await stage.hold(timing.status_tick().latest)
    stage.mark("idle")

    def reports(exchange: Exchange) -> bool:
        return exchange.who == AGENT and exchange.method in ("PUT", "PATCH") and "/status" in exchange.path

    await stage.until_request(reports, within=timing.status_report().latest)
