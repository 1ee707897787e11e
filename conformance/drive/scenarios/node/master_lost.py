"""Containers live and end while the master is away."""

from __future__ import annotations

from typing import Any

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.drive.containers import pause, shell
from conformance.driver import Disturbance
from conformance.kinds import LEASE, NODE, POD
from conformance.scenario import agent_scenario

CODE = 3
BEFORE_END = 15
"""Seconds for which containers run that end during the outage: time enough for it to begin."""
PODS: dict[str, dict[str, Any]] = {
    "steady": {"containers": [pause("c1")]},
    "ending": {"containers": [shell(f"sleep {BEFORE_END}; exit 0", "c1")], "restartPolicy": "Never"},
    "failing": {"containers": [shell(f"sleep {BEFORE_END}; exit {CODE}", "c1")], "restartPolicy": "Never"},
    "returning": {"containers": [shell(f"sleep {BEFORE_END}; exit {CODE}", "c1")]},
}
"""All but the first end; the last is to be started again."""


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    away = BEFORE_END + timing.restarted(1).latest + timing.pod_repaired(len(PODS)).latest
    restarted = timing.registered().latest + 2 * timing.pod_repaired().latest + timing.rewatched().latest
    return begin + timing.pod_running(len(PODS)).latest + away + restarted


@agent_scenario(watches=(NODE, LEASE, POD), abilities=("runs_containers",), longest=_longest)
async def agent_master_lost(stage: AgentStage) -> None:
    """Nobody listens at the master's address while containers end; later not while the agent is restarted, either."""
    timing = stage.timing
    await stage.start()
    if not await stage.settled():
        return
    for role, spec in PODS.items():
        await stage.pod(role, spec)
    within = timing.pod_running(len(PODS)).latest
    if not await stage.until(lambda: all(stage.phase(role) == "Running" for role in PODS), within=within):
        return
    heal = stage.disturb(Disturbance("down"))
    await _note(stage, "master lost")
    await stage.hold(BEFORE_END + timing.restarted(1).latest)
    await _note(stage, "master still lost")
    heal()
    stage.mark("master back")
    await stage.hold(timing.pod_repaired(len(PODS)).latest)
    await _note(stage, "told")
    heal = stage.disturb(Disturbance("down"))
    await stage.stop(kill=True)
    await stage.restart()
    await stage.hold(timing.registered().latest + timing.pod_repaired().latest)
    await _note(stage, "restarted without a master")
    heal()
    await stage.hold(timing.rewatched().latest + timing.pod_repaired().latest)
    await _note(stage, "back again")


async def _note(stage: AgentStage, name: str) -> None:
    """Marks a point, with the pods as they are known and, where they can be listed, the containers on the node."""
    listed = await stage.driver.containers() if stage.can("lists_containers") else None
    stage.mark(name, listed=listed, pods={role: stage.pod_state(role) for role in PODS}, alive=stage.driver.is_alive())
