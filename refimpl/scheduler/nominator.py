"""Pods that wait for room which preemption is making for them, by the node it is made on.

The room is theirs: on that node they count against every other pod of the same or lower priority, as if they were
there already.

Source: kube-scheduler 1.36 `internal/queue/nominator`.
"""

from __future__ import annotations

from refimpl.scheduler.nodeinfo import NodeInfo
from refimpl.scheduler.podinfo import PodInfo


class Nominator:
    """Knows which unbound pod is nominated to which node.

    Attributes:
        changes: counts the changes.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._nodes: dict[str, dict[str, PodInfo]] = {}
        self._node_of: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._node_of)

    def set(self, pod: PodInfo, node: str) -> str | None:
        """Nominates a pod to a node (empty: to none); the other node that it was nominated to before, if any."""
        before = self.remove(pod.uid)
        if node:
            self.changes += 1
            self._nodes.setdefault(node, {})[pod.uid] = pod
            self._node_of[pod.uid] = node
        return before if before != node else None

    def remove(self, uid: str) -> str | None:
        """Ends a pod's nomination; the node it was for, or None when there was none."""
        node = self._node_of.pop(uid, None)
        if node is not None:
            self.changes += 1
            del self._nodes[node][uid]
            if not self._nodes[node]:
                del self._nodes[node]
        return node

    def node_of(self, uid: str) -> str:
        """The node a pod is nominated to, or empty."""
        return self._node_of.get(uid, "")

    def pods_on(self, node: str) -> list[PodInfo]:
        """The pods nominated to a node."""
        return list(self._nodes.get(node, {}).values())

    def with_nominated(self, node: NodeInfo, pod: PodInfo) -> NodeInfo:
        """The node as `pod` has to see it: with the nominated pods that go first; the same node if there are none."""
        first = [other for other in self.pods_on(node.name) if goes_first(other, pod)]
        if not first:
            return node
        seen = node.copy()
        for other in first:
            seen.add_pod(other)
        return seen


def goes_first(nominated: PodInfo, pod: PodInfo) -> bool:
    """Whether the room made for a nominated pod is kept from another pod."""
    return nominated.uid != pod.uid and nominated.priority >= pod.priority
