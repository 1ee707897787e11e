"""A container crashes until its restarts cannot wait any longer, runs well for long, and crashes once more."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.drive.containers import pause
from conformance.judge import agent_pods as pods
from conformance.kinds import LEASE, NODE, POD
from conformance.scenario import agent_scenario

CODE = 3


def crashes(timing: AgentTiming) -> int:
    """How many crashes it takes to see the longest wait twice."""
    return timing.crashes_to_the_longest_wait() + 1


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    waits = sum(timing.restarted(number).latest for number in range(1, crashes(timing) + 1))
    return begin + timing.pod_running().latest + waits + timing.forgiven() + timing.restarted(1).latest


@agent_scenario(watches=(NODE, LEASE, POD), abilities=("can_exit_containers",), longest=_longest)
async def agent_crash_loop(stage: AgentStage) -> None:
    """A container is ended as soon as it runs, again and again; then it runs for so long that this is forgotten."""
    timing = stage.timing
    await stage.start()
    if not await stage.settled():
        return
    await stage.pod("crashing", {"containers": [pause("c1")]})
    for number in range(1, crashes(timing) + 1):
        if not await _crash(stage, number):
            return
    stage.mark("crashed often")
    await stage.hold(timing.forgiven())
    await _crash(stage, 1)


async def _crash(stage: AgentStage, number: int) -> bool:
    """Ends the container when it runs, and waits for its restart; says whether that came."""
    within = stage.timing.pod_running().latest
    if not await stage.until(lambda: _running(stage), within=within):
        return False
    before = _running(stage)
    uid = (stage.pod_state("crashing") or {})["metadata"]["uid"]
    stage.mark("crash", number=number)
    await stage.driver.exit_container(uid, "c1", CODE)
    within = stage.timing.restarted(number).latest + stage.timing.pod_acknowledged().latest
    return await stage.until(lambda: _running(stage) not in ("", before), within=within)


def _running(stage: AgentStage) -> str:
    """Id of the running container; empty when none runs."""
    each = pods.container(stage.pod_state("crashing"), "c1")
    return str(each.get("containerID") or "") if pods.is_running(each) else ""
