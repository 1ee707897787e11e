"""Which pods belong together when nobody said so: those of the same Services and of the same owner.

Source: kube-scheduler 1.36 `plugins/helper`, `DefaultSelector`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from refimpl.api import selectors
from refimpl.api.errors import Object
from refimpl.api.resources import REPLICASETS, REPLICATIONCONTROLLERS, SERVICES, STATEFULSETS, Resource
from refimpl.api.selectors import LabelSelector
from refimpl.scheduler.podinfo import PodInfo

OWNERS: Final[Mapping[str, Resource]] = {
    "ReplicationController": REPLICATIONCONTROLLERS,
    "ReplicaSet": REPLICASETS,
    "StatefulSet": STATEFULSETS,
}
WATCHED: Final = (SERVICES, REPLICATIONCONTROLLERS, REPLICASETS, STATEFULSETS)

Get = Callable[[Resource, str, str], Object | None]
"""Resource, namespace, name -> the object as last seen."""

InNamespace = Callable[[Resource, str], Iterable[Object]]
"""Resource, namespace -> the objects as last seen."""


def default_selector(pod: PodInfo, get: Get, in_namespace: InNamespace) -> LabelSelector | None:
    """The selector of the pods that a pod is spread from; None when nothing selects it."""
    pairs: dict[str, str] = {}
    for service in in_namespace(SERVICES, pod.namespace):
        selector = service["spec"].get("selector") or {}
        if selector and selectors.from_map(selector).matches(pod.labels):
            pairs.update(selector)
    requirements = selectors.from_map(pairs).requirements + _owner_selector(pod, get).requirements
    return LabelSelector(requirements) if requirements else None


def _owner_selector(pod: PodInfo, get: Get) -> LabelSelector:
    reference = next((one for one in pod.pod["metadata"].get("ownerReferences") or () if one.get("controller")), None)
    resource = OWNERS.get(reference["kind"]) if reference else None
    if reference is None or resource is None or resource.api_version != reference["apiVersion"]:
        return selectors.EVERYTHING
    owner = get(resource, pod.namespace, reference["name"])
    if owner is None or owner["metadata"]["uid"] != reference["uid"]:
        return selectors.EVERYTHING
    if resource is REPLICATIONCONTROLLERS:
        return selectors.from_map(owner["spec"].get("selector"))
    return selectors.from_object(owner["spec"].get("selector") or {})
