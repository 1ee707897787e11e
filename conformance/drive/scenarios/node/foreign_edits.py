"""Others write into the status of a live agent's Node."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from conformance.agent_timing import AgentTiming
from conformance.client import STRATEGIC
from conformance.drive.agent import AgentStage
from conformance.judge.conditions import all_conditions
from conformance.kinds import LEASE, NODE
from conformance.record.history import AGENT, Exchange
from conformance.scenario import agent_scenario

WIDGET = "conformance.test/widget"
WIDGETS = "7"
WEATHER = "ConformanceWeather"
CAPACITY = {"memory": "1Gi", "pods": "5", "cpu": "3"}
ADDRESSES = [{"type": "InternalIP", "address": "203.0.113.7"}, {"type": "ExternalIP", "address": "203.0.113.8"}]
LABEL = "kubernetes.io/os"
EDITS = ("capacity edited", "conditions taken over", "addresses edited")


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    return begin + 7 * timing.status_tick().latest


@agent_scenario(watches=(NODE, LEASE), longest=_longest)
async def agent_foreign_edits(stage: AgentStage) -> None:
    """Capacity, conditions, addresses, labels and podCIDR of the agent's Node are edited, one after the other."""
    await stage.start()
    if not await stage.settled():
        return
    await stage.hold(stage.timing.status_tick().latest)
    before = (stage.node or {}).get("status", {})
    await _edit(stage, "capacity edited", {"status": {"capacity": {**CAPACITY, WIDGET: WIDGETS}}})
    await _edit(stage, "conditions taken over", {"status": {"conditions": taken_over(stage)}}, how=STRATEGIC)
    await _edit(stage, "addresses edited", {"status": {"addresses": ADDRESSES}})
    await _edit(stage, "label edited", {"metadata": {"labels": {LABEL: "plan9"}}}, part="")
    cidr = "198.51.100.0/24"
    if not (stage.node or {}).get("spec", {}).get("podCIDR"):
        # Once given, the master lets nobody change it.
        await _edit(stage, "podCIDR given", {"spec": {"podCIDR": cidr, "podCIDRs": [cidr]}}, part="")
    stage.mark("edits over", addresses=before.get("addresses"))
    await stage.hold(stage.timing.status_tick().latest)


async def _edit(stage: AgentStage, name: str, body: dict[str, Any], *, how: str = "", part: str = "status") -> None:
    """Makes an edit, marks it, and gives the agent the time it has for an answer."""
    stage.mark(name, before=stage.node)
    options = {"content_type": how} if how else {}
    await stage.patch(NODE, stage.node_name, body, subresource=part, **options)

    def answers(exchange: Exchange) -> bool:
        return exchange.who == AGENT and exchange.method in ("PUT", "PATCH") and "/status" in exchange.path

    await stage.until_request(answers, within=stage.timing.status_tick().latest)
    await stage.hold(stage.timing.slack)


def taken_over(stage: AgentStage) -> list[dict[str, Any]]:
    """The agent's conditions as a controller that misses it writes them, turned a minute ago, and a stranger's."""
    turned = (stage.clock.now() - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    lost = {"status": "Unknown", "reason": "NodeStatusUnknown", "message": "Nobody home.", "lastTransitionTime": turned}
    weather = {
        "type": WEATHER,
        "status": "True",
        "reason": "Sunny",
        "message": "No clouds.",
        "lastTransitionTime": turned,
    }
    return [*({"type": kind, **lost} for kind in all_conditions(stage.node)), {**weather, "lastHeartbeatTime": turned}]
