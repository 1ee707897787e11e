"""Pod conditions: Initialized, Ready, ContainersReady, PodScheduled and their newer companions.

Source: kubelet 1.36 `status/generate.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from refimpl.api.errors import Object
from refimpl.kubelet import podspec, resources
from refimpl.kubelet.era import Era

OWNED: Final = frozenset({
    "PodScheduled",
    "Ready",
    "Initialized",
    "ContainersReady",
    "PodReadyToStartContainers",
    "PodResizePending",
    "PodResizeInProgress",
})  # fmt: skip
"""Conditions that belong to the kubelet; all others it keeps as they are."""

SHARED: Final = "DisruptionTarget"
"""A condition that the kubelet adds but does not own."""


def conditions(
    pod: Object,
    *,
    phase: str,
    init_statuses: Sequence[Object],
    statuses: Sequence[Object],
    has_sandbox: bool,
    era: Era,
) -> list[Object]:
    """The kubelet's conditions of a pod, without times, in the order in which it lists them."""
    found: list[Object] = []
    if era.sandbox_condition:
        found.append({"type": "PodReadyToStartContainers", "status": "True" if has_sandbox else "False"})
    found.append(initialized(pod, init_statuses, phase))
    containers = containers_ready(pod, [*statuses, *init_statuses], phase, era)
    found.append(ready(pod, containers))
    if era.containers_ready:
        found.append(containers)
    found.append({"type": "PodScheduled", "status": "True"})
    return found


def initialized(pod: Object, init_statuses: Iterable[Object], phase: str) -> Object:
    """Whether all init containers have succeeded and all sidecars have started."""
    by_name = {status["name"]: status for status in init_statuses}
    names = [spec["name"] for spec in podspec.init_containers_of(pod)]
    unknown = [name for name in names if name not in by_name]
    if phase == "Succeeded" and not unknown:
        return {"type": "Initialized", "status": "True", "reason": "PodCompleted"}
    incomplete = [
        spec["name"]
        for spec in podspec.init_containers_of(pod)
        if spec["name"] in by_name and not _initialization_done(spec, by_name[spec["name"]])
    ]
    message = _joined(("unknown", unknown), ("incomplete", incomplete))
    if message:
        return {"type": "Initialized", "status": "False", "reason": "ContainersNotInitialized", "message": message}
    return {"type": "Initialized", "status": "True"}


def containers_ready(pod: Object, statuses: Iterable[Object], phase: str, era: Era) -> Object:
    """Whether all app containers and sidecars are ready."""
    by_name = {status["name"]: status for status in statuses}
    sidecars = [spec for spec in podspec.init_containers_of(pod) if resources.is_sidecar(spec)]
    names = [spec["name"] for spec in [*sidecars, *podspec.containers_of(pod)]]
    unknown = [name for name in names if name not in by_name]
    over = terminal_reason(phase, era)
    if over and not unknown:
        return {"type": "ContainersReady", "status": "False", "reason": over}
    unready = [name for name in names if name in by_name and not by_name[name].get("ready")]
    message = _joined(("unknown", unknown), ("unready", unready))
    if message:
        return {"type": "ContainersReady", "status": "False", "reason": "ContainersNotReady", "message": message}
    return {"type": "ContainersReady", "status": "True"}


def ready(pod: Object, containers: Mapping[str, str]) -> Object:
    """Whether the pod can serve: its containers are ready, and so are all its readiness gates."""
    if containers["status"] != "True":
        return {**containers, "type": "Ready"}
    found = {condition["type"]: condition for condition in (pod.get("status") or {}).get("conditions") or ()}
    problems = [
        problem
        for gate in pod["spec"].get("readinessGates") or ()
        if (problem := gate_problem(gate["conditionType"], found.get(gate["conditionType"])))
    ]
    if problems:
        message = ", ".join(problems)
        return {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady", "message": message}
    return {"type": "Ready", "status": "True"}


def gate_problem(kind: str, condition: Object | None) -> str:
    """What is wrong with a readiness gate; empty when its condition is True."""
    if condition is None:
        return f'corresponding condition of pod readiness gate "{kind}" does not exist.'
    if condition["status"] != "True":
        return f'the status of pod readiness gate "{kind}" is not "True", but {condition["status"]}'
    return ""


def terminal_reason(phase: str, era: Era) -> str:
    """Why the containers of a pod in a terminal phase are not ready; empty in other phases."""
    if phase == "Succeeded":
        return "PodCompleted"
    return "PodFailed" if phase == "Failed" and era.pod_failed_reason else ""


def stamped(new: Iterable[Object], old: Iterable[Object], now: str, generation: int | None) -> list[Object]:
    """Conditions with times: a transition time moves only where the status turned.

    Args:
        new: conditions without times.
        old: the conditions before.
        now: timestamp.
        generation: the pod's generation they speak of; None leaves it out.
    """
    before = {condition["type"]: condition for condition in old}
    return [_stamped(condition, before.get(condition["type"]), now, generation) for condition in new]


def _stamped(condition: Object, old: Object | None, now: str, generation: int | None) -> Object:
    turned = old is None or old.get("status") != condition["status"]
    kept = None if old is None else old.get("lastTransitionTime")
    stamped = {**condition, "lastProbeTime": None, "lastTransitionTime": now if turned else kept or now}
    if generation is not None:
        stamped["observedGeneration"] = generation
    return stamped


def _initialization_done(spec: Object, status: Object) -> bool:
    if resources.is_sidecar(spec):
        return bool(status.get("started"))
    return bool(status.get("ready"))


def _joined(*lists: tuple[str, list[str]]) -> str:
    return ", ".join(f"containers with {what} status: [{' '.join(names)}]" for what, names in lists if names)
