"""An administrator makes and deletes the agent's Node."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.kinds import LEASE, NODE
from conformance.scenario import agent_scenario

MINE = "conformance.test/mine"
TAINT = {"key": MINE, "value": "yes", "effect": "NoSchedule"}
ABSENT = 6
"""Update intervals for which a Node stays deleted."""


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    return begin + timing.registered().latest + (ABSENT + 3) * timing.status_tick().latest + timing.renewal().latest


@agent_scenario(watches=(NODE, LEASE), abilities=("registers_itself",), longest=_longest)
async def agent_deleted(stage: AgentStage) -> None:
    """The Node of a live agent is deleted, created bare, deleted again, and then the agent is restarted."""
    timing = stage.timing
    await stage.start(labels={MINE: "yes"}, taints=(TAINT,))
    if not await stage.settled():
        return
    await stage.hold(timing.status_tick().latest)
    await _delete(stage)
    await stage.hold(ABSENT * timing.status_tick().latest)
    stage.mark("alive", alive=stage.driver.is_alive())
    if stage.node is None:
        await bare_node(stage)
        await stage.until(stage.is_ready, within=timing.status_tick().latest)
        await stage.hold(timing.slack)
        await _lease_again(stage)
        await _delete(stage)
    await stage.stop()
    await stage.restart()
    await stage.until(lambda: stage.node, within=timing.registered().latest)


def _longest_unregistered(timing: AgentTiming) -> float:
    return timing.registered().latest + 3 * timing.status_tick().latest + timing.lease_created().latest


@agent_scenario(watches=(NODE, LEASE), abilities=("takes_register_node",), longest=_longest_unregistered)
async def agent_unregistered(stage: AgentStage) -> None:
    """An agent that must not register itself runs for a while before an administrator creates its Node."""
    timing = stage.timing
    await stage.start(register_node=False)
    await stage.hold(timing.registered().latest + 2 * timing.status_tick().latest)
    if stage.node is None:
        await bare_node(stage)
        await stage.until(stage.is_ready, within=timing.status_tick().latest)
        await stage.until(lambda: stage.lease, within=timing.lease_created().latest)


async def bare_node(stage: AgentStage) -> None:
    """Creates the agent's Node with nothing in it. Marks `node created bare`."""
    stage.mark("node created bare")
    await stage.create(NODE, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": stage.node_name}})


async def _lease_again(stage: AgentStage) -> None:
    """Deletes the Lease, which the node that was there before owned, as the garbage collector would."""
    if stage.can("has_lease") and stage.lease is not None:
        stage.mark("lease deleted")
        await stage.delete(LEASE, stage.node_name)
        await stage.until(lambda: stage.lease is None, within=stage.timing.slack)
        await stage.until(lambda: stage.lease, within=stage.timing.renewal().latest)


async def _delete(stage: AgentStage) -> None:
    await stage.delete(NODE, stage.node_name)
    await stage.until(lambda: stage.node is None, within=stage.timing.slack)
    stage.mark("node deleted")
