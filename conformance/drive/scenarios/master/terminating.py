"""Pods are deleted in every way the API knows; their node, which is healthy, does not end them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from conformance.client import MERGE, Answer
from conformance.drive.stage import Stage
from conformance.drive.waits import phase, running, schedulable
from conformance.kinds import NODE, POD
from conformance.naming import FINALIZER
from conformance.scenario import scenario
from conformance.timing import Timing

OWN_GRACE = 300
"""Grace period in the pods' specs, in seconds."""
SHORT, MIDDLE, LONG = 60, 120, 600
"""Grace periods that requests ask for."""
NOBODY = "nobody.invalid"
PODS = ("graced", "own", "forced", "held", "hurried", "failed", "succeeded", "named")


def _longest(timing: Timing) -> float:
    return 3 * timing.scheduler_backoff + 10 * timing.slack


@scenario(watches=(NODE, POD), longest=_longest)
async def terminating(stage: Stage) -> None:
    """Pods of a healthy node are deleted again and again, with longer and shorter grace, by force, and held.

    Roles, all on the node `home` but one: `graced` is deleted several times, `own` once and plainly, `pending`
    likewise, of which its node has said nothing, `forced` without grace, `held` likewise but a finalizer keeps it
    for a while, `hurried` first with grace and then without, `failed` and `succeeded` after they have ended,
    `unbound` before it has a node. The name of `named` is wanted again.
    """
    home = await stage.node("home")
    await schedulable(stage, "home")
    home.pods.run(finish=False, ignore=("pending",))
    await asyncio.gather(
        *(stage.pod(role, node_name=home.name, grace=OWN_GRACE) for role in PODS),
        stage.pod("unbound", schedulerName=NOBODY, grace=OWN_GRACE),
        stage.pod("pending", node_name=home.name, grace=OWN_GRACE),
    )
    await running(stage, PODS)
    await stage.patch(POD, "held", {"metadata": {"finalizers": [FINALIZER]}})
    await _end(stage, "failed", "Failed")
    await _end(stage, "succeeded", "Succeeded")
    await _delete_again_and_again(stage)
    for role in ("own", "pending", "failed", "succeeded", "unbound"):
        await _delete(stage, role, f"{role} deleted")
    await _undo(stage, "own")
    await _delete(stage, "forced", "forced deleted", gracePeriodSeconds=0)
    await _delete(stage, "hurried", "hurried deleted", gracePeriodSeconds=LONG)
    await _delete(stage, "hurried", "hurried forced", gracePeriodSeconds=0)
    await _delete(stage, "held", "held forced", gracePeriodSeconds=0)
    await stage.hold(stage.timing.slack)
    with stage.request("held released"):
        path = POD.path(stage.naming.namespace, stage.naming.name("held"))
        await stage.client.ask("PATCH", path, body={"metadata": {"finalizers": []}}, content_type=MERGE)
    await _name_again(stage)
    await stage.hold(stage.timing.slack)


async def _end(stage: Stage, role: str, how: str) -> None:
    await stage.patch(POD, role, {"status": {"phase": how}}, subresource="status")
    await stage.until(lambda: phase(stage, role) == how, within=stage.timing.slack)


async def _delete_again_and_again(stage: Stage) -> None:
    await _delete(stage, "graced", "graced deleted", gracePeriodSeconds=MIDDLE)
    await _delete(stage, "graced", "graced deleted plainly")
    await _delete(stage, "graced", "graced deleted with more", gracePeriodSeconds=LONG)
    stranger = {"uid": "00000000-0000-0000-0000-000000000000"}
    await _delete(stage, "graced", "graced taken for another", gracePeriodSeconds=0, preconditions=stranger)
    await _delete(stage, "graced", "graced taken for another plainly", preconditions=stranger)
    old = {"resourceVersion": "1"}
    await _delete(stage, "graced", "graced taken for an old state", gracePeriodSeconds=0, preconditions=old)
    path = POD.path(stage.naming.namespace, stage.naming.name("graced"))
    _note(stage, "graced read", await stage.client.ask("GET", path))
    await _delete(stage, "graced", "graced deleted with less", gracePeriodSeconds=SHORT)


async def _undo(stage: Stage, role: str) -> None:
    """Somebody writes a pod as if it were not terminating, as who has not heard of the deletion may."""
    path = POD.path(stage.naming.namespace, stage.naming.name(role))
    plain = {"metadata": {"deletionTimestamp": None, "deletionGracePeriodSeconds": None}}
    _note(stage, f"{role} patched", await stage.client.ask("PATCH", path, body=plain, content_type=MERGE))
    for name, subresource in (("replaced", ""), ("reported", "/status")):
        pod = await stage.client.ask("GET", path)
        if pod.status == 200:
            metadata = {key: value for key, value in pod.body["metadata"].items() if key not in plain["metadata"]}
            body = {**pod.body, "metadata": metadata}
            _note(stage, f"{role} {name}", await stage.client.ask("PUT", path + subresource, body=body))
    held = {"metadata": {"finalizers": [FINALIZER]}}
    _note(stage, f"{role} held late", await stage.client.ask("PATCH", path, body=held, content_type=MERGE))
    _note(stage, f"{role} read", await stage.client.ask("GET", path))


async def _name_again(stage: Stage) -> None:
    """The name of a terminating pod is wanted again, also as a StatefulSet would: while it is there, and afterwards."""
    await _delete(stage, "named", "named deleted", gracePeriodSeconds=LONG)
    known = stage.current(POD, "named") or {"metadata": {}, "spec": {}}
    name = stage.naming.name("named")
    metadata = {"name": name, "labels": stage.naming.labels("named")}
    spec = {field: known["spec"].get(field) for field in ("containers", "nodeSelector", "tolerations")}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    await _make(stage, "named made too early", body)
    prefixed = {**body, "metadata": {**metadata, "generateName": f"{name}-"}}
    await _make(stage, "named made too early with a prefix", prefixed)
    await _delete(stage, "named", "named forced", gracePeriodSeconds=0)
    await _make(stage, "named made again", prefixed)


async def _make(stage: Stage, point: str, body: Mapping[str, Any]) -> None:
    answer = await stage.client.ask("POST", POD.path(stage.naming.namespace), body=body)
    if answer.status == 201:
        stage.adopt(POD, answer.body)
    _note(stage, point, answer)


async def _delete(stage: Stage, role: str, request: str, **options: Any) -> None:
    """Sends one DELETE, whatever comes of it."""
    path = POD.path(stage.naming.namespace, stage.naming.name(role))
    body = {"kind": "DeleteOptions", "apiVersion": "v1", **options}
    stage.mark(f"{request} sent")
    _note(stage, f"{request} answered", await stage.client.ask("DELETE", path, body=body))


def _note(stage: Stage, point: str, answer: Answer) -> None:
    """Marks an answer with what matters of it."""
    body = answer.body if isinstance(answer.body, dict) else {}
    metadata = body.get("metadata") or {}
    stage.mark(
        point,
        status=answer.status,
        reason=body.get("reason", ""),
        uid=metadata.get("uid", ""),
        stamp=metadata.get("deletionTimestamp", ""),
        grace=metadata.get("deletionGracePeriodSeconds"),
    )
