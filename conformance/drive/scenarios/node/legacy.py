"""What only agents of the 1.5 era do."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.kinds import NODE
from conformance.scenario import agent_scenario


def _longest(timing: AgentTiming) -> float:
    return 2 * timing.registered().latest + timing.recovered().latest


@agent_scenario(watches=(NODE,), abilities=("registers_itself",), longest=_longest)
async def agent_foreign_node(stage: AgentStage) -> None:
    """The agent starts where its Node's name belongs to another machine."""
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": stage.node_name}, "spec": {"externalID": "other"}}
    await stage.create(NODE, body)
    await stage.start()

    def replaced() -> bool:
        return ((stage.node or {}).get("spec") or {}).get("externalID") not in (None, "other")

    await stage.until(replaced, within=stage.timing.registered().latest + stage.timing.recovered().latest)
