"""An agent starts against an empty master and is left alone."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.kinds import LEASE, NODE
from conformance.scenario import agent_scenario

RENEWALS = 5
BYSTANDER = "bystander"
LABELS = {"conformance.test/color": "green", "node.kubernetes.io/conformance": "yes"}
TAINTS = (
    {"key": "conformance.test/second", "value": "b", "effect": "NoSchedule"},
    {"key": "conformance.test/first", "value": "a", "effect": "PreferNoSchedule"},
)


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    return begin + RENEWALS * timing.renewal().latest


@agent_scenario(watches=(NODE, LEASE), longest=_longest)
async def agent_start(stage: AgentStage) -> None:
    """The agent registers itself, beside somebody else's Node, and renews its Lease for a while."""
    timing = stage.timing
    await stage.create(NODE, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": stage.naming.name(BYSTANDER)}})
    await stage.start(labels=LABELS, taints=TAINTS)
    if await stage.until(lambda: stage.node, within=timing.registered().latest):
        await stage.settled()
        await stage.hold(RENEWALS * timing.renewal().latest)
