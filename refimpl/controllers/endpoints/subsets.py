"""What an Endpoints object says: pure functions from a Service and its pods.

Source: kube-controller-manager 1.36 `endpoints_controller.go` (`syncService`), `endpoints/util.go` (`RepackSubsets`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from refimpl.api.errors import Object
from refimpl.controllers.endpoints import backends
from refimpl.controllers.workloads import pods

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
CAPACITY_ANNOTATION = "endpoints.kubernetes.io/over-capacity"
CAPACITY = 1000
"""The most addresses that one object may have."""

_LISTS = ("addresses", "notReadyAddresses")

Port = tuple[tuple[str, object], ...]


def endpoints(service: Object, candidates: Iterable[Object]) -> Object:
    """The Endpoints object of a Service.

    Args:
        service: the Service; has a selector.
        candidates: pods that its selector matches.
    """
    grouped = subsets(service, candidates)
    kept = _within_capacity(grouped)
    metadata: Object = {
        "name": service["metadata"]["name"],
        "namespace": service["metadata"]["namespace"],
        "labels": wanted_labels(service),
    }
    if kept != grouped:
        metadata["annotations"] = {CAPACITY_ANNOTATION: "truncated"}
    body: Object = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata}
    return {**body, "subsets": kept} if kept else body


def wanted_labels(service: Object) -> dict[str, str]:
    """The Service's own labels, and those that tell who made the object and what for."""
    result = {**(service["metadata"].get("labels") or {}), MANAGED_BY: MANAGER}
    if backends.is_headless(service):
        result[backends.HEADLESS_LABEL] = ""
    return result


def subsets(service: Object, candidates: Iterable[Object]) -> list[Object]:
    """Addresses grouped by the ports that they serve; those not ready apart."""
    family = backends.families(service)[0]
    groups: dict[tuple[Port, ...], tuple[list[Object], list[Object]]] = {}
    for pod in candidates:
        if not backends.belongs(pod, terminating=backends.publishes_not_ready(service)):
            continue
        address = backends.address_in(pod, family)
        served = ports(service, pod)
        if address is None or served is None:
            continue
        group = groups.setdefault(tuple(sorted(served, key=repr)), ([], []))
        group[0 if counts_as_ready(service, pod) else 1].append(_address(service, pod, address))
    return [_subset(group, *members) for group, members in sorted(groups.items(), key=lambda item: repr(item[0]))]


def counts_as_ready(service: Object, pod: Object) -> bool:
    """Whether the pod is listed among the ready addresses."""
    return backends.publishes_not_ready(service) or pods.is_ready(pod)


def ports(service: Object, pod: Object) -> Sequence[Port] | None:
    """The ports that the pod serves; None when it serves none of the Service's. A headless Service may have none."""
    listed = service["spec"].get("ports") or ()
    if not listed and backends.is_headless(service):
        return ()
    found: list[Port] = []
    for service_port in listed:
        number = backends.find_port(pod, service_port)
        if number is None:
            continue
        port: Object = {"name": service_port["name"]} if service_port.get("name") else {}
        port |= {"port": number, "protocol": service_port.get("protocol", "TCP")}
        if service_port.get("appProtocol"):
            port["appProtocol"] = service_port["appProtocol"]
        found.append(tuple(port.items()))
    return found or None


def _address(service: Object, pod: Object, ip: str) -> Object:
    address: Object = {"ip": ip}
    name = backends.hostname(service, pod)
    if name:
        address["hostname"] = name
    if pod["spec"].get("nodeName"):
        address["nodeName"] = pod["spec"]["nodeName"]
    return {**address, "targetRef": backends.target(pod)}


def _subset(group: tuple[Port, ...], ready: list[Object], not_ready: list[Object]) -> Object:
    subset: Object = {}
    if ready:
        subset["addresses"] = sorted(ready, key=_order)
    if not_ready:
        subset["notReadyAddresses"] = sorted(not_ready, key=_order)
    if group:
        subset["ports"] = [dict(port) for port in group]
    return subset


def _order(address: Object) -> tuple[str, str]:
    return address["ip"], address["targetRef"]["uid"]


def _within_capacity(grouped: list[Object]) -> list[Object]:
    """Leaves out what is beyond the capacity, ready addresses last."""
    if (
        sum(len(subset.get(field, ())) for subset in grouped for field in ("addresses", "notReadyAddresses"))
        <= CAPACITY
    ):
        return grouped
    room = CAPACITY
    kept = [dict(subset) for subset in grouped]
    for field in _LISTS:
        for subset in kept:
            if field in subset:
                subset[field] = subset[field][:room]
                room -= len(subset[field])
                if not subset[field]:
                    del subset[field]
    return [subset for subset in kept if any(field in subset for field in _LISTS)]
