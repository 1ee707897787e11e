"""What the scheduler knows of a node: what it offers, and what the pods on it have taken.

The sums are kept, never recomputed: adding or removing a pod costs the same on an empty node and on a full one.
Amounts are integers: milli-CPU for `cpu`, bytes or pieces for everything else.

Source: kube-scheduler 1.36 `framework.NodeInfo`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from refimpl.api import podresources
from refimpl.api.errors import Object
from refimpl.api.taints import PREFER_NO_SCHEDULE, Taint, taints_of
from refimpl.scheduler.hostports import HostPort
from refimpl.scheduler.podinfo import PodInfo, amounts_of

ZONE_LABEL: Final = "topology.kubernetes.io/zone"


@attrs.define(eq=False)
class NodeInfo:
    """A node with its pods.

    It may exist before its Node object does, and after: pods bound to a name count as soon as a node of that name is
    there.

    Attributes:
        name: the node's name.
        node: the object, not to be changed; None while there is none.
        labels: the node's labels.
        unschedulable: `spec.unschedulable`.
        hard_taints: taints that keep pods away: NoSchedule and NoExecute.
        soft_taints: taints that only make the node less liked: PreferNoSchedule.
        allocatable: `status.allocatable` without `pods`.
        slots: `status.allocatable.pods`; a node that does not say has none.
        requested: sum of the pods' requests.
        non_zero_cpu: sum of the pods' milli-CPU as scoring counts it.
        non_zero_memory: sum of the pods' bytes as scoring counts them.
        host_ports: claimed ports, once for every pod that claims them.
        pods: pods by uid, assumed ones included.
        generation: a number that no two states of the node have in common.
    """

    name: str
    node: Object | None = None
    labels: Mapping[str, str] = attrs.field(factory=dict)
    unschedulable: bool = False
    hard_taints: Sequence[Taint] = ()
    soft_taints: Sequence[Taint] = ()
    allocatable: Mapping[str, int] = attrs.field(factory=dict)
    slots: int = 0
    requested: dict[str, int] = attrs.field(factory=dict)
    non_zero_cpu: int = 0
    non_zero_memory: int = 0
    host_ports: list[HostPort] = attrs.field(factory=list)
    pods: dict[str, PodInfo] = attrs.field(factory=dict)
    generation: int = 0

    @property
    def zone(self) -> str:
        """The node's zone; empty without one, and while there is no Node object."""
        return self.labels.get(ZONE_LABEL, "") if self.node is not None else ""

    def set_node(self, node: Object) -> None:
        """Takes over what the Node object says."""
        taints = taints_of(node)
        amounts = amounts_of(podresources.parse((node.get("status") or {}).get("allocatable")))
        self.node = node
        self.labels = node["metadata"].get("labels") or {}
        self.unschedulable = bool((node.get("spec") or {}).get("unschedulable"))
        self.hard_taints = tuple(taint for taint in taints if keeps_away(taint))
        self.soft_taints = tuple(taint for taint in taints if taint["effect"] == PREFER_NO_SCHEDULE)
        self.slots = amounts.pop("pods", 0)
        self.allocatable = amounts

    def add_pod(self, pod: PodInfo) -> None:
        """Counts a pod."""
        self.pods[pod.uid] = pod
        for name, amount in pod.asks.requests.items():
            self.requested[name] = self.requested.get(name, 0) + amount
        self.non_zero_cpu += pod.asks.non_zero_cpu
        self.non_zero_memory += pod.asks.non_zero_memory
        self.host_ports.extend(pod.asks.host_ports)

    def remove_pod(self, uid: str) -> PodInfo:
        """Stops counting a pod.

        Raises:
            KeyError: it was not counted.
        """
        pod = self.pods.pop(uid)
        for name, amount in pod.asks.requests.items():
            self.requested[name] -= amount
        self.non_zero_cpu -= pod.asks.non_zero_cpu
        self.non_zero_memory -= pod.asks.non_zero_memory
        for port in pod.asks.host_ports:
            self.host_ports.remove(port)
        return pod

    def copy(self) -> NodeInfo:
        """An independent copy to try things out on; it shares the objects and facts."""
        return attrs.evolve(
            self, requested=dict(self.requested), host_ports=list(self.host_ports), pods=dict(self.pods)
        )


def keeps_away(taint: Taint) -> bool:
    """Whether a taint makes its node infeasible for pods that do not tolerate it."""
    return bool(taint["effect"] != PREFER_NO_SCHEDULE)
