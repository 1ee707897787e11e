"""The master refuses registration for a while."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.driver import Disturbance
from conformance.kinds import LEASE, NODE
from conformance.record.history import AGENT
from conformance.scenario import agent_scenario

TRIES = 10
"""Enough to see the longest pause twice."""


def _longest(timing: AgentTiming) -> float:
    return timing.startup + timing.retries(TRIES) + timing.recovered().latest + timing.lease_created().latest


@agent_scenario(watches=(NODE, LEASE), longest=_longest)
async def agent_refused(stage: AgentStage) -> None:
    """The master answers 503 to every registration until the agent has tried ten times.

    It keeps CSINodes back, too: a kubelet that reaches them and cannot make its own, for want of a Node, ends after a
    while in order to be started anew.
    """
    timing = stage.timing
    heal = stage.disturb(
        Disturbance("status", "POST", "/api/v1/nodes$", status=503),
        Disturbance("status", "", "/apis/storage.k8s.io/v1/csinodes", status=503),
    )
    await stage.start()

    def tries() -> int:
        posts = [x for x in stage.log.exchanges_since(0) if x.who == AGENT and x.method == "POST"]
        return sum(x.path.partition("?")[0] == "/api/v1/nodes" for x in posts)

    await stage.until(lambda: tries() >= TRIES, within=timing.startup + timing.retries(TRIES))
    stage.mark("alive", alive=stage.driver.is_alive())
    heal()
    if await stage.until(lambda: stage.node, within=timing.recovered().latest):
        await stage.until(lambda: stage.lease, within=timing.lease_created().latest)
