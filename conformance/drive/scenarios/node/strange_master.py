"""The master answers in ways that an agent may not have seen before, and has no ear for Events."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.client import STRATEGIC
from conformance.drive.agent import AgentStage
from conformance.drive.containers import pause
from conformance.driver import Disturbance
from conformance.kinds import LEASE, NODE, POD
from conformance.scenario import agent_scenario

EVENTS = "/api/v1/namespaces/[^/]+/events"
ODD = {"type": "ConformanceOdd", "status": "Perhaps", "reason": "", "message": ""}

LATE = ("stale", "slow")
"""Reads that tell how it was, or take their time; also the roles of pods that come meanwhile."""


def _late(timing: AgentTiming) -> float:
    return timing.pod_running().latest + timing.pod_repaired().latest


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    late = len(LATE) * _late(timing)
    return begin + late + 2 * timing.pod_running().latest + 2 * timing.renewal().latest + timing.status_tick().latest


@agent_scenario(watches=(NODE, LEASE, POD), longest=_longest)
async def agent_strange_master(stage: AgentStage) -> None:
    """Unknown fields, Events that hang and fail, missing resources, requests that are put off, stale and slow reads."""
    timing = stage.timing
    heal = stage.disturb(Disturbance("hang", "POST", EVENTS, seconds=timing.renewal().latest))
    stage.disturb(Disturbance("status", "GET", "/apis/(storage.k8s.io/.*/csidrivers|node.k8s.io)", status=404))
    plain = stage.disturb(Disturbance("embellish", "GET"))
    for method, path in (("PATCH", "/api/v1/nodes"), ("PUT", "/apis/coordination"), ("PATCH", "/api/v1/namespaces")):
        stage.disturb(Disturbance("status", method, path, status=429, times=2))
    await stage.start()
    await stage.settled()
    stage.mark("begun", ready=stage.is_ready(), leased=stage.lease is not None)
    await stage.pod("first", {"containers": [pause("c1")]})
    await stage.until(lambda: stage.phase("first") == "Running", within=timing.pod_running().latest)
    heal()
    stage.disturb(Disturbance("status", "POST", EVENTS, status=500))
    odd = {"status": {"conditions": [ODD]}}
    await stage.patch(NODE, stage.node_name, odd, subresource="status", content_type=STRATEGIC)
    await stage.pod("second", {"containers": [pause("c1")]})
    await stage.until(lambda: stage.phase("second") == "Running", within=timing.pod_running().latest)
    stage.mark("pods came")
    plain()
    for kind in LATE:
        heal = stage.disturb(Disturbance(kind, "GET", seconds=timing.slack))
        await stage.pod(kind, {"containers": [pause("c1")]})
        await stage.until(lambda kind=kind: stage.phase(kind) == "Running", within=_late(timing))  # type: ignore[misc]
        heal()
    await stage.hold(2 * timing.renewal().latest + timing.status_tick().latest)
    stage.mark("alive", alive=stage.driver.is_alive())
