"""One scheduling cycle: the best feasible node for a pod, or why there is none.

Synchronous and without I/O: between the question and the answer nothing changes.

Source: kube-scheduler 1.36 `schedule_one.go` (`findNodesThatFitPod`, `prioritizeNodes`, `selectHost`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import chain, compress, repeat
from operator import add, mul

import attrs

from refimpl.scheduler import scores
from refimpl.scheduler.cache import Cache
from refimpl.scheduler.clusterview import ClusterView, CrossNodeFilter
from refimpl.scheduler.config import SchedulerConfig, feasible_nodes_to_find
from refimpl.scheduler.diagnosis import Diagnosis
from refimpl.scheduler.filters import Rejection
from refimpl.scheduler.nodeinfo import NodeInfo
from refimpl.scheduler.nodeorder import Chosen, NodeOrder, gathered
from refimpl.scheduler.nominator import Nominator
from refimpl.scheduler.podinfo import PodInfo
from refimpl.scheduler.verdicts import VerdictMemory, Verdicts, judge


@attrs.frozen
class Placement:
    """Where a pod should go.

    Attributes:
        node: the node's name.
        feasible: how many feasible nodes were compared.
    """

    node: str
    feasible: int


@attrs.frozen(eq=False)
class Feasible:
    """The nodes that could take a pod, and what they said."""

    chosen: Chosen
    verdicts: Verdicts

    def __len__(self) -> int:
        return len(self.chosen)

    def of(self, column: list[int]) -> Sequence[int]:
        """Their values in a column of the verdicts."""
        return gathered(column, self.chosen.places)


@attrs.define(eq=False)
class Algorithm:
    """Finds nodes for pods.

    Args:
        cache: nodes and the pods on them.
        nominator: pods that room is being made for.
        view: what is asked about the whole cluster.
        config: how far to search.
        random: breaks ties.
    """

    cache: Cache
    nominator: Nominator
    view: ClusterView
    config: SchedulerConfig
    random: random.Random
    verdicts: VerdictMemory = attrs.field(init=False)
    _start: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.verdicts = VerdictMemory(self.cache)

    def schedule(self, pod: PodInfo) -> Placement | Diagnosis:
        """Decides about one pod."""
        order = self.cache.order()
        if not order.nodes:
            return Diagnosis(0, {})
        cross = self.view.filters_for(pod)
        nominated = self._nominated(pod, cross)
        if nominated:
            return Placement(nominated, 1)
        feasible, diagnosis = self._search(pod, cross, order)
        if len(feasible) < 2:
            return Placement(feasible.chosen.names()[0], 1) if len(feasible) else diagnosis
        return Placement(self._pick(feasible, self.prioritize(pod, feasible)), len(feasible))

    def prioritize(self, pod: PodInfo, feasible: Feasible) -> Sequence[int]:
        """The weighted sum of all scores of each feasible node."""
        verdicts = feasible.verdicts
        total = feasible.of(verdicts.resources)
        intolerable = feasible.of(verdicts.intolerable)
        if any(intolerable):
            total = _added(total, scores.normalized(intolerable, reverse=True), scores.TAINT_TOLERATION_WEIGHT)
        if pod.asks.nodes.preferred:
            preferred = scores.normalized(feasible.of(verdicts.preferred))
            total = _added(total, preferred, scores.NODE_AFFINITY_WEIGHT)
        for weight, more in self.view.scores_for(pod, feasible.chosen):
            total = _added(total, more, weight)
        return total

    def _nominated(self, pod: PodInfo, cross: Sequence[CrossNodeFilter]) -> str:
        """The node room was made on, if the pod can go there now: no other is looked at then."""
        node = self.cache.node(self.nominator.node_of(pod.uid))
        if node is None or self.verdicts.rejection(pod, node) or self._heed_others(pod, node, cross):
            return ""
        return node.name

    def _search(
        self, pod: PodInfo, cross: Sequence[CrossNodeFilter], everywhere: NodeOrder
    ) -> tuple[Feasible, Diagnosis]:
        """Asks nodes until enough are feasible, each search beginning where the one before stopped."""
        names = pod.asks.nodes.names
        verdicts = self.verdicts.on(pod) if names is None else Verdicts(self._named(names))
        size = len(verdicts.order.nodes)
        enough = feasible_nodes_to_find(self.config, size)
        start = self._start % size if size else 0
        straight = range(start, start + min(enough, size))
        rejections: dict[str, Rejection] = {}
        if not cross and not self.nominator and verdicts.all_agree(pod, straight):
            found = Feasible(Chosen(verdicts.order, straight), verdicts)
        else:
            found, rejections = self._one_by_one(pod, cross, verdicts, start, enough)
        total = len(everywhere.nodes)
        self._start = (self._start + len(found) + len(rejections)) % total
        return found, Diagnosis(total, rejections, None if names is None else _NOT_NAMED)

    def _one_by_one(
        self, pod: PodInfo, cross: Sequence[CrossNodeFilter], verdicts: Verdicts, start: int, enough: int
    ) -> tuple[Feasible, dict[str, Rejection]]:
        """Asks nodes from a place on, once around, until enough are feasible."""
        alone = not cross and not self.nominator
        order = verdicts.order
        places: list[int] = []
        rejections: dict[str, Rejection] = {}
        for place in chain(range(start, len(order.nodes)), range(start)):
            rejection = verdicts.rejection(pod, place)
            if rejection is None and not alone:
                rejection = self._heed_others(pod, order.nodes[place], cross)
            if rejection is not None:
                rejections[order.names[place]] = rejection
                continue
            places.append(place)
            if len(places) >= enough:
                break
        return Feasible(Chosen(order, places), verdicts), rejections

    def _named(self, names: Sequence[str]) -> NodeOrder:
        return NodeOrder([node for node in map(self.cache.node, names) if node is not None])

    def _heed_others(self, pod: PodInfo, node: NodeInfo, cross: Sequence[CrossNodeFilter]) -> Rejection | None:
        """What pods on other nodes, and pods nominated to this one, have against a node that itself has nothing."""
        for one in cross:
            rejection = one.rejection(node)
            if rejection is not None:
                return rejection
        seen = self.nominator.with_nominated(node, pod)
        return None if seen is node else judge(pod, seen).rejection

    def _pick(self, feasible: Feasible, total: Sequence[int]) -> str:
        """One of the best."""
        best = max(total)
        return self.random.choice(list(compress(feasible.chosen.names(), map(best.__eq__, total))))


_NOT_NAMED = Rejection("NodeAffinity", ("node(s) didn't satisfy plugin(s) [NodeAffinity]",), unresolvable=True)


def _added(total: Sequence[int], more: Sequence[int], weight: int) -> list[int]:
    return list(map(add, total, map(mul, more, repeat(weight))))
