"""Asking the scheduler: pods that may go to one of the scenario's nodes only, and its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from conformance.client import existing
from conformance.judge import placing
from conformance.kinds import NODE, POD
from conformance.naming import ROLE_LABEL, RUN_LABEL, SCENARIO_LABEL

if TYPE_CHECKING:
    from conformance.drive.stage import Stage

Resources = Mapping[str, str]

VISITORS = "visitors"
"""The mark that says how many pods of others were on the scenario's nodes, by role."""


def only_on(stage: Stage, node: str) -> dict[str, str]:
    """The node selector of pods that may go to one node only."""
    return {SCENARIO_LABEL: stage.naming.scenario, ROLE_LABEL: node}


def asking(resources: Resources) -> dict[str, Resources]:
    """Requests, with equal limits where a resource demands it: fractions of devices cannot be shared."""
    devices = {name: amount for name, amount in resources.items() if "/" in name}
    return {"requests": resources, "limits": devices} if devices else {"requests": resources}


def container(name: str, resources: Resources, **more: Any) -> dict[str, Any]:
    """A container, for pods with several."""
    return {"name": name, "image": "registry.invalid/nothing:1", "resources": asking(resources), **more}


async def offer(stage: Stage, role: str, node: str, resources: Resources | None = None, /, **spec: Any) -> None:
    """Creates a pod that the scheduler may put on one node only."""
    wanted: dict[str, Any] = dict(asking(resources)) if resources else {}
    labels = {**only_on(stage, node), **spec.pop("node_selector", {})}
    await stage.pod(role, node_selector=labels, **wanted, **spec)


async def put(stage: Stage, role: str, node: str, resources: Resources | None = None, **spec: Any) -> None:
    """Creates a pod that is on a node from the beginning, so that no scheduler is asked."""
    wanted: dict[str, Any] = dict(asking(resources)) if resources else {}
    await stage.pod(role, node_name=stage.naming.name(node), **wanted, **spec)


async def placed(stage: Stage, *roles: str) -> bool:
    """Waits until pods are bound."""
    within = stage.timing.scheduled().latest
    return await stage.until(lambda: all(placing.bound(stage.current(POD, role)) for role in roles), within=within)


async def answered(stage: Stage, *roles: str) -> bool:
    """Waits until the scheduler has said that there is no room for pods, or has bound them."""
    within = stage.timing.scheduled().latest
    return await stage.until(lambda: all(placing.answered(stage.current(POD, role)) for role in roles), within=within)


async def removed(stage: Stage, role: str) -> None:
    """Removes a pod at once, as a kubelet does that has ended it."""
    stage.mark(f"{role} is removed")
    with existing():
        await stage.delete(POD, role, grace=0)
    stage.mark(f"{role} removed")


async def ended(stage: Stage, role: str, phase: str) -> None:
    """Writes that a pod has come to its end; the object stays."""
    stage.mark(f"{role} ends")
    with existing():
        await stage.patch(POD, role, {"status": {"phase": phase}}, subresource="status")
    stage.mark(f"{role} ended")


async def allocatable(stage: Stage, node: str, resources: Mapping[str, str | None]) -> None:
    """Changes what a node offers; of a resource that is None it says nothing any more."""
    with stage.request(f"{node} allocatable"):
        await stage.patch(NODE, node, {"status": {"allocatable": dict(resources)}}, subresource="status")


async def count_visitors(stage: Stage, *nodes: str) -> None:
    """Marks how many pods of others are on nodes: daemons go anywhere, and then sums cannot be foretold."""
    names = [stage.naming.name(node) for node in nodes]
    lists = await asyncio.gather(
        *(stage.client.get(POD.path(), fieldSelector=f"spec.nodeName={name}") for name in names)
    )
    stage.mark(VISITORS, **{node: _others(stage, pods) for node, pods in zip(nodes, lists, strict=True)})


def _others(stage: Stage, pods: Any) -> int:
    items = pods.get("items") or []
    return sum((pod["metadata"].get("labels") or {}).get(RUN_LABEL) != stage.naming.run for pod in items)
