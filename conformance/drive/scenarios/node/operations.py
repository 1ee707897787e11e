"""Operators work at an agent's node: they cordon it, and its machine boots."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.kinds import EVENT, LEASE, NODE
from conformance.scenario import agent_scenario

OLD_BOOT = "00000000-0000-4000-8000-000000000000"


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    return begin + 4 * timing.status_tick().latest + timing.registered().latest


@agent_scenario(watches=(NODE, LEASE, EVENT), longest=_longest)
async def agent_operations(stage: AgentStage) -> None:
    """The node is cordoned and uncordoned; while the agent is stopped, its Node gets the id of an earlier boot."""
    timing = stage.timing
    await stage.start()
    if not await stage.settled():
        return
    for unschedulable, name in ((True, "cordoned"), (False, "uncordoned")):
        stage.mark(name)
        await stage.patch(NODE, stage.node_name, {"spec": {"unschedulable": unschedulable or None}})
        await stage.hold(timing.status_tick().latest)
    stage.mark("before the boot", node=stage.node)
    await stage.stop()
    body = {"status": {"nodeInfo": {"bootID": OLD_BOOT}}}
    await stage.patch(NODE, stage.node_name, body, subresource="status")
    await stage.until(lambda: boot_id(stage.node) == OLD_BOOT, within=timing.slack)
    stage.mark("booted", told=boot_id(stage.node))
    await stage.restart()
    await stage.hold(timing.registered().latest + 2 * timing.status_tick().latest)


def boot_id(node: object) -> str:
    """The boot that a Node tells of."""
    assert node is None or hasattr(node, "get")
    status = (node.get("status") if node is not None else None) or {}
    return str((status.get("nodeInfo") or {}).get("bootID") or "")
