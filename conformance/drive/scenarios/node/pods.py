"""Pods are bound to an agent's node, some of them before the agent is there, and their statuses are meddled with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.agent_timing import AgentTiming
from conformance.client import STRATEGIC
from conformance.drive.agent import AgentStage
from conformance.drive.containers import pause
from conformance.judge.conditions import status
from conformance.kinds import LEASE, NODE, POD
from conformance.scenario import agent_scenario

SMALL = {"cpu": "10m", "memory": "16Mi"}
HUGE = {"cpu": "1000"}
GATE = "conformance.test/open"
WEATHER = "conformance.test/weather"
NAMES = ("c", "a", "b")
INIT_NAMES = ("z-first", "a-second")
BOUND: dict[str, dict[str, Any]] = {
    "plain": {"containers": [pause("c1", requests=SMALL)]},
    "several": {"containers": [pause(name) for name in NAMES]},
    "initialized": {"containers": [pause("c1")], "initContainers": [pause(name) for name in INIT_NAMES]},
    "gated": {"containers": [pause("c1")], "readinessGates": [{"conditionType": GATE}]},
    "meddled": {"containers": [pause("c1")]},
    "host": {"containers": [pause("c1")], "hostNetwork": True},
}
DYING = ("dying", "dying-giant")
RUNNING = tuple(role for role in BOUND if role != "initialized")
MEDDLED = {"phase": "Pending", "podIP": "203.0.113.9", "containerStatuses": []}


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    pods = (
        timing.pod_removed(pods=len(DYING)).latest
        + timing.pod_running(len(BOUND)).latest
        + timing.pod_acknowledged().latest
        + timing.pod_repaired().latest
    )
    return begin + pods + timing.pod_idle() + timing.slack


@agent_scenario(watches=(NODE, LEASE, POD), longest=_longest)
async def agent_pods(stage: AgentStage) -> None:
    """An ended and a dying pod await the agent; others are bound to it, meddled with, and left alone."""
    timing = stage.timing
    await _await_the_agent(stage)
    await stage.start()
    if not await stage.settled():
        return
    # They take room until they are gone.
    await stage.until(lambda: not any(map(stage.pod_state, DYING)), within=timing.pod_removed(pods=len(DYING)).latest)
    stage.mark("pods bound")
    for role, spec in BOUND.items():
        await stage.pod(role, spec)
    await stage.until(lambda: all(stage.phase(role) == "Running" for role in RUNNING), within=_come_up(timing))
    await stage.until(_status_is(stage, "plain", "Ready", "True"), within=timing.pod_acknowledged().latest)
    stage.mark("gate opened")
    await _patch(stage, "gated", {"conditions": [{"type": GATE, "status": "True"}]})
    await stage.until(_status_is(stage, "gated", "Ready", "True"), within=timing.pod_acknowledged().latest)
    stage.mark("status overwritten", pod=stage.pod_state("meddled"))
    await _patch(stage, "meddled", {**MEDDLED, "conditions": [{"type": WEATHER, "status": "True"}]})
    overwritten = stage.pod_state("meddled")
    await stage.until(lambda: stage.pod_state("meddled") is not overwritten, within=timing.slack)
    await stage.until(lambda: stage.phase("meddled") == "Running", within=timing.pod_repaired(len(BOUND)).latest)
    await stage.hold(timing.slack)
    stage.mark("left alone")
    await stage.hold(timing.pod_idle())


async def _await_the_agent(stage: AgentStage) -> None:
    """What was there before the agent: a pod that has ended, one that is being deleted, one of another node."""
    await stage.pod("done", {"containers": [pause(requests=HUGE)], "restartPolicy": "Never"})
    await _patch(stage, "done", {"phase": "Succeeded"})
    await stage.pod("dying", {"containers": [pause()]})
    await stage.pod("dying-giant", {"containers": [pause(requests=HUGE)]})
    await stage.pod("stray", {"containers": [pause()], "nodeName": stage.naming.name("elsewhere")})
    for role in DYING:
        await stage.delete_pod(role)


def _come_up(timing: AgentTiming) -> float:
    return timing.pod_running(len(BOUND)).latest


def _status_is(stage: AgentStage, role: str, kind: str, wanted: str) -> Callable[[], bool]:
    return lambda: status(stage.pod_state(role), kind) == wanted


async def _patch(stage: AgentStage, role: str, change: dict[str, Any]) -> None:
    name = stage.naming.name(role)
    await stage.patch(POD, name, {"status": change}, subresource="status", content_type=STRATEGIC)
