"""A node's complete answer to a pod, remembered as long as neither changes.

A thousand pods of one template ask a thousand nodes the same question, and between two of them a single node has
changed. So the answer of a node to all pods of one signature is kept together with the node's generation, and computed
again only when the node has moved on. Kube-scheduler 1.36 reuses answers for the same reason (opportunistic batching,
by pod signature).
"""

from __future__ import annotations

from collections import OrderedDict

import attrs

from refimpl.scheduler import filters, scores
from refimpl.scheduler.filters import Rejection
from refimpl.scheduler.nodeinfo import NodeInfo
from refimpl.scheduler.podinfo import PodInfo

_REMEMBERED = 64


@attrs.frozen(eq=False)
class Verdict:
    """What one node by itself says to a pod.

    Attributes:
        generation: of the node that said it.
        node: the node.
        rejection: its objection; the other fields mean nothing when there is one.
        resources: weighted score of NodeResourcesFit and NodeResourcesBalancedAllocation.
        intolerable: raw score of TaintToleration.
        preferred: raw score of NodeAffinity.
    """

    generation: int
    node: NodeInfo
    rejection: Rejection | None
    resources: int = 0
    intolerable: int = 0
    preferred: int = 0


def judge(pod: PodInfo, node: NodeInfo) -> Verdict:
    """Asks a node."""
    rejection = filters.run_filters(pod, node)
    if rejection is not None:
        return Verdict(node.generation, node, rejection)
    return Verdict(
        generation=node.generation,
        node=node,
        rejection=None,
        resources=scores.RESOURCES_FIT_WEIGHT * scores.least_allocated(pod, node)
        + scores.BALANCED_ALLOCATION_WEIGHT * scores.balanced_allocation(pod, node),
        intolerable=scores.intolerable_taints(pod, node),
        preferred=scores.preferred_affinity(pod, node),
    )


class Verdicts:
    """Remembers what nodes said to the signatures asked about last."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, dict[str, Verdict]] = OrderedDict()

    def of(self, pod: PodInfo, node: NodeInfo) -> Verdict:
        """The node's verdict as of now."""
        known = self.known_to(pod)
        verdict = known.get(node.name)
        if verdict is None or verdict.generation != node.generation:
            verdict = known[node.name] = judge(pod, node)
        return verdict

    def known_to(self, pod: PodInfo) -> dict[str, Verdict]:
        """What is known for pods like this one, by node; valid where the generation is still the node's."""
        known = self._known.get(pod.asks.signature)
        if known is None:
            known = self._known[pod.asks.signature] = {}
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(pod.asks.signature)
        return known
