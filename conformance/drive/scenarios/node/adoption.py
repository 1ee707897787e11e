"""An agent stops, an operator edits its Node, and it starts again."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.client import STRATEGIC
from conformance.drive.agent import AgentStage
from conformance.kinds import LEASE, NODE
from conformance.scenario import agent_scenario

MINE = "conformance.test/mine"
ADDED = "conformance.test/added"
OPERATOR = "conformance.test/operator"
FIRST = {"key": "conformance.test/first", "value": "a", "effect": "NoSchedule"}
SECOND = {"key": "conformance.test/second", "value": "b", "effect": "NoSchedule"}
PAGES = "hugepages-3Mi"
WIDGET = "conformance.test/widget"
RESOURCES = {PAGES: "0", WIDGET: "3"}
EDIT = {
    "metadata": {
        "labels": {
            MINE: "edited",
            OPERATOR: "was-here",
            "kubernetes.io/os": "plan9",
            "kubernetes.io/hostname": "moved",
            "beta.kubernetes.io/arch": "z80",
        },
        "annotations": {OPERATOR: "was-here"},
    },
    "spec": {
        "unschedulable": True,
        "taints": [{"key": OPERATOR, "effect": "NoSchedule"}],
    },
}

WEATHER = {"type": "ConformanceWeather", "status": "True", "reason": "Sunny", "message": "No clouds."}
"""A condition of somebody else's."""


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    return begin + 2 * _quiet(timing) + 2 * _busy(timing)


def _quiet(timing: AgentTiming) -> float:
    return 2 * timing.renewal().latest + timing.status_tick().latest


def _busy(timing: AgentTiming) -> float:
    return timing.registered().latest + timing.status_tick().latest + timing.renewal().latest


@agent_scenario(watches=(NODE, LEASE), longest=_longest)
async def agent_adoption(stage: AgentStage) -> None:
    """The agent is stopped, started with other options on a Node that was edited meanwhile, killed, and restarted."""
    timing = stage.timing
    await stage.start(labels={MINE: "first"}, taints=(FIRST,))
    if not await stage.settled():
        return
    await stage.stop()
    await stage.hold(_quiet(timing))
    amounts = {"status": {"capacity": RESOURCES, "allocatable": RESOURCES}}
    await stage.patch(NODE, stage.node_name, amounts, subresource="status")
    weather = {"status": {"conditions": [WEATHER]}}
    await stage.patch(NODE, stage.node_name, weather, subresource="status", content_type=STRATEGIC)
    await stage.patch(NODE, stage.node_name, EDIT)
    await stage.until(lambda: (stage.node or {})["spec"].get("unschedulable"), within=timing.slack)
    stage.mark("operator edited")
    await stage.start(labels={MINE: "second", ADDED: "yes"}, taints=(SECOND,))
    await stage.hold(_busy(timing))
    await stage.stop(kill=True)
    await stage.hold(_quiet(timing))
    await stage.restart()
    await stage.hold(_busy(timing))
