"""An agent's machine goes down in good order."""

from __future__ import annotations

from typing import Any

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.drive.containers import STUBBORN, pause, shell
from conformance.judge.pods import TERMINAL
from conformance.kinds import LEASE, NODE, POD
from conformance.scenario import agent_scenario

TOTAL, CRITICAL = 14, 6
"""Seconds until the machine goes down, and the part of them that is kept for critical pods."""
PODS: dict[str, dict[str, Any]] = {
    "willing": {"containers": [pause()]},
    "stubborn": {"containers": [shell(STUBBORN)]},
    "critical": {"containers": [pause()], "priorityClassName": "system-node-critical"},
}


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    return begin + timing.pod_running(len(PODS)).latest + TOTAL + timing.status_tick().latest + timing.slack


@agent_scenario(
    watches=(NODE, LEASE, POD), abilities=("can_shut_down", "kubelet_config", "runs_containers"), longest=_longest
)
async def agent_shutdown(stage: AgentStage) -> None:
    """The machine goes down with three pods, and a fourth comes."""
    timing = stage.timing
    config = {"shutdownGracePeriod": f"{TOTAL}s", "shutdownGracePeriodCriticalPods": f"{CRITICAL}s"}
    await stage.start(config=config)
    if not await stage.settled():
        return
    for role, spec in PODS.items():
        await stage.pod(role, spec)
    await stage.until(
        lambda: all(stage.phase(role) == "Running" for role in PODS), within=timing.pod_running(len(PODS)).latest
    )
    stage.mark("goes down", running=[role for role in PODS if stage.phase(role) == "Running"])
    await stage.driver.shut_down()
    await stage.hold(timing.slack)
    await stage.pod("late", {"containers": [pause()]})
    await stage.until(lambda: stage.phase("critical") in TERMINAL, within=TOTAL + timing.pod_acknowledged().latest)
    await stage.hold(timing.renewal().latest)
