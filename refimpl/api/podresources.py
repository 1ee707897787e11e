"""What a pod asks of its node, and its quality-of-service class.

The scheduler, the kubelet and the API server must agree on these sums, so they are made here.

Source: `component-helpers/resource` and `kubectl/pkg/util/qos` (Kubernetes 1.36; the same as 1.20 for pods without
sidecars and without pod-level resources).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal

from refimpl.api import quantity

Resources = dict[str, Decimal]
"""Exact amounts by resource name, in base units: cores, bytes, devices."""

QosClass = Literal["Guaranteed", "Burstable", "BestEffort"]

_QOS_RESOURCES: Final = ("cpu", "memory")
_NONE: Final = Decimal(0)


def parse(amounts: Mapping[str, Any] | None) -> Resources:
    """The exact amounts of a ResourceList.

    Raises:
        QuantityError: one of them is no quantity.
    """
    return {name: quantity.parse(amount) for name, amount in (amounts or {}).items()}


def add(total: Resources, more: Mapping[str, Decimal]) -> None:
    """Adds amounts to a total, in place."""
    for name, amount in more.items():
        total[name] = total.get(name, _NONE) + amount


def raise_to(total: Resources, least: Mapping[str, Decimal]) -> None:
    """Raises a total to at least the given amounts, in place."""
    for name, amount in least.items():
        if name not in total or total[name] < amount:
            total[name] = amount


def is_sidecar(init_container: Mapping[str, Any]) -> bool:
    """Whether an init container keeps running beside the containers (Kubernetes 1.29 and later)."""
    return bool(init_container.get("restartPolicy") == "Always")


def pod_requests(
    pod: Mapping[str, Any],
    *,
    pod_level: bool = True,
    missing: Mapping[str, Decimal] | None = None,
    resized: bool = False,
) -> Resources:
    """What the scheduler reserves and the kubelet admits for a pod.

    For each resource the larger of: all containers with their sidecars; any init container with the sidecars started
    before it. Pod-level requests, where given, take the place of that sum; overhead comes on top.

    Args:
        pod: the Pod.
        pod_level: whether `spec.resources` counts (Kubernetes 1.34 and later).
        missing: amounts to assume for containers that do not ask for a resource, as scores do.
        resized: whether what the node says of a container counts as well, where that is more (`held_by`).
    """
    reports = reported(pod) if resized else {}
    return _effective(pod, "requests", pod_level=pod_level, missing=missing or {}, reports=reports)


Reports = Mapping[str, Mapping[str, Any]]
"""What a node tells of containers and their resources: their statuses by name."""


def reported(pod: Mapping[str, Any]) -> Reports:
    """The statuses of those containers of which the node tells what they have (Kubernetes 1.33 and later)."""
    status = pod.get("status") or {}
    found = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
    return {report["name"]: report for report in found if report.get("resources") is not None}


def held_by(report: Mapping[str, Any]) -> Resources:
    """What a container holds of its node: what was allocated to it or what it really has, whichever is more."""
    held = parse(report.get("allocatedResources"))
    raise_to(held, parse((report.get("resources") or {}).get("requests")))
    return held


def is_infeasible(pod: Mapping[str, Any]) -> bool:
    """Whether the node has said that what the pod's containers are to have now is more than it can ever give."""
    pending = (c for c in (pod.get("status") or {}).get("conditions") or () if c.get("type") == "PodResizePending")
    return any(condition.get("reason") == "Infeasible" for condition in pending)


def pod_limits(pod: Mapping[str, Any], *, pod_level: bool = True) -> Resources:
    """The limits of a pod, summed like its requests; overhead is added to resources that are limited."""
    return _effective(pod, "limits", pod_level=pod_level, missing={}, reports={})


def _effective(
    pod: Mapping[str, Any],
    which: Literal["requests", "limits"],
    *,
    pod_level: bool,
    missing: Mapping[str, Decimal],
    reports: Reports,
) -> Resources:
    spec = pod.get("spec") or {}
    infeasible = bool(reports) and is_infeasible(pod)

    def amounts(container: Mapping[str, Any]) -> Resources:
        report = reports.get(container.get("name", ""))
        asked = {} if report and infeasible else parse((container.get("resources") or {}).get(which))
        if report:
            raise_to(asked, held_by(report))
        return {**missing, **asked}

    total = _sum_of_containers(spec, amounts)
    if pod_level and spec.get("resources"):
        total.update(parse(spec["resources"].get(which)))
    overhead = parse(spec.get("overhead"))
    if which == "limits":
        overhead = {name: amount for name, amount in overhead.items() if name in total}
    add(total, overhead)
    return total


def _sum_of_containers(spec: Mapping[str, Any], amounts: Callable[[Mapping[str, Any]], Resources]) -> Resources:
    total: Resources = {}
    for container in spec.get("containers") or ():
        add(total, amounts(container))
    sidecars: Resources = {}
    peak: Resources = {}
    for container in spec.get("initContainers") or ():
        asked = amounts(container)
        if is_sidecar(container):
            add(total, asked)
            add(sidecars, asked)
            raise_to(peak, sidecars)
        else:
            add(asked, sidecars)
            raise_to(peak, asked)
    raise_to(total, peak)
    return total


def qos_class(pod: Mapping[str, Any], *, pod_level: bool = True) -> QosClass:
    """The pod's quality-of-service class, from CPU and memory of all its containers, init containers among them.

    Guaranteed: every container limits both and asks for exactly its limits. BestEffort: none asks for or limits
    anything. Burstable: the rest.
    """
    holders = list(_holders(pod.get("spec") or {}, pod_level=pod_level))
    requests = [_counted(holder.get("requests")) for holder in holders]
    limits = [_counted(holder.get("limits")) for holder in holders]
    if not any(requests) and not any(limits):
        return "BestEffort"
    limited = all(len(limit) == len(_QOS_RESOURCES) for limit in limits)
    if limited and _total(requests) == _total(limits):
        return "Guaranteed"
    return "Burstable"


def _holders(spec: Mapping[str, Any], *, pod_level: bool) -> Iterable[Mapping[str, Any]]:
    """The `resources` objects that decide: the pod's own when it has one, else those of all containers."""
    if pod_level and spec.get("resources"):
        return [spec["resources"]]
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    return [container.get("resources") or {} for container in containers]


def _counted(amounts: Mapping[str, Any] | None) -> Resources:
    return {name: amount for name, amount in parse(amounts).items() if name in _QOS_RESOURCES and amount > 0}


def _total(parts: Iterable[Resources]) -> Resources:
    total: Resources = {}
    for part in parts:
        add(total, part)
    return total
