"""Pods come to an agent from files on its machine."""

from __future__ import annotations

from typing import Any

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.drive.containers import pause
from conformance.judge import agent_pods as pods
from conformance.kinds import LEASE, NODE, POD
from conformance.record.history import Object
from conformance.scenario import agent_scenario


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    return begin + 4 * timing.manifest_read().latest + timing.slack


@agent_scenario(watches=(NODE, LEASE, POD), abilities=("has_manifests",), longest=_longest)
async def agent_static(stage: AgentStage) -> None:
    """A pod's file is there at the start, another one comes; the mirror of the first is deleted, and then its file."""
    timing = stage.timing
    await stage.driver.manifest("web", _manifest(stage, "web"))
    await stage.start()
    if not await stage.settled():
        return
    within = timing.manifest_read().latest
    await stage.until(lambda: _runs(stage, "web"), within=within)
    stage.mark("mirrored", mirror=_mirror(stage, "web"), node=stage.node)
    await stage.driver.manifest("more", _manifest(stage, "more"))
    stage.mark("file written")
    await stage.until(lambda: _runs(stage, "more"), within=within)
    await stage.hold(timing.slack)
    stage.mark("mirror deleted")
    await stage.delete(POD, mirror_name(stage.naming.name("web"), stage.node_name), grace=0)
    await stage.until(lambda: _mirror(stage, "web") is None, within=timing.slack)
    await stage.until(lambda: _runs(stage, "web"), within=within)
    await stage.hold(timing.slack)
    stage.mark("mirrored again", mirror=_mirror(stage, "web"))
    await stage.driver.manifest("web", None)
    stage.mark("file removed")
    await stage.until(lambda: _mirror(stage, "web") is None, within=within)
    await stage.hold(timing.slack)


def mirror_name(name: str, node: str) -> str:
    """What a static pod is called in the API."""
    return f"{name}-{node}"


def _manifest(stage: AgentStage, role: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": stage.naming.name(role), "namespace": "default"},
        "spec": {"containers": [pause("c1")]},
    }


def _mirror(stage: AgentStage, role: str) -> Object | None:
    return stage.current(POD, mirror_name(stage.naming.name(role), stage.node_name))


def _runs(stage: AgentStage, role: str) -> bool:
    return pods.phase(_mirror(stage, role)) == "Running"
