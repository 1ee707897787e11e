"""Pods and nodes are created; what the API makes of them is read from the answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from conformance.client import MERGE
from conformance.drive import manifests
from conformance.drive.placing import asking
from conformance.drive.stage import Stage
from conformance.judge.taints import NO_SCHEDULE, NOT_READY, UNREACHABLE
from conformance.kinds import NODE, POD, PRIORITY_CLASS
from conformance.scenario import scenario
from conformance.timing import Timing

Toleration = Mapping[str, Any]

TOLERATING: Mapping[str, tuple[tuple[Toleration, ...], frozenset[str]]] = {
    "plain": ((), frozenset({NOT_READY, UNREACHABLE})),
    "own-not-ready": (({"key": NOT_READY, "operator": "Exists", "effect": "NoExecute"},), frozenset({UNREACHABLE})),
    "own-seconds": (
        ({"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 7},),
        frozenset({NOT_READY}),
    ),
    "own-value": (
        ({"key": NOT_READY, "operator": "Equal", "value": "v", "effect": "NoExecute"},),
        frozenset({UNREACHABLE}),
    ),
    "any-effect": (({"key": NOT_READY, "operator": "Exists"},), frozenset({UNREACHABLE})),
    "any-key": (({"operator": "Exists", "effect": "NoExecute"},), frozenset()),
    "anything": (({"operator": "Exists"},), frozenset()),
    "no-schedule": (
        tuple({"key": key, "operator": "Exists", "effect": NO_SCHEDULE} for key in (NOT_READY, UNREACHABLE)),
        frozenset({NOT_READY, UNREACHABLE}),
    ),
}
"""Tolerations that pods bring along, and the keys of those that must be added."""

_NOTHING: Mapping[str, Mapping[str, str]] = {}
_CPU = asking({"cpu": "100m"})
_BOTH = {"requests": {"cpu": "100m", "memory": "1Mi"}, "limits": {"cpu": "100m", "memory": "1Mi"}}
_LIMITS = {"limits": {"cpu": "100m", "memory": "1Mi"}}
_BELOW = {"requests": {"cpu": "50m", "memory": "1Mi"}, "limits": {"cpu": "100m", "memory": "1Mi"}}

QUALITY: Mapping[str, tuple[tuple[Mapping[str, Any], ...], tuple[Mapping[str, Any], ...], str]] = {
    "asks-nothing": ((_NOTHING,), (), "BestEffort"),
    "asks-storage": ((asking({"ephemeral-storage": "1Mi"}),), (), "BestEffort"),
    "asks-cpu": ((_CPU,), (), "Burstable"),
    "limits-cpu": (({"limits": {"cpu": "100m"}},), (), "Burstable"),
    "asks-below-limits": ((_BELOW,), (), "Burstable"),
    "asks-its-limits": ((_BOTH,), (), "Guaranteed"),
    "limits-only": ((_LIMITS,), (), "Guaranteed"),
    "one-of-two": ((_BOTH, _NOTHING), (), "Burstable"),
    "both-of-two": ((_BOTH, _LIMITS), (), "Guaranteed"),
    "init-asks-nothing": ((_BOTH,), (_NOTHING,), "Burstable"),
    "init-asks-cpu": ((_NOTHING,), (_CPU,), "Burstable"),
    "init-asks-its-limits": ((_BOTH,), (_BOTH,), "Guaranteed"),
}
"""Resources of containers and of init containers, and the class of service that makes."""

OWN = {"key": "node-contract.dev/own", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}
MORE = {"key": "node-contract.dev/more", "operator": "Exists", "effect": "NoExecute"}

CHANGES: Mapping[str, tuple[tuple[Toleration, ...], int]] = {
    "a toleration is added": ((OWN, MORE), 200),
    "its seconds are changed": (({**OWN, "tolerationSeconds": 30}, MORE), 200),
    "its seconds are taken away": (({**OWN, "tolerationSeconds": None}, MORE), 200),
    "a toleration is removed": ((OWN,), 422),
    "its key is changed": ((OWN, {**MORE, "key": "node-contract.dev/else"}), 422),
    "its effect is changed": ((OWN, {**MORE, "effect": NO_SCHEDULE}), 422),
}
"""The tolerations written next, and the answer that is due."""


def _longest(timing: Timing) -> float:
    return 10 * timing.slack


@scenario(watches=(NODE, POD), optional=(PRIORITY_CLASS,), longest=_longest)
async def defaulting(stage: Stage) -> None:
    """Pods with little in them, and with what they may not choose themselves; nodes that say that they are ready.

    No scheduler is asked to place the pods.
    """
    for role, (tolerations, _) in TOLERATING.items():
        await _pod(stage, role, tolerations=list(tolerations))
    for role, (containers, inits, _) in QUALITY.items():
        lists = {"containers": _containers("main", containers), "initContainers": _containers("init", inits)}
        await _pod(stage, role, **lists)
    await _status(stage)
    await _priorities(stage)
    await _changes(stage)
    await _nodes(stage)


async def _pod(stage: Stage, role: str, *, status: Any = None, **spec: Any) -> Any:
    metadata = {"name": stage.naming.name(role), "labels": stage.naming.labels(role)}
    usual = manifests.pod_spec(stage.naming, schedulerName="nobody")
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**usual, **spec}}
    if status:
        body["status"] = status
    await stage.account()
    return await stage.attempt(role, POD, body)


def _containers(prefix: str, resources: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    image = "registry.invalid/nothing:1"
    return [{"name": f"{prefix}-{n}", "image": image, "resources": dict(r)} for n, r in enumerate(resources)]


async def _status(stage: Stage) -> None:
    """A pod that says nothing it need not say, and claims to run."""
    now = stage.clock.timestamp()
    claim = {"phase": "Running", "conditions": [manifests.condition("Ready", "True", now)], "podIP": "198.51.100.1"}
    metadata = {"name": stage.naming.name("boasting"), "labels": stage.naming.labels("boasting")}
    spec = {
        "containers": _containers("main", [_NOTHING]),
        "nodeSelector": {"node-contract.dev/no-such": "node"},
        "automountServiceAccountToken": False,
    }
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": claim}
    await stage.attempt("boasting", POD, body)


async def _priorities(stage: Stage) -> None:
    classes: list[Any] = []
    if stage.facts.serves(PRIORITY_CLASS.resource):
        classes = (await stage.client.get(PRIORITY_CLASS.path())).get("items") or []
    default = [each["value"] for each in classes if each.get("globalDefault")]
    stage.mark("default priority", value=min(default, default=0))
    await _pod(stage, "own-priority", priority=7)
    await _pod(stage, "unknown-class", priorityClassName=stage.naming.name("no-such-class"))


async def _changes(stage: Stage) -> None:
    await _pod(stage, "changing", tolerations=[stage.naming.toleration, OWN])
    path = POD.path(stage.naming.namespace, stage.naming.name("changing"))
    for name, (tolerations, _) in CHANGES.items():
        pod = await stage.client.get(path)
        ours = {OWN["key"], MORE["key"]}
        others = [toleration for toleration in pod["spec"]["tolerations"] if toleration.get("key") not in ours]
        body = {"spec": {"tolerations": [*others, *tolerations]}}
        await stage.ask(name, "PATCH", path, body, content_type=MERGE)
    await stage.ask("all tolerations are removed", "PATCH", path, {"spec": {"tolerations": None}}, content_type=MERGE)
    wrong = {**OWN, "effect": NO_SCHEDULE}
    await _pod(stage, "senseless", tolerations=[stage.naming.toleration, wrong])


async def _nodes(stage: Stage) -> None:
    for role, taints in (("ready", []), ("ready-tainted", [{"key": NOT_READY, "effect": NO_SCHEDULE}])):
        body = manifests.node(
            stage.naming,
            role,
            zone=role,
            conditions=[manifests.condition("Ready", "True", stage.clock.timestamp())],
            capacity=manifests.CAPACITY,
            allocatable=None,
            labels={},
            taints=taints,
            address="192.0.2.1",
        )
        await stage.attempt(role, NODE, body)
