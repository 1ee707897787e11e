"""What nodes by themselves say to a pod, remembered as long as neither changes.

A thousand pods of one template ask a thousand nodes the same question. So the answers to all pods of one signature are
kept, and only nodes that have changed are asked again. Kube-scheduler 1.36 reuses answers likewise (opportunistic
batching, by pod signature).
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from refimpl.scheduler import filters, scores
from refimpl.scheduler.columns import Columns, Memory, Nodes
from refimpl.scheduler.filters import Rejection
from refimpl.scheduler.nodeinfo import NodeInfo
from refimpl.scheduler.nodeorder import NodeOrder, gathered
from refimpl.scheduler.podinfo import PodInfo


@attrs.frozen
class Verdict:
    """What one node says.

    Attributes:
        rejection: its objection; the other fields mean nothing when there is one.
        resources: weighted score of NodeResourcesFit and NodeResourcesBalancedAllocation.
        intolerable: raw score of TaintToleration.
        preferred: raw score of NodeAffinity.
    """

    rejection: Rejection | None
    resources: int = 0
    intolerable: int = 0
    preferred: int = 0


def judge(pod: PodInfo, node: NodeInfo) -> Verdict:
    """Asks a node."""
    rejection = filters.run_filters(pod, node)
    if rejection is not None:
        return Verdict(rejection)
    return Verdict(
        rejection=None,
        resources=scores.RESOURCES_FIT_WEIGHT * scores.least_allocated(pod, node)
        + scores.BALANCED_ALLOCATION_WEIGHT * scores.balanced_allocation(pod, node),
        intolerable=scores.intolerable_taints(pod, node),
        preferred=scores.preferred_affinity(pod, node),
    )


class Verdicts(Columns):
    """What all nodes say to the pods of one signature, a column for each field of `Verdict`.

    Attributes:
        rejections: see `Verdict`, as all of these.
        resources: scores.
        intolerable: scores.
        preferred: scores.
    """

    def __init__(self, order: NodeOrder) -> None:
        super().__init__(order)
        size = len(order.nodes)
        self.rejections: list[Rejection | None] = [None] * size
        self.resources = [0] * size
        self.intolerable = [0] * size
        self.preferred = [0] * size

    def rejection(self, pod: PodInfo, place: int) -> Rejection | None:
        """The objection of the node at a place, which is asked if that is not known."""
        if place in self.unknown:
            self._ask(pod, place)
        return self.rejections[place]

    def all_agree(self, pod: PodInfo, places: range) -> bool:
        """Whether no node at these places (see `Chosen.places`) objects: as it is with most pods in most clusters."""
        size = len(self.order.nodes)
        for place in [place for place in self.unknown if place in places or place + size in places]:
            self._ask(pod, place)
        objections: Sequence[Rejection | None] = gathered(self.rejections, places)
        return not any(objections)

    def _ask(self, pod: PodInfo, place: int) -> None:
        verdict = judge(pod, self.order.nodes[place])
        self.rejections[place] = verdict.rejection
        self.resources[place] = verdict.resources
        self.intolerable[place] = verdict.intolerable
        self.preferred[place] = verdict.preferred
        self.unknown.discard(place)


class VerdictMemory:
    """Remembers what nodes said to the signatures asked about last.

    Args:
        nodes: the nodes.
    """

    def __init__(self, nodes: Nodes) -> None:
        self._memory: Memory[bytes, Verdicts] = Memory(nodes, Verdicts)

    def on(self, pod: PodInfo) -> Verdicts:
        """What is known for pods like this one as of now."""
        return self._memory.about(pod.asks.signature)

    def rejection(self, pod: PodInfo, node: NodeInfo) -> Rejection | None:
        """One node's objection as of now."""
        verdicts = self.on(pod)
        return verdicts.rejection(pod, verdicts.order.place_of[node.name])
