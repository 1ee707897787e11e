"""The scheduler's predicates that the node checks again before it takes a pod.

Source: kubelet 1.36 `lifecycle/predicate.go` (`generalFilter`): a pod can be bound to a node by anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from refimpl.api import selectors, taints
from refimpl.api.errors import Object
from refimpl.kubelet import resources


@attrs.frozen
class Shortage:
    """A resource of which the node has too little left.

    Attributes:
        resource: its name.
        requested: what the pod asks for (milli-CPU, bytes, counts).
        used: what the pods on the node already ask for.
        capacity: what the node can give: its allocatable amount.
    """

    resource: str
    requested: int
    used: int
    capacity: int


def shortages(pod: Object, node: Object, others: Iterable[Object]) -> Iterator[Shortage]:
    """What the node lacks for a pod beside the others: number of pods first, then each requested resource.

    Extended resources that the node does not know are ignored: something outside the node provides them.
    """
    allocatable = resources.amounts((node.get("status") or {}).get("allocatable"))
    used = resources.total_requests(others)
    one_more = Shortage("pods", 1, used["pods"], allocatable.get("pods", 0))
    if not has_room(one_more):
        yield one_more
    for resource, requested in ordered_requests(pod):
        if resources.is_extended(resource) and resource not in allocatable:
            continue
        shortage = Shortage(resource, requested, used.get(resource, 0), allocatable.get(resource, 0))
        if requested > 0 and not has_room(shortage):
            yield shortage


def has_room(demand: Shortage) -> bool:
    """Whether a request fits beside what is used."""
    return demand.requested <= demand.capacity - demand.used


def ordered_requests(pod: Object) -> list[tuple[str, int]]:
    """A pod's requests in the order in which they are checked: CPU, memory, storage, then the others by name."""
    requests = resources.pod_requests(pod)
    first = [name for name in ("cpu", "memory", "ephemeral-storage") if name in requests]
    return [(name, requests[name]) for name in [*first, *sorted(set(requests) - set(first))]]


def matches_node(pod: Object, node: Object) -> bool:
    """Whether nodeSelector and required node affinity of the pod accept the node."""
    labels = node["metadata"].get("labels") or {}
    spec = pod["spec"]
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    fields = {"metadata.name": node["metadata"]["name"]}
    return any(_term_matches(term, labels, fields) for term in required.get("nodeSelectorTerms") or ())


def ports_free(pod: Object, others: Iterable[Object]) -> bool:
    """Whether none of the pod's host ports is taken by another pod of the node."""
    taken = [port for other in others for port in resources.host_ports(other)]
    return not any(_same_port(wanted, other) for wanted in resources.host_ports(pod) for other in taken)


def intolerable_taint(pod: Object, node: Object) -> Object | None:
    """The first NoExecute taint of the node that the pod does not tolerate; None when there is none."""
    return taints.untolerated(taints.taints_of(node), taints.tolerations_of(pod), (taints.NO_EXECUTE,))


def _term_matches(term: Mapping[str, Any], labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
    """A term without any requirement matches nothing."""
    by_label, by_field = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not by_label and not by_field:
        return False
    return all(_requirement_holds(requirement, labels) for requirement in by_label) and all(
        _requirement_holds(requirement, fields) for requirement in by_field
    )


def _requirement_holds(requirement: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement["key"])
    values = requirement.get("values") or []
    match requirement["operator"]:
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            return value is not None and selectors.compares(value, operator, values[0])
        case _:
            return False


def _same_port(left: tuple[str, str, int], right: tuple[str, str, int]) -> bool:
    every = "0.0.0.0"
    return left[1:] == right[1:] and (left[0] == right[0] or every in (left[0], right[0]))
