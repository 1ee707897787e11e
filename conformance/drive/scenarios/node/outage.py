"""The master is away for a while."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.driver import Disturbance
from conformance.kinds import LEASE, NODE
from conformance.record.history import AGENT
from conformance.scenario import agent_scenario

TRIES = 9
"""Enough to see the longest pause twice."""


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    each = _away(timing) + timing.recovered().latest + 2 * timing.renewal().latest
    return begin + 2 * each + timing.rewatched().latest


def _away(timing: AgentTiming) -> float:
    return timing.renewal().latest + timing.retries(TRIES + 1)


@agent_scenario(watches=(NODE, LEASE), longest=_longest)
async def agent_outage(stage: AgentStage) -> None:
    """The master answers 503 to everything, is well for two renewals, and then refuses all connections."""
    await stage.start()
    if not await stage.settled():
        return
    for disturbance in (Disturbance("status", status=503), Disturbance("refuse")):
        await _outage(stage, disturbance)
    healed = stage.clock.moment()

    def watches() -> bool:
        asked = [x for x in stage.log.exchanges_since(0) if x.who == AGENT and x.sent > healed and x.status == 200]
        return any(x.path.startswith("/api/v1/pods?") and "watch=" in x.path for x in asked)

    await stage.until(watches, within=stage.timing.rewatched().latest)


async def _outage(stage: AgentStage, disturbance: Disturbance) -> None:
    timing, begin = stage.timing, len(stage.log.exchanges_since(0))
    heal = stage.disturb(disturbance)

    def tries() -> int:
        asked = [x for x in stage.log.exchanges_since(begin) if x.who == AGENT and x.method == "GET"]
        return sum(x.path.partition("?")[0].endswith(f"/leases/{stage.node_name}") for x in asked)

    await stage.until(lambda: tries() >= TRIES, within=_away(timing))
    stage.mark("alive", alive=stage.driver.is_alive())
    heal()
    await stage.hold(timing.recovered().latest + 2 * timing.renewal().latest)
