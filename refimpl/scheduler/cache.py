"""The scheduler's picture of the cluster: nodes with their pods, kept up to date by events and by its own decisions.

A pod that the scheduler has decided to bind is *assumed*: it counts on its node from that moment on, although the API
has not answered yet. So the next decision, which does not wait for the answer, cannot give the same room away twice.
The assumption ends when the informer shows the pod bound, or with `forget` when the binding failed.

Source: kube-scheduler 1.36 `internal/cache`.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from refimpl.api.errors import Object
from refimpl.api.selectors import LabelSelector
from refimpl.scheduler.columns import Columns, Memory
from refimpl.scheduler.nodeinfo import NodeInfo
from refimpl.scheduler.nodeorder import NodeOrder
from refimpl.scheduler.podindex import PodIndex
from refimpl.scheduler.podinfo import PodInfo


class PodCounts(Columns):
    """The pods that match a selector, on each node."""

    def __init__(self, order: NodeOrder) -> None:
        super().__init__(order)
        self.counts = [0] * len(order.nodes)


class Cache:
    """Nodes and the pods on them.

    Attributes:
        index: counts of the pods by labels and node.
        generation: counts the changes of nodes.
    """

    def __init__(self) -> None:
        self.index = PodIndex()
        self._nodes: dict[str, NodeInfo] = {}
        self._placed: dict[str, str] = {}
        self._assumed: dict[str, PodInfo] = {}
        self._order: NodeOrder | None = None
        self._changes: dict[str, NodeInfo] = {}
        self._counts: Memory[tuple[str, LabelSelector], PodCounts] = Memory(self, PodCounts)
        self.generation = 0

    # nodes

    def node(self, name: str) -> NodeInfo | None:
        """The node of that name, if its object exists."""
        info = self._nodes.get(name)
        return info if info is not None and info.node is not None else None

    def nodes(self) -> list[NodeInfo]:
        """All nodes whose object exists, in the order of `order`."""
        return self.order().nodes

    def order(self) -> NodeOrder:
        """The order in which nodes are searched; the same object until nodes come, go, or change their labels."""
        if self._order is None:
            there = [info for info in self._nodes.values() if info.node is not None]
            self._order = NodeOrder.zones_taking_turns(there)
        return self._order

    def changed_since(self, generation: int) -> Iterator[NodeInfo]:
        """The nodes that have changed since the cache had that generation, the latest first."""
        for info in reversed(self._changes.values()):
            if info.generation <= generation:
                return
            yield info

    def set_node(self, node: Object) -> bool:
        """Adds or updates a node; True when anything changed that a decision could depend on."""
        info = self._info(node["metadata"]["name"])
        if info.node is not None and not _differs(info.node, node):
            info.node = node
            return False
        before, labels = info.zone, info.labels if info.node is not None else None
        info.set_node(node)
        if info.labels != labels:
            self._order = None
        self._count_in_zone(info, before)
        self._touch(info)
        return True

    def remove_node(self, name: str) -> None:
        """Removes a node; its pods are remembered in case a node of that name comes back."""
        info = self._nodes[name]
        before = info.zone
        info.node = None
        self._count_in_zone(info, before)
        self._order = None
        self._touch(info)
        self._drop_if_empty(info)

    # pods

    def assume(self, pod: PodInfo, node: str) -> None:
        """Counts a pod on the node it is about to be bound to."""
        self._assumed[pod.uid] = pod
        self._place(pod, node)

    def forget(self, uid: str) -> str | None:
        """Ends an assumption because the binding failed; the node it counted on, or None when it did no more."""
        return self._displace(uid) if self._assumed.pop(uid, None) is not None else None

    def is_assumed(self, uid: str) -> bool:
        """Whether the pod counts on a node although no event has shown it there yet."""
        return uid in self._assumed

    def set_pod(self, pod: PodInfo) -> str | None:
        """Counts a pod where the API says it is; the node it had counted on wrongly until now, if any."""
        self._assumed.pop(pod.uid, None)
        known = self.pod(pod.uid)
        if known is not None and self._placed[pod.uid] == pod.node_name and _same_to_others(known, pod):
            self._nodes[pod.node_name].pods[pod.uid] = pod
            return None
        before = self._displace(pod.uid)
        self._place(pod, pod.node_name)
        return before if before != pod.node_name else None

    def refresh_pod(self, uid: str, pod: Object) -> None:
        """Takes over the new state of a counted pod that differs in nothing that counts."""
        pods = self._nodes[self._placed[uid]].pods
        pods[uid] = attrs.evolve(pods[uid], pod=pod)

    def remove_pod(self, uid: str) -> str | None:
        """Stops counting a pod; the node it counted on, or None when it counted nowhere."""
        self._assumed.pop(uid, None)
        return self._displace(uid)

    def pod(self, uid: str) -> PodInfo | None:
        """A counted pod."""
        node = self._placed.get(uid)
        return None if node is None else self._nodes[node].pods[uid]

    def counts(self, namespace: str, selector: LabelSelector) -> list[int]:
        """How many pods that are not terminating match, on each node in the order of `order`; not to be changed."""
        column = self._counts.about((namespace, selector))
        if column.unknown:
            found = self.index.counts((namespace,), selector.matches, terminating=False)
            for place in column.unknown:
                column.counts[place] = found.get(column.order.names[place], 0)
            column.unknown.clear()
        return column.counts

    def _place(self, pod: PodInfo, node: str) -> None:
        info = self._info(node)
        info.add_pod(pod)
        self._placed[pod.uid] = node
        self.index.add(pod, node, info.zone)
        self._touch(info)

    def _displace(self, uid: str) -> str | None:
        node = self._placed.pop(uid, None)
        if node is None:
            return None
        info = self._nodes[node]
        self.index.remove(info.remove_pod(uid), node, info.zone)
        self._touch(info)
        self._drop_if_empty(info)
        return node

    def _count_in_zone(self, info: NodeInfo, before: str) -> None:
        if info.zone != before:
            for pod in info.pods.values():
                self.index.remove(pod, info.name, before)
                self.index.add(pod, info.name, info.zone)

    def _info(self, name: str) -> NodeInfo:
        info = self._nodes.get(name)
        if info is None:
            info = self._nodes[name] = NodeInfo(name)
        return info

    def _touch(self, info: NodeInfo) -> None:
        self.generation += 1
        info.generation = self.generation
        self._changes.pop(info.name, None)
        self._changes[info.name] = info

    def _drop_if_empty(self, info: NodeInfo) -> None:
        if info.node is None and not info.pods:
            del self._nodes[info.name]
            del self._changes[info.name]


def _differs(old: Object, new: Object) -> bool:
    """Whether two states of a Node differ in what scheduling looks at; heartbeats do not."""
    old_spec, new_spec = old.get("spec") or {}, new.get("spec") or {}
    return (
        (old.get("status") or {}).get("allocatable") != (new.get("status") or {}).get("allocatable")
        or old_spec.get("taints") != new_spec.get("taints")
        or old_spec.get("unschedulable") != new_spec.get("unschedulable")
        or old["metadata"].get("labels") != new["metadata"].get("labels")
    )


def _same_to_others(known: PodInfo, pod: PodInfo) -> bool:
    """Whether two states of a pod on the same node are alike to every other pod."""
    return (
        known.asks.signature == pod.asks.signature
        and known.labels == pod.labels
        and known.terminating == pod.terminating
    )
