"""Nodes and pods are written in right and in wrong ways."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from conformance.client import MERGE, STRATEGIC
from conformance.drive import manifests
from conformance.drive.stage import Stage
from conformance.drive.sums import device
from conformance.kinds import NODE, POD
from conformance.scenario import scenario
from conformance.timing import Timing

ATTEMPTS = 10
"""How often a whole object is read and written until nobody else writes it in between."""

NOBODY = "00000000-0000-0000-0000-000000000000"
"""The uid of no object."""
LONG_AGO = "2001-02-03T04:05:06Z"
NODE_CIDR, OTHER_CIDR = "203.0.113.0/28", "203.0.113.16/28"

WRONG_STATUS: Mapping[str, Mapping[str, str]] = {
    "negative capacity": {"cpu": "-1"},
    "fractional pods": {"pods": "1.5"},
    "fractional device": {device("chip"): "1.5"},
}
"""Capacities that no node can have."""

WRONG_TAINTS: Mapping[str, list[dict[str, str]]] = {
    "taint twice": [{"key": "node-contract.dev/t", "value": v, "effect": "PreferNoSchedule"} for v in ("a", "b")],
    "unknown effect": [{"key": "node-contract.dev/t", "effect": "NoSchedulePlease"}],
}

WRONG_DEVICES: Mapping[str, dict[str, dict[str, str]]] = {
    "device below its limit": {"requests": {device("chip"): "1"}, "limits": {device("chip"): "2"}},
    "device without limit": {"requests": {device("chip"): "1"}},
}

MORE = [{"operator": "Exists"}]
"""Tolerations that a pod may be given, but not by a write of its status."""

SIZE = {"cpu": "8", "memory": "32Gi", "ephemeral-storage": "100Gi", "pods": "110", device("chip"): "2"}
PARTIAL = {"cpu": "1"}
LARGER = {"cpu": "9", "memory": "33Gi", "ephemeral-storage": "100Gi", "pods": "111", device("chip"): "3"}


def _longest(timing: Timing) -> float:
    return 20 * timing.slack


@scenario(watches=(NODE, POD), longest=_longest)
async def object_rules(stage: Stage) -> None:
    """Nodes and pods are created, replaced and patched, whole and in parts, validly and not.

    `whole` and `partial` are asked about at once after their registration; `parts` gets both parts of an object at
    once; `refused` what no node may have; `merged` lists of conditions.
    """
    await asyncio.gather(_register(stage), _parts(stage), _refused(stage), _merge(stage), _pods(stage))


async def _register(stage: Stage) -> None:
    await stage.attempt("whole is posted", NODE, _node(stage, "whole", None))
    await stage.ask("whole is read", "GET", _path(stage, "whole"))
    await stage.attempt("whole is posted again", NODE, _node(stage, "whole", None))
    await stage.attempt("partial is posted", NODE, _node(stage, "partial", PARTIAL))
    await stage.ask("partial is read", "GET", _path(stage, "partial"))
    removed = {"status": {"capacity": LARGER, "allocatable": None}}
    await _patch(stage, "allocatable is withdrawn", "whole", removed, "status")
    kept = {"status": {"capacity": LARGER, "allocatable": PARTIAL}}
    await _patch(stage, "allocatable is given in part", "whole", kept, "status")
    beyond = {"status": {"allocatable": {"cpu": "99"}}}
    await _patch(stage, "allocatable exceeds capacity", "whole", beyond, "status")


async def _parts(stage: Stage) -> None:
    """Both parts are sent to each of the two paths; the numbers tell which one arrived."""
    await stage.node("parts")
    for subresource, name in (("", "main"), ("status", "status")):
        both = {"spec": {"unschedulable": True}, "status": {"capacity": {"cpu": "3"}}}
        await _patch(stage, f"{name} of a node is patched", "parts", both, subresource)
        await _patch(stage, f"uncordoned after {name}", "parts", {"spec": {"unschedulable": None}}, "")
        await _replace(stage, f"{name} of a node is replaced", "parts", subresource)
        await _patch(stage, f"uncordoned again after {name}", "parts", {"spec": {"unschedulable": None}}, "")


async def _replace(stage: Stage, name: str, role: str, subresource: str) -> None:
    """Writes a whole node, cordoned and with another capacity; anew when somebody else wrote it meanwhile."""
    path = _path(stage, role)
    for attempt in range(1, ATTEMPTS + 1):
        node = await stage.client.get(path)
        status = {**node["status"], "capacity": {**(node["status"].get("capacity") or {}), "cpu": "4"}}
        whole = {**node, "spec": {**node["spec"], "unschedulable": True}, "status": status}
        answer = await stage.client.ask("PUT", _path(stage, role, subresource), body=whole)
        if answer.status != 409 or attempt == ATTEMPTS:
            stage.mark(name, status=answer.status, body=answer.body)
            return


async def _refused(stage: Stage) -> None:
    await stage.node("refused")
    stale = await stage.client.get(_path(stage, "refused"))
    await _patch(stage, "a label is set", "refused", {"metadata": {"labels": {"node-contract.dev/new": "1"}}}, "")
    await stage.ask("stale node is replaced", "PUT", _path(stage, "refused"), stale)
    await stage.ask("stale status is replaced", "PUT", _path(stage, "refused", "status"), stale)
    version = {"resourceVersion": stale["metadata"]["resourceVersion"], "labels": {"node-contract.dev/new": "2"}}
    await _patch(stage, "stale node is patched", "refused", {"metadata": version}, "")
    fresh = await stage.client.get(_path(stage, "refused"))
    other = {name: value for name, value in fresh["metadata"].items() if name != "resourceVersion"}
    stranger = {**fresh, "metadata": {**other, "uid": NOBODY}}
    await stage.ask("another node of the name is replaced", "PUT", _path(stage, "refused"), stranger)
    for name, amounts in WRONG_STATUS.items():
        await _patch(stage, name, "refused", {"status": {"capacity": amounts}}, "status")
    await _patch(stage, "negative allocatable", "refused", {"status": {"allocatable": {"cpu": "-1"}}}, "status")
    await stage.attempt("a negative node is posted", NODE, _node(stage, "negative", {"cpu": "-1"}))
    for name, taints in WRONG_TAINTS.items():
        await _patch(stage, name, "refused", {"spec": {"taints": taints}}, "")
    both = [{"key": "node-contract.dev/t", "effect": effect} for effect in ("NoSchedule", "PreferNoSchedule")]
    await _patch(stage, "two effects of a key", "refused", {"spec": {"taints": [stage.naming.taint, *both]}}, "")
    cidr = {"podCIDR": NODE_CIDR, "podCIDRs": [NODE_CIDR]}
    answer = await _patch(stage, "podCIDR is set", "refused", {"spec": cidr}, "")
    if answer.status == 200:
        other = {"podCIDR": OTHER_CIDR, "podCIDRs": [OTHER_CIDR]}
        await _patch(stage, "podCIDR is changed", "refused", {"spec": other}, "")
        none = {"podCIDR": None, "podCIDRs": None}
        await _patch(stage, "podCIDR is taken", "refused", {"spec": none}, "")


async def _merge(stage: Stage) -> None:
    """One condition is posted, first as one of a list with a key, then as the whole list."""
    await stage.node("merged")
    ready = [manifests.condition("Ready", "True", stage.clock.timestamp())]
    path = _path(stage, "merged", "status")
    body = {"status": {"conditions": ready}}
    await stage.ask("strategic patch", "PATCH", path, body, content_type=STRATEGIC)
    await stage.ask("merge patch", "PATCH", path, body, content_type=MERGE)


async def _pods(stage: Stage) -> None:
    await stage.pod("pod", schedulerName="nobody")
    path = POD.path(stage.naming.namespace, stage.naming.name("pod"))
    running = {"status": {"phase": "Running"}, "metadata": {"labels": {"node-contract.dev/new": "1"}}}
    await stage.ask("pod is patched", "PATCH", path, running, content_type=MERGE)
    placed = {
        "metadata": {"deletionTimestamp": "2030-01-02T03:04:05Z", "ownerReferences": [_nobodys(stage)]},
        "spec": {"nodeName": stage.naming.name("parts"), "activeDeadlineSeconds": 77, "tolerations": MORE},
        "status": {"phase": "Running"},
    }
    await stage.ask("status of the pod is patched", "PATCH", f"{path}/status", placed, content_type=MERGE)
    await stage.ask("pod is read", "GET", path)
    stranger = {"metadata": {"uid": NOBODY, "labels": {"node-contract.dev/new": "3"}}}
    await stage.ask("another pod of the name is patched", "PATCH", path, stranger, content_type=MERGE)
    stranger = {"metadata": {"uid": NOBODY}, "status": {"message": "of another pod"}}
    await stage.ask("status of another pod is patched", "PATCH", f"{path}/status", stranger, content_type=STRATEGIC)
    await _own_metadata(stage, path)
    for name, resources in WRONG_DEVICES.items():
        role = name.replace(" ", "-")
        metadata = {"name": stage.naming.name(role), "labels": stage.naming.labels(role)}
        asked: dict[str, Any] = {"schedulerName": "nobody", **resources}
        spec = manifests.pod_spec(stage.naming, **asked)
        await stage.attempt(name, POD, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def _nobodys(stage: Stage) -> dict[str, str]:
    """An owner that is not."""
    return {"apiVersion": "v1", "kind": "Node", "name": stage.naming.name("nobody"), "uid": NOBODY}


async def _own_metadata(stage: Stage, path: str) -> None:
    """What only the server may say about an object is posted, and patched; a write that changes nothing follows."""
    claimed = {"uid": NOBODY, "creationTimestamp": LONG_AGO, "generation": 77, "deletionTimestamp": LONG_AGO}
    metadata = {**claimed, "name": stage.naming.name("claiming"), "labels": stage.naming.labels("claiming")}
    spec = manifests.pod_spec(stage.naming, schedulerName="nobody")
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    await stage.attempt("claims are posted", POD, body)
    aged = {"metadata": {"creationTimestamp": LONG_AGO, "labels": {"node-contract.dev/new": "2"}}}
    await stage.ask("the creation is patched", "PATCH", path, aged, content_type=MERGE)
    same = {"metadata": {"labels": aged["metadata"]["labels"]}}
    await stage.ask("nothing is patched", "PATCH", path, same, content_type=MERGE)


def _node(stage: Stage, role: str, allocatable: Mapping[str, str] | None) -> dict[str, Any]:
    now = stage.clock.timestamp()
    return manifests.node(
        stage.naming,
        role,
        zone=role,
        conditions=[manifests.condition("Ready", "True", now), manifests.condition("DiskPressure", "False", now)],
        capacity=SIZE,
        allocatable=allocatable,
        labels={"node-contract.dev/new": "0"},
        taints=(),
        address="192.0.2.1",
    )


async def _patch(stage: Stage, name: str, role: str, body: Any, subresource: str) -> Any:
    return await stage.ask(name, "PATCH", _path(stage, role, subresource), body, content_type=MERGE)


def _path(stage: Stage, role: str, subresource: str = "") -> str:
    return NODE.path(name=stage.naming.name(role), subresource=subresource)
