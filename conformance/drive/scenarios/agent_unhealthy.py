"""An agent's machine is not well."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.judge.conditions import status
from conformance.kinds import LEASE, NODE
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
    return _begin(timing) + timing.runtime_lost().latest + 3 * timing.renewal().latest + timing.ready().latest


@agent_scenario(watches=(NODE, LEASE), abilities=("can_runtime",), longest=_longest_without)
async def agent_without_runtime(stage: AgentStage) -> None:
    """The container runtime stops to answer, and comes back after three renewals of the Lease."""
    timing = stage.timing
    await stage.start()
    if not await stage.settled():
        return
    await stage.driver.runtime(up=False)
    stage.mark("runtime down")
    await stage.until(lambda: not stage.is_ready(), within=timing.runtime_lost().latest)
    stage.mark("not ready", told=not stage.is_ready())
    await stage.hold(3 * timing.renewal().latest)
    await stage.driver.runtime(up=True)
    stage.mark("runtime up")
    await stage.until(stage.is_ready, within=timing.ready().latest)
