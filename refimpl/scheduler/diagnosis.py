"""Why no node could take a pod, in one value and in one sentence.

Source of the sentence: kube-scheduler 1.36 `framework.FitError`.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from refimpl.scheduler.filters import Rejection

NO_NODES = "no nodes available to schedule pods"


@attrs.frozen
class Diagnosis:
    """The answers of all nodes.

    Attributes:
        nodes: how many nodes there are.
        rejections: the objection of each node that was asked, by name.
        elsewhere: the objection of the nodes that were not asked, because the pod names the few that could do.
        preemption: what preemption said; empty when it made room.
    """

    nodes: int
    rejections: Mapping[str, Rejection]
    elsewhere: Rejection | None = None
    preemption: str = ""

    @property
    def message(self) -> str:
        """The sentence for the condition and the event."""
        if self.nodes == 0:
            return NO_NODES
        text = summary(self.nodes, self.rejections, self.elsewhere)
        return f"{text} preemption: {self.preemption}" if self.preemption else text

    def of(self, node: str) -> Rejection | None:
        """The objection of one node."""
        return self.rejections.get(node, self.elsewhere)


def summary(nodes: int, rejections: Mapping[str, Rejection], elsewhere: Rejection | None) -> str:
    """The reasons with their counts, e.g. `0/3 nodes are available: 1 Insufficient cpu, 2 Too many pods.`, sorted."""
    counts: dict[str, int] = {}
    for rejection in rejections.values():
        for reason in rejection.reasons:
            counts[reason] = counts.get(reason, 0) + 1
    unasked = nodes - len(rejections)
    if elsewhere is not None and unasked > 0:
        for reason in elsewhere.reasons:
            counts[reason] = counts.get(reason, 0) + unasked
    reasons = ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items()))
    return f"0/{nodes} nodes are available: {reasons}." if reasons else f"0/{nodes} nodes are available:"
