"""The filters: can this node take this pod? One function each, named as the plug-in of kube-scheduler 1.36.

A filter looks at one node only and answers None (feasible) or a `Rejection`. What needs the view of the whole cluster
is in `interpodaffinity` and `podtopologyspread`. Reasons are the texts of kube-scheduler 1.36.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from refimpl.api.taints import NO_SCHEDULE, UNSCHEDULABLE, first_tolerating
from refimpl.scheduler.hostports import conflict
from refimpl.scheduler.nodeinfo import NodeInfo
from refimpl.scheduler.podinfo import PodInfo


@attrs.frozen
class Rejection:
    """Why a node cannot take a pod.

    Attributes:
        plugin: the filter's name.
        reasons: texts for people.
        unresolvable: whether removing pods from the node could not change the answer.
    """

    plugin: str
    reasons: tuple[str, ...]
    unresolvable: bool = False


def run_filters(pod: PodInfo, node: NodeInfo) -> Rejection | None:
    """The first filter's objection, in the order of the default profile; None when the node is feasible."""
    return (
        node_unschedulable(pod, node)
        or node_name(pod, node)
        or taint_toleration(pod, node)
        or node_affinity(pod, node)
        or node_ports(pod, node)
        or node_resources_fit(pod, node)
    )


def node_unschedulable(pod: PodInfo, node: NodeInfo) -> Rejection | None:
    """A cordoned node takes only pods that tolerate `node.kubernetes.io/unschedulable:NoSchedule`."""
    if not node.unschedulable:
        return None
    if first_tolerating(pod.asks.tolerations, {"key": UNSCHEDULABLE, "effect": NO_SCHEDULE}):
        return None
    return Rejection("NodeUnschedulable", ("node(s) were unschedulable",), unresolvable=True)


def node_name(pod: PodInfo, node: NodeInfo) -> Rejection | None:
    """A pod that names its node goes nowhere else."""
    if not pod.node_name or pod.node_name == node.name:
        return None
    return Rejection("NodeName", ("node(s) didn't match the requested node name",), unresolvable=True)


def taint_toleration(pod: PodInfo, node: NodeInfo) -> Rejection | None:
    """Every NoSchedule and NoExecute taint must be tolerated."""
    for taint in node.hard_taints:
        if not first_tolerating(pod.asks.tolerations, taint):
            return Rejection("TaintToleration", ("node(s) had untolerated taint(s)",), unresolvable=True)
    return None


def node_affinity(pod: PodInfo, node: NodeInfo) -> Rejection | None:
    """The node selector and the required node affinity must both match."""
    if node.node is not None and pod.asks.nodes.required.matches(node.node):
        return None
    return Rejection("NodeAffinity", ("node(s) didn't match Pod's node affinity/selector",), unresolvable=True)


def node_ports(pod: PodInfo, node: NodeInfo) -> Rejection | None:
    """No host port of the pod may be taken."""
    for port in pod.asks.host_ports:
        if conflict(port, node.host_ports):
            return Rejection("NodePorts", ("node(s) didn't have free ports for the requested pod ports",))
    return None


def node_resources_fit(pod: PodInfo, node: NodeInfo) -> Rejection | None:
    """There must be a free slot, and what the pod requests must be left of what the node offers; equality fits."""
    reasons = ["Too many pods"] if not has_free_slot(node) else []
    lacking = list(insufficient_resources(pod, node))
    if not reasons and not lacking:
        return None
    reasons += [f"Insufficient {name}" for name in lacking]
    unresolvable = any(pod.asks.requests[name] > node.allocatable.get(name, 0) for name in lacking)
    return Rejection("NodeResourcesFit", tuple(reasons), unresolvable)


def has_free_slot(node: NodeInfo) -> bool:
    """Whether the node may have one more pod."""
    return len(node.pods) < node.slots


def insufficient_resources(pod: PodInfo, node: NodeInfo) -> Iterator[str]:
    """The resources of which too little is left; what a pod does not request is never among them.

    A resource that the node does not declare is one of which it has nothing.
    """
    for name, wanted in pod.asks.requests.items():
        if wanted > 0 and wanted > node.allocatable.get(name, 0) - node.requested.get(name, 0):
            yield name
