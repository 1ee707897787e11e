"""Pods run on an agent's node."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.kinds import NODE, POD
from conformance.scenario import agent_scenario

PODS = 5
CONTAINER = {
    "name": "pause",
    "image": "registry.k8s.io/pause:3.9",
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
}


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    return begin + 3 * timing.status_tick().latest


@agent_scenario(watches=(NODE, POD), longest=_longest)
async def agent_bound_pods(stage: AgentStage) -> None:
    """Five pods with requests are bound to the node, and somebody asks for a new status by taking its capacity away."""
    tick = stage.timing.status_tick().latest
    await stage.start()
    if not await stage.until(lambda: stage.node, within=stage.timing.registered().latest):
        return
    await stage.until(stage.is_ready, within=stage.timing.ready().latest)
    stage.mark("before pods", node=stage.node)
    for number in range(PODS):
        await stage.pod(f"pod-{number}", {"containers": [CONTAINER]})
    names = [stage.naming.name(f"pod-{number}") for number in range(PODS)]

    def running() -> bool:
        pods = [stage.current(POD, name) or {} for name in names]
        return all((pod.get("status") or {}).get("phase") == "Running" for pod in pods)

    stage.mark("pods run", all=await stage.until(running, within=2 * tick))
    await stage.patch(NODE, stage.node_name, {"status": {"allocatable": {"memory": "1Gi"}}}, subresource="status")
    await stage.hold(tick)
