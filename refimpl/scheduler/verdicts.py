"""A node's complete answer to a pod, remembered as long as neither changes.

A thousand pods of one template ask a thousand nodes the same question, and between two of them a single node has
changed. So the answers to all pods of one signature are kept, in the order in which nodes are searched, and only those
of nodes that have changed are asked for again. Kube-scheduler 1.36 reuses answers likewise (opportunistic batching,
by pod signature).
"""

from __future__ import annotations

from collections import OrderedDict

import attrs

from refimpl.scheduler import filters, scores
from refimpl.scheduler.cache import Cache
from refimpl.scheduler.filters import Rejection
from refimpl.scheduler.nodeinfo import NodeInfo
from refimpl.scheduler.nodeorder import NodeOrder
from refimpl.scheduler.podinfo import PodInfo

_REMEMBERED = 64


@attrs.frozen(eq=False)
class Verdict:
    """What one node by itself says to a pod.

    Attributes:
        node: the node.
        rejection: its objection; the other fields mean nothing when there is one.
        resources: weighted score of NodeResourcesFit and NodeResourcesBalancedAllocation.
        intolerable: raw score of TaintToleration.
        preferred: raw score of NodeAffinity.
    """

    node: NodeInfo
    rejection: Rejection | None
    resources: int = 0
    intolerable: int = 0
    preferred: int = 0


def judge(pod: PodInfo, node: NodeInfo) -> Verdict:
    """Asks a node."""
    rejection = filters.run_filters(pod, node)
    if rejection is not None:
        return Verdict(node, rejection)
    return Verdict(
        node=node,
        rejection=None,
        resources=scores.RESOURCES_FIT_WEIGHT * scores.least_allocated(pod, node)
        + scores.BALANCED_ALLOCATION_WEIGHT * scores.balanced_allocation(pod, node),
        intolerable=scores.intolerable_taints(pod, node),
        preferred=scores.preferred_affinity(pod, node),
    )


@attrs.define(eq=False)
class _Memory:
    """What all nodes said to the pods of one signature; None where that is not known."""

    order: NodeOrder
    verdicts: list[Verdict | None]
    generation: int


class Verdicts:
    """Remembers what nodes said to the signatures asked about last.

    Args:
        cache: the nodes.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._memories: OrderedDict[bytes, _Memory] = OrderedDict()

    def of(self, pod: PodInfo, node: NodeInfo) -> Verdict:
        """The node's verdict as of now."""
        order = self._cache.order()
        place = order.place_of[node.name]
        known = self.known(pod, order)
        verdict = known[place]
        if verdict is None:
            verdict = known[place] = judge(pod, node)
        return verdict

    def known(self, pod: PodInfo, order: NodeOrder) -> list[Verdict | None]:
        """What is known for pods like this one as of now, in the order of the nodes; to be completed with `judge`."""
        memory = self._memories.get(pod.asks.signature)
        if memory is None or memory.order is not order:
            memory = _Memory(order, [None] * len(order.nodes), self._cache.generation)
            self._memories[pod.asks.signature] = memory
            if len(self._memories) > _REMEMBERED:
                self._memories.popitem(last=False)
            return memory.verdicts
        self._memories.move_to_end(pod.asks.signature)
        for node in self._cache.changed_since(memory.generation):
            # A node without an object is in no order.
            if node.name in order.place_of:
                memory.verdicts[order.place_of[node.name]] = None
        memory.generation = self._cache.generation
        return memory.verdicts
