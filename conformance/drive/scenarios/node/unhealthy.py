"""An agent's machine is not well."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.drive.containers import pause
from conformance.judge.conditions import condition, status
from conformance.kinds import EVENT, LEASE, NODE, POD
from conformance.scenario import agent_scenario

TRANSITION = 30
"""--eviction-pressure-transition-period, in seconds."""
KINDS = {"memory": "MemoryPressure", "disk": "DiskPressure"}


def _begin(timing: AgentTiming) -> float:
    return timing.registered().latest + timing.lease_created().latest + timing.ready().latest


def _longest_pressed(timing: AgentTiming) -> float:
    each = timing.pressed().latest + timing.slack + timing.relieved(TRANSITION).latest
    return _begin(timing) + len(KINDS) * each


@agent_scenario(watches=(NODE, LEASE), abilities=("can_pressure", "kubelet_flags"), longest=_longest_pressed)
async def agent_pressed(stage: AgentStage) -> None:
    """Memory, and then disk, becomes scarce, is free for a moment, scarce again, and then free for good."""
    await stage.start(more={"eviction-pressure-transition-period": f"{TRANSITION}s"})
    if not await stage.settled():
        return
    for resource in KINDS:
        await _pressed(stage, resource)


async def _pressed(stage: AgentStage, resource: str) -> None:
    timing, kind = stage.timing, KINDS[resource]
    stage.mark(f"{resource} scarce")
    await stage.driver.pressure(resource, on=True)
    await stage.until(lambda: status(stage.node, kind) == "True", within=timing.pressed().latest)
    await stage.driver.pressure(resource, on=False)
    await stage.hold(timing.slack)
    await stage.driver.pressure(resource, on=True)
    await stage.hold(timing.pressed().latest)
    await stage.driver.pressure(resource, on=False)
    stage.mark(f"{resource} free")
    await stage.until(lambda: status(stage.node, kind) == "False", within=timing.relieved(TRANSITION).latest)


def _longest_without(timing: AgentTiming) -> float:
    lost = max(timing.runtime_lost().latest + 3 * timing.renewal().latest, timing.unwatched_containers().latest)
    pods = 2 * timing.pod_running().latest + timing.pod_acknowledged().latest
    return _begin(timing) + lost + timing.ready().latest + pods


@agent_scenario(watches=(NODE, LEASE, POD, EVENT), abilities=("can_runtime",), longest=_longest_without)
async def agent_without_runtime(stage: AgentStage) -> None:
    """The container runtime stops to answer, until nobody watches containers any more, and comes back."""
    timing = stage.timing
    await stage.start()
    if not await stage.settled():
        return
    await stage.pod("steady", {"containers": [pause("c1")]})
    await stage.until(lambda: stage.phase("steady") == "Running", within=timing.pod_running().latest)
    await stage.driver.runtime(up=False)
    stage.mark("runtime down", steady=stage.pod_state("steady"))
    await stage.until(lambda: not stage.is_ready(), within=timing.runtime_lost().latest)
    stage.mark("not ready", told=not stage.is_ready())
    await stage.pod("waiting", {"containers": [pause("c1")]})
    await stage.hold(3 * timing.renewal().latest)
    await stage.until(lambda: _unwatched(stage), within=timing.unwatched_containers().latest)
    stage.mark("runtime up")
    await stage.driver.runtime(up=True)
    await stage.until(stage.is_ready, within=timing.ready().latest)
    await stage.until(lambda: stage.phase("waiting") == "Running", within=timing.pod_running().latest)
    await stage.hold(timing.pod_acknowledged().latest)


def _unwatched(stage: AgentStage) -> bool:
    return "PLEG" in str((condition(stage.node, "Ready") or {}).get("message"))


def _longest_offline(timing: AgentTiming) -> float:
    told = timing.status_tick().latest + timing.runtime_regained().latest
    return _begin(timing) + 2 * told + 2 * timing.pod_running().latest + timing.pod_repaired().latest


@agent_scenario(
    watches=(NODE, LEASE, POD, EVENT), abilities=("can_network", "runs_containers"), longest=_longest_offline
)
async def agent_without_network(stage: AgentStage) -> None:
    """The pods' network is taken away, pods with and without need of it come, and it comes back."""
    timing = stage.timing
    await stage.start()
    if not await stage.settled():
        return
    await stage.driver.network(up=False)
    stage.mark("network down")
    await stage.until(lambda: not stage.is_ready(), within=timing.runtime_regained().latest)
    stage.mark("offline", told=not stage.is_ready())
    await stage.pod("needy", {"containers": [pause("c1")]})
    await stage.pod("host", {"containers": [pause("c1")], "hostNetwork": True})
    await stage.until(lambda: stage.phase("host") == "Running", within=timing.pod_running().latest)
    await stage.hold(timing.pod_repaired().latest)
    stage.mark("network up")
    await stage.driver.network(up=True)
    await stage.until(stage.is_ready, within=timing.runtime_regained().latest)
    await stage.until(lambda: stage.phase("needy") == "Running", within=timing.network_regained().latest)


def _longest_absent(timing: AgentTiming) -> float:
    return timing.registered().latest + timing.status_tick().latest


@agent_scenario(watches=(NODE, LEASE), abilities=("can_runtime",), longest=_longest_absent)
async def agent_runtime_absent(stage: AgentStage) -> None:
    """There is no container runtime when the agent starts."""
    await stage.driver.runtime(up=False)
    await stage.start()
    await stage.hold(stage.timing.registered().latest + stage.timing.status_tick().latest)
    stage.mark("waited", alive=stage.driver.is_alive())
