"""Objects come into sight of a field selector, and leave it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

from conformance.drive.stage import Stage
from conformance.judge.pods import bound_to
from conformance.kinds import NODE, POD, Kind
from conformance.naming import DOMAIN
from conformance.scenario import scenario
from conformance.timing import Timing
from conformance.wire import NoAnswer

WATCHED = "{name} told {type} {role}"
"""The marks of what a watch with a field selector told."""
STEP = f"{DOMAIN}/step"
STEPS = ("1", "2", "3")
"""Values of a label, one after the other."""
LASTS = 2
"""Seconds for which the watch of the past is asked for."""


def _longest(timing: Timing) -> float:
    return 10 * timing.slack


@scenario(watches=(NODE, POD), longest=_longest)
async def field_selectors(stage: Stage) -> None:
    """Watches select pods by node and phase, nodes by name and cordon; a pod is bound and starts, a node is cordoned.

    The pod is bound by the suite itself, so that no scheduler is needed. `other` stays out of every selector.
    """
    node = await stage.node("host")
    await stage.node("other")
    await stage.pod("moving", schedulerName="nobody")
    await stage.pod("staying", schedulerName="nobody")
    _follow(stage, "pods of the host", POD, f"spec.nodeName={node.name}")
    _follow(stage, "pending pods", POD, "status.phase=Pending")
    _follow(stage, "the host", NODE, f"metadata.name={node.name}")
    _follow(stage, "cordoned nodes", NODE, "spec.unschedulable=true")
    await stage.hold(stage.timing.slack)
    await stage.bind("moving", node.name)
    await stage.until(lambda: bound_to(stage.current(POD, "moving")), within=stage.timing.slack)
    await _list(stage, "list of the host's pods", POD, f"spec.nodeName={node.name}")
    await stage.hold(stage.timing.slack)
    stage.mark("moving starts")
    await stage.patch(POD, "moving", {"status": {"phase": "Running"}}, subresource="status")
    await _list(stage, "list of pending pods", POD, "status.phase=Pending")
    await _list(stage, "list of pending pods of the host", POD, f"status.phase=Pending,spec.nodeName={node.name}")
    await _list(stage, "list of pods of others", POD, f"spec.nodeName!={node.name}")
    unknown = "?fieldSelector=spec.nonsense%3D1"
    await stage.ask("list by an unknown field", "GET", POD.path(stage.naming.namespace) + unknown)
    await _replay(stage)
    await stage.patch(NODE, "host", {"spec": {"unschedulable": True}})
    await _list(stage, "list of the host", NODE, f"metadata.name={node.name}")
    await _list(stage, "list of cordoned nodes", NODE, "spec.unschedulable=true")
    await stage.hold(stage.timing.slack)
    await stage.patch(NODE, "host", {"spec": {"unschedulable": None}})
    await stage.hold(stage.timing.slack)


async def _replay(stage: Stage) -> None:
    """A watch begins at a version that is past already; it says for how long it is to last."""
    path = POD.path(stage.naming.namespace, stage.naming.name("staying"))
    known = await stage.client.get(path)
    for step in STEPS:
        await stage.patch(POD, "staying", {"metadata": {"labels": {STEP: step}}})
    told: list[list[str]] = []
    query = {
        "fieldSelector": f"metadata.name={stage.naming.name('staying')}",
        "resourceVersion": known["metadata"]["resourceVersion"],
        "timeoutSeconds": str(LASTS),
    }
    began = stage.clock.monotonic()
    with suppress(NoAnswer, TimeoutError):
        async with asyncio.timeout(LASTS + stage.timing.slack * 2):
            async with aclosing(stage.client.watch(POD.path(stage.naming.namespace), **query)) as events:
                async for event in events:
                    labels = event["object"].get("metadata", {}).get("labels") or {}
                    told.append([event["type"], labels.get(STEP, "")])
    stage.mark("a watch of the past", told=told, seconds=stage.clock.monotonic() - began)


def _follow(stage: Stage, name: str, kind: Kind, selector: str) -> None:
    stage.spawn(_watch(stage, name, kind, selector), name)


async def _watch(stage: Stage, name: str, kind: Kind, selector: str) -> None:
    """Marks what one stream tells; the scenario is over before a server ends it."""
    stream = stage.client.watch(
        kind.path(stage.naming.namespace), fieldSelector=selector, labelSelector=stage.naming.selector
    )
    async with aclosing(stream) as events:
        async for event in events:
            role = event["object"]["metadata"].get("name", "").removeprefix(stage.naming.prefix)
            stage.mark(WATCHED.format(name=name, type=event["type"], role=role))


async def _list(stage: Stage, name: str, kind: Kind, selector: str) -> None:
    query = {"fieldSelector": selector, "labelSelector": stage.naming.selector}
    found = await stage.client.get(kind.path(stage.naming.namespace), **query)
    roles = sorted(item["metadata"]["name"].removeprefix(stage.naming.prefix) for item in found.get("items") or [])
    stage.mark(name, roles=roles)
