"""Objects are written for show, by agents of the future, and with patches that say more than what changes."""

from __future__ import annotations

import asyncio
from typing import Any

from conformance.client import MERGE, STRATEGIC
from conformance.drive import manifests
from conformance.drive.stage import Stage
from conformance.kinds import NODE, POD
from conformance.naming import DOMAIN
from conformance.scenario import scenario
from conformance.timing import Timing

STEP = f"{DOMAIN}/step"
OWN = "NodeContract"
"""The type of a condition that only the suite knows."""
ADDRESSES = [{"type": "InternalIP", "address": f"192.0.2.{last}"} for last in (77, 78)]
"""Two addresses of one type, which is the key by which lists of addresses are merged."""
UNKNOWN = "nodeContractUnknown"
"""A field that no object has."""
CPU = "7"
"""A capacity that the node reports later."""
TAINTS = ("first", "second")
"""Taints that a node has one after the other."""
RIVALS = 8
"""As many write one pod at the same time."""
_DRY = {"dryRun": "All"}


def _longest(timing: Timing) -> float:
    return 5 * timing.slack


@scenario(watches=(NODE, POD), longest=_longest)
async def writing(stage: Stage) -> None:
    """A node is registered and patched as only agents do; a pod is created, changed, deleted and evicted for show.

    `wanted` is written by many at once; `future` registers with fields that nobody knows, and nobody beats for it;
    `real` is its pod, which stays, `rehearsed` the one that never is.
    """
    await asyncio.gather(_agents(stage), _rehearsals(stage), _race(stage))


async def _agents(stage: Stage) -> None:
    now = stage.clock.timestamp()
    node = manifests.node(
        stage.naming,
        "future",
        zone="future",
        conditions=[manifests.condition("Ready", "True", now)],
        capacity=manifests.CAPACITY,
        allocatable=None,
        labels={},
        taints=(),
        address="192.0.2.1",
    )
    for part in ("spec", "status"):
        node[part] = {**node[part], UNKNOWN: "1"}
    answer = await stage.attempt("a node of the future is posted", NODE, node)
    if answer.status != 201:
        return
    unknown = {"status": {UNKNOWN: "2", "capacity": {"cpu": CPU}}}
    await _patch(stage, "a status of the future is patched", unknown, STRATEGIC, subresource="status")
    condition = manifests.condition(OWN, "True", now)
    ordered = {"$setElementOrder/conditions": [{"type": "Ready"}, {"type": OWN}], "conditions": [condition]}
    await _patch(stage, "a condition is added", {"status": ordered}, STRATEGIC, subresource="status")
    taken = {"status": {"conditions": [{"type": OWN, "$patch": "delete"}]}}
    await _patch(stage, "a condition is taken", taken, STRATEGIC, subresource="status")
    replaced = {"status": {"addresses": [*ADDRESSES, {"$patch": "replace"}]}}
    await _patch(stage, "addresses are replaced", replaced, STRATEGIC, subresource="status")
    for name in TAINTS:
        own = {"key": f"{DOMAIN}/{name}", "effect": "NoSchedule"}
        await _patch(stage, f"taints with the {name}", {"spec": {"taints": [stage.naming.taint, own]}}, STRATEGIC)
    await stage.client.ask("DELETE", NODE.path(name=stage.naming.name("future")))


async def _patch(stage: Stage, name: str, body: Any, content_type: str, *, subresource: str = "") -> None:
    path = NODE.path(name=stage.naming.name("future"), subresource=subresource)
    await stage.ask(name, "PATCH", path, body, content_type=content_type)


async def _race(stage: Stage) -> None:
    """Some patch a pod at once, each something of its own; others replace it, all from the same version."""
    await stage.pod("wanted", schedulerName="nobody")
    path = POD.path(stage.naming.namespace, stage.naming.name("wanted"))
    patches = [{"metadata": {"annotations": {f"{STEP}-{number}": "1"}}} for number in range(RIVALS)]
    found = await asyncio.gather(*(stage.client.ask("PATCH", path, body=b, content_type=MERGE) for b in patches))
    stage.mark("patched at once", answered=[answer.status for answer in found])
    patched = await stage.ask("the wanted pod is read", "GET", path)
    if patched.status != 200:
        return
    metadata = patched.body["metadata"]
    whole = [
        {**patched.body, "metadata": {**metadata, "labels": {**metadata["labels"], STEP: str(number)}}}
        for number in range(RIVALS)
    ]
    found = await asyncio.gather(*(stage.client.ask("PUT", path, body=body) for body in whole))
    stage.mark("replaced at once", answered=[answer.status for answer in found])
    await stage.ask("the wanted pod is read again", "GET", path)


async def _rehearsals(stage: Stage) -> None:
    """Every kind of write is sent with `dryRun`; afterwards it is looked what became of it."""
    namespace, rehearsed = stage.naming.namespace, stage.naming.name("rehearsed")
    await stage.pod("real", node_name=stage.naming.name("future"))
    real = POD.path(namespace, stage.naming.name("real"))
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": rehearsed, "labels": stage.naming.labels("rehearsed")},
        "spec": manifests.pod_spec(stage.naming, schedulerName="nobody"),
    }
    stage.expect(POD, namespace, rehearsed)
    await stage.ask("a pod is rehearsed", "POST", POD.path(namespace), body, query=_DRY)
    await stage.ask("the rehearsed pod is read", "GET", POD.path(namespace, rehearsed))
    label = {"metadata": {"labels": {STEP: "1"}}}
    await stage.ask("a change is rehearsed", "PATCH", real, label, content_type=MERGE, query=_DRY)
    status = {"status": {"phase": "Running"}}
    await stage.ask("a status is rehearsed", "PATCH", f"{real}/status", status, content_type=MERGE, query=_DRY)
    eviction = manifests.eviction(stage.naming.name("real"), namespace, minor=stage.facts.minor)
    await stage.ask("an eviction is rehearsed", "POST", f"{real}/eviction", eviction, query=_DRY)
    await stage.ask("a deletion is rehearsed", "DELETE", real, query=_DRY)
    await stage.ask("an end is rehearsed", "DELETE", real, query={**_DRY, "gracePeriodSeconds": "0"})
    await stage.ask("the real pod is read", "GET", real)
