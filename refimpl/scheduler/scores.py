"""The scores of one node for one pod: which of the feasible nodes is liked best? Named as in kube-scheduler 1.36.

Every score is an integer from 0 to `MAX`. Some are relative to the other feasible nodes: they come as raw numbers
first and are normalized over all of them. Spreading is in `podtopologyspread`.
"""

from __future__ import annotations

from collections.abc import Sequence

from refimpl.api.taints import first_tolerating
from refimpl.scheduler.nodeinfo import NodeInfo
from refimpl.scheduler.podinfo import PodInfo

MAX = 100

RESOURCES_FIT_WEIGHT = 1
BALANCED_ALLOCATION_WEIGHT = 1
TAINT_TOLERATION_WEIGHT = 3
NODE_AFFINITY_WEIGHT = 2
TOPOLOGY_SPREAD_WEIGHT = 2
INTER_POD_AFFINITY_WEIGHT = 2


def least_allocated(pod: PodInfo, node: NodeInfo) -> int:
    """The share of cpu and memory that would be left, averaged: the emptier the better (NodeResourcesFit)."""
    shares = []
    for name, taken in (
        ("cpu", node.non_zero_cpu + pod.asks.non_zero_cpu),
        ("memory", node.non_zero_memory + pod.asks.non_zero_memory),
    ):
        offered = node.allocatable.get(name, 0)
        if offered > 0:
            shares.append(max(offered - taken, 0) * MAX // offered)
    return sum(shares) // len(shares) if shares else 0


def balanced_allocation(pod: PodInfo, node: NodeInfo) -> int:
    """How evenly cpu and memory would be used: `MAX` when both to the same share (NodeResourcesBalancedAllocation)."""
    fractions = []
    for name in ("cpu", "memory"):
        offered = node.allocatable.get(name, 0)
        if offered > 0:
            taken = node.requested.get(name, 0) + pod.asks.requests.get(name, 0)
            fractions.append(min(taken / offered, 1.0))
    deviation = abs(fractions[0] - fractions[1]) / 2 if len(fractions) == 2 else 0.0
    return int((1 - deviation) * MAX)


def intolerable_taints(pod: PodInfo, node: NodeInfo) -> int:
    """Raw score of TaintToleration: PreferNoSchedule taints that the pod does not tolerate; fewer is better."""
    return sum(1 for taint in node.soft_taints if not first_tolerating(pod.asks.tolerations, taint))


def preferred_affinity(pod: PodInfo, node: NodeInfo) -> int:
    """Raw score of NodeAffinity: sum of the weights of the preferred terms that match; more is better."""
    return pod.asks.nodes.preference(node.node) if node.node is not None else 0


def normalized(raw: Sequence[int], *, reverse: bool = False) -> list[int]:
    """Scales raw scores so that the largest becomes `MAX`; with `reverse`, the smaller the better."""
    largest = max(raw, default=0)
    if largest == 0:
        return [MAX if reverse else 0] * len(raw)
    scaled = [score * MAX // largest for score in raw]
    return [MAX - score for score in scaled] if reverse else scaled
