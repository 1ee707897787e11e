"""Pods that are not the scheduler's, or not yet; bindings that come from others."""

from __future__ import annotations

from typing import Any

from conformance.client import MERGE, STRATEGIC
from conformance.drive import manifests, placing
from conformance.drive.stage import Stage
from conformance.drive.waits import schedulable
from conformance.judge.pods import bound_to, terminating
from conformance.kinds import EVENT, NODE, POD
from conformance.naming import FINALIZER
from conformance.scenario import scenario
from conformance.timing import Timing

GATES_SINCE = 27
"""The minor version in which pods got scheduling gates by default."""

NOBODY = "nobody"
"""A scheduler that does not exist."""


def _longest(timing: Timing) -> float:
    return timing.no_schedule_taint().latest + timing.left_alone() + 2 * timing.scheduled().latest


@scenario(watches=(NODE, POD, EVENT), longest=_longest)
async def handing_over(stage: Stage) -> None:
    """Pods name another scheduler, or wait at a gate; the suite binds some of them itself, rightly and wrongly."""
    await stage.nodes("here", "there")
    await schedulable(stage, "here", "there")
    await placing.offer(stage, "foreign", "here", schedulerName=NOBODY)
    await placing.offer(stage, "own", "here")
    await _bindings(stage)
    gated = stage.facts.minor >= GATES_SINCE
    if gated:
        await placing.offer(stage, "gated", "here", schedulingGates=[{"name": "node-contract.dev/gate"}])
        await _bind(stage, "gated pod is bound", "gated", "here")
    await placing.placed(stage, "own")
    await stage.hold(stage.timing.left_alone())
    if gated:
        stage.mark("the gate opens")
        path = POD.path(stage.naming.namespace, stage.naming.name("gated"))
        await stage.ask("gate is opened", "PATCH", path, {"spec": {"schedulingGates": []}}, content_type=MERGE)
        await placing.placed(stage, "gated")


async def _bindings(stage: Stage) -> None:
    await placing.offer(stage, "bound", "here", schedulerName=NOBODY)
    await _bind(stage, "pod is bound", "bound", "here")
    await stage.until(lambda: bound_to(stage.current(POD, "bound")), within=stage.timing.slack)
    await _bind(stage, "pod is bound again", "bound", "there")
    path = POD.path(stage.naming.namespace, stage.naming.name("bound"))
    other = {"spec": {"nodeName": stage.naming.name("there")}}
    await stage.ask("nodeName is changed", "PATCH", path, other, content_type=STRATEGIC)
    await stage.ask("pod is read", "GET", path)
    await _leaving(stage)


async def _leaving(stage: Stage) -> None:
    """A pod that was never bound is held back by a finalizer while it is bound too late."""
    name = stage.naming.name("leaving")
    metadata = {"name": name, "labels": stage.naming.labels("leaving"), "finalizers": [FINALIZER]}
    spec = manifests.pod_spec(stage.naming, schedulerName=NOBODY)
    await stage.create(POD, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    await stage.delete(POD, "leaving")
    if await stage.until(lambda: terminating(stage.current(POD, "leaving")), within=stage.timing.slack):
        await _bind(stage, "leaving pod is bound", "leaving", "here")
    await stage.patch(POD, "leaving", {"metadata": {"finalizers": None}})


async def _bind(stage: Stage, name: str, role: str, node: str) -> Any:
    own = stage.naming.name(role)
    target = {"apiVersion": "v1", "kind": "Node", "name": stage.naming.name(node)}
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": own}, "target": target}
    return await stage.ask(name, "POST", POD.path(stage.naming.namespace, own, "binding"), body)
