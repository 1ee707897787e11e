"""What a pod asks for: requests, quality of service, importance.

Amounts are integers: milli-CPU for `cpu`, bytes or counts for everything else, as in the messages of the kubelet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from refimpl.api import quantity
from refimpl.api.errors import Object

Amounts = dict[str, int]
QosClass = Literal["Guaranteed", "Burstable", "BestEffort"]

SYSTEM_CRITICAL_PRIORITY: Final = 2_000_000_000
"""Pods of at least this priority are critical."""


def amount(resource: str, text: str | float) -> int:
    """A quantity as an integer in the unit in which the resource is counted, rounded up."""
    return quantity.milli_value(text) if resource == "cpu" else quantity.value(text)


def amounts(listed: Mapping[str, str] | None) -> Amounts:
    """A ResourceList as integers."""
    return {name: amount(name, text) for name, text in (listed or {}).items()}


def is_extended(resource: str) -> bool:
    """Whether a resource is neither Kubernetes' own nor a request prefix: `example.com/widget`."""
    domain, slash, _ = resource.partition("/")
    return bool(slash) and not (domain == "kubernetes.io" or domain.endswith(".kubernetes.io"))


def is_hugepages(resource: str) -> bool:
    """Whether a resource is a huge page size."""
    return resource.startswith("hugepages-")


def pod_requests(pod: Object) -> Amounts:
    """What the node must have free for a pod.

    The sum over containers and sidecars, or the largest need during initialization where that is more, plus the
    overhead of the pod's runtime class (component-helpers 1.36 `PodRequests`).
    """
    spec = pod["spec"]
    total: Amounts = {}
    for container in spec.get("containers") or ():
        _add(total, _requests(container))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        if is_sidecar(container):
            _add(sidecars, _requests(container))
            _raise(peak, sidecars)
        else:
            _raise(peak, _sum(_requests(container), sidecars))
    _add(total, sidecars)
    _raise(total, peak)
    _add(total, amounts(spec.get("overhead")))
    return total


def is_sidecar(container: Object) -> bool:
    """Whether an init container stays beside the app containers (`restartPolicy: Always`, 1.28+)."""
    return container.get("restartPolicy") == "Always"


def qos_class(pod: Object) -> QosClass:
    """The quality of service class of a pod (`GetPodQOS`): from CPU and memory of all its containers."""
    spec = pod["spec"]
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    listed = [container.get("resources") or {} for container in containers]
    if not any(_counted(part.get(side)) for part in listed for side in ("requests", "limits")):
        return "BestEffort"
    for part in listed:
        limits, requests = _counted(part.get("limits")), _counted(part.get("requests"))
        if set(limits) != {"cpu", "memory"} or any(requests.get(name, limits[name]) != limits[name] for name in limits):
            return "Burstable"
    return "Guaranteed"


def priority(pod: Object) -> int:
    """spec.priority, 0 when there is none."""
    return int(pod["spec"].get("priority") or 0)


def is_static(pod: Object) -> bool:
    """Whether the pod came from a file, not from the API."""
    source = (pod["metadata"].get("annotations") or {}).get("kubernetes.io/config.source", "api")
    return bool(source != "api")


def is_mirror(pod: Object) -> bool:
    """Whether the pod is the API's picture of a static pod."""
    return "kubernetes.io/config.mirror" in (pod["metadata"].get("annotations") or {})


def is_critical(pod: Object) -> bool:
    """Static, mirror and system-critical pods are admitted under pressure and never evicted."""
    return is_static(pod) or is_mirror(pod) or priority(pod) >= SYSTEM_CRITICAL_PRIORITY


def host_ports(pod: Object) -> list[tuple[str, str, int]]:
    """Address, protocol and number of every host port the pod wants."""
    sidecars = [container for container in pod["spec"].get("initContainers") or () if is_sidecar(container)]
    return [
        (port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", port["hostPort"])
        for container in [*(pod["spec"].get("containers") or ()), *sidecars]
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]


def total_requests(pods: Iterable[Object]) -> Amounts:
    """The sum of what several pods ask for, and `pods`, their number."""
    total: Amounts = {"pods": 0}
    for pod in pods:
        _add(total, pod_requests(pod))
        total["pods"] += 1
    return total


def _requests(container: Object) -> Amounts:
    return amounts((container.get("resources") or {}).get("requests"))


def _counted(listed: Mapping[str, str] | None) -> Amounts:
    return {name: found for name, found in amounts(listed).items() if name in {"cpu", "memory"} and found}


def _add(total: Amounts, more: Amounts) -> None:
    for name, found in more.items():
        total[name] = total.get(name, 0) + found


def _raise(peak: Amounts, candidate: Amounts) -> None:
    for name, found in candidate.items():
        peak[name] = max(peak.get(name, 0), found)


def _sum(left: Amounts, right: Amounts) -> Amounts:
    total = dict(left)
    _add(total, right)
    return total
