"""Which pods are garbage.

Source: kube-controller-manager 1.36 `podgc/gc_controller`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from refimpl.api import meta
from refimpl.api.errors import Object
from refimpl.api.taints import OUT_OF_SERVICE, taints_of
from refimpl.controllers.node_index import node_name_of

FINISHED = ("Succeeded", "Failed")
_UNFINISHED = ("", "Pending", "Running", "Unknown")


def surplus_finished(pods: Iterable[Object], threshold: int) -> list[Object]:
    """The finished pods beyond the threshold: evicted ones first, then the oldest.

    Args:
        pods: all pods.
        threshold: finished pods that may stay; 0 for no limit.
    """
    finished = [pod for pod in pods if is_finished(pod)]
    surplus = len(finished) - threshold
    return sorted(finished, key=age_order)[:surplus] if threshold > 0 and surplus > 0 else []


def is_finished(pod: Object) -> bool:
    """Whether a pod has run its course."""
    return phase_of(pod) not in _UNFINISHED


def age_order(pod: Object) -> tuple[bool, str, str]:
    """Sort key: pods that the kubelet evicted, then by creation, then by name."""
    status, metadata = pod.get("status") or {}, pod["metadata"]
    evicted = status.get("phase") == "Failed" and status.get("reason") == "Evicted"
    return not evicted, metadata["creationTimestamp"], metadata["name"]


def on_out_of_service_nodes(pods: Iterable[Object], node_of: Callable[[str], Object | None]) -> list[Object]:
    """Terminating pods whose node is not ready and was declared out of service by its operator."""
    return [
        pod
        for pod in pods
        if meta.is_terminating(pod) and (node := node_of(node_name_of(pod))) is not None and is_out_of_service(node)
    ]


def is_out_of_service(node: Object) -> bool:
    """Whether a node carries the out-of-service taint and is indeed not ready."""
    if not any(taint["key"] == OUT_OF_SERVICE for taint in taints_of(node)):
        return False
    return not meta.is_true(node, "Ready")


def missing_nodes(pods: Iterable[Object], exists: Callable[[str], bool]) -> list[str]:
    """The names of nodes that pods are bound to and that do not exist, in the order of the pods."""
    names = dict.fromkeys(map(node_name_of, pods))
    return [name for name in names if name and not exists(name)]


def orphans(pods: Iterable[Object], gone: Collection[str]) -> list[Object]:
    """The pods bound to nodes that are gone."""
    return [pod for pod in pods if node_name_of(pod) in gone]


def unbound_terminating(pods: Iterable[Object]) -> list[Object]:
    """Terminating pods that no node will ever finish, because they never had one."""
    return [pod for pod in pods if meta.is_terminating(pod) and not node_name_of(pod)]


def phase_of(pod: Object) -> str:
    """The pod's phase."""
    return (pod.get("status") or {}).get("phase") or ""
