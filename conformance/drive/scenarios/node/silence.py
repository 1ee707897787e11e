"""The master says nothing: connections have died without a sign, or requests are taken and never answered."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.driver import Disturbance
from conformance.kinds import LEASE, NODE
from conformance.record.history import AGENT
from conformance.scenario import agent_scenario

SILENCES = ("hang", "blackhole")


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    each = silent(timing) + timing.recovered(silent=True).latest + timing.renewal().latest
    return begin + timing.reconnected().latest + timing.renewal().latest + len(SILENCES) * each


def silent(timing: AgentTiming) -> float:
    """Seconds that the master says nothing: longer than a renewal and two requests that are given up."""
    return timing.renewal().latest + 2 * timing.heartbeat_timeout


@agent_scenario(watches=(NODE, LEASE), longest=_longest)
async def agent_silence(stage: AgentStage) -> None:
    """All open connections die without a sign; later the master hangs, and then takes no connections, either."""
    timing = stage.timing
    await stage.start()
    if not await stage.settled():
        return
    await stage.hold(timing.renewal().latest)
    old = {x.connection for x in stage.agents_requests()}
    heal = stage.disturb(Disturbance("half-dead"))
    stage.mark("connections dead", connections=sorted(old))

    def new() -> bool:
        return any(x.status and x.connection not in old for x in stage.log.exchanges_since(0) if x.who == AGENT)

    await stage.until(new, within=timing.reconnected().latest)
    heal()
    await stage.hold(timing.recovered(silent=True).latest + timing.renewal().latest)
    for kind in SILENCES:
        heal = stage.disturb(Disturbance(kind, seconds=3 * silent(timing)))
        stage.mark(f"silence: {kind}")
        await stage.hold(silent(timing))
        stage.mark(f"alive after {kind}", alive=stage.driver.is_alive())
        heal()
        stage.mark(f"silence over: {kind}")
        await stage.hold(timing.recovered(silent=True).latest + timing.renewal().latest)
