"""One scheduling cycle: the best feasible node for a pod, or why there is none.

Synchronous and without I/O: between the question and the answer nothing changes.

Source: kube-scheduler 1.36 `schedule_one.go` (`findNodesThatFitPod`, `prioritizeNodes`, `selectHost`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import chain, compress, repeat
from operator import add, attrgetter, mul
from typing import cast

import attrs

from refimpl.scheduler import scores
from refimpl.scheduler.cache import Cache
from refimpl.scheduler.clusterview import ClusterView, CrossNodeFilter
from refimpl.scheduler.config import SchedulerConfig, feasible_nodes_to_find
from refimpl.scheduler.diagnosis import Diagnosis
from refimpl.scheduler.filters import Rejection
from refimpl.scheduler.nodeorder import Chosen, NodeOrder, gathered
from refimpl.scheduler.nominator import Nominator
from refimpl.scheduler.podinfo import PodInfo
from refimpl.scheduler.verdicts import Verdict, Verdicts, judge


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
    verdicts: list[Verdict]


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
    verdicts: Verdicts = attrs.field(init=False)
    _start: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.verdicts = Verdicts(self.cache)

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
        if not feasible.verdicts:
            return diagnosis
        if len(feasible.verdicts) == 1:
            return Placement(feasible.verdicts[0].node.name, 1)
        best = self._pick(feasible, self.prioritize(pod, feasible))
        return Placement(best.node.name, len(feasible.verdicts))

    def prioritize(self, pod: PodInfo, feasible: Feasible) -> list[int]:
        """The weighted sum of all scores of each feasible node."""
        total = list(map(_resources, feasible.verdicts))
        raw = list(map(_intolerable, feasible.verdicts))
        if any(raw):
            total = _added(total, scores.normalized(raw, reverse=True), scores.TAINT_TOLERATION_WEIGHT)
        if pod.asks.nodes.preferred:
            preferred = [verdict.preferred for verdict in feasible.verdicts]
            total = _added(total, scores.normalized(preferred), scores.NODE_AFFINITY_WEIGHT)
        for weight, more in self.view.scores_for(pod, feasible.chosen):
            total = _added(total, more, weight)
        return total

    def _nominated(self, pod: PodInfo, cross: Sequence[CrossNodeFilter]) -> str:
        """The node room was made on, if the pod can go there now: no other is looked at then."""
        node = self.cache.node(self.nominator.node_of(pod.uid))
        if node is None:
            return ""
        verdict = self._heed_others(pod, self.verdicts.of(pod, node), cross)
        return node.name if verdict.rejection is None else ""

    def _search(
        self, pod: PodInfo, cross: Sequence[CrossNodeFilter], everywhere: NodeOrder
    ) -> tuple[Feasible, Diagnosis]:
        """Asks nodes until enough are feasible, each search beginning where the one before stopped."""
        names = pod.asks.nodes.names
        order = everywhere if names is None else self._named(names)
        nodes = order.nodes
        known: list[Verdict | None]
        known = self.verdicts.known(pod, order) if names is None else [None] * len(nodes)
        enough = feasible_nodes_to_find(self.config, len(nodes))
        start = self._start % len(nodes) if nodes else 0
        straight = range(start, start + min(enough, len(nodes)))
        agreeing = None if cross or self.nominator else _all_agree(pod, order, known, straight)
        rejections: dict[str, Rejection] = {}
        if agreeing is not None:
            found = Feasible(Chosen(order, straight), agreeing)
        else:
            found, rejections = self._one_by_one(pod, cross, order, known, start, enough)
        total = len(everywhere.nodes)
        self._start = (self._start + len(found.verdicts) + len(rejections)) % total
        return found, Diagnosis(total, rejections, None if names is None else _NOT_NAMED)

    def _one_by_one(
        self,
        pod: PodInfo,
        cross: Sequence[CrossNodeFilter],
        order: NodeOrder,
        known: list[Verdict | None],
        start: int,
        enough: int,
    ) -> tuple[Feasible, dict[str, Rejection]]:
        """Asks nodes from a place on, once around, until enough are feasible."""
        alone = not cross and not self.nominator
        places: list[int] = []
        verdicts: list[Verdict] = []
        rejections: dict[str, Rejection] = {}
        for place in chain(range(start, len(order.nodes)), range(start)):
            # A thousand times a pod: the memory is looked into here, without a call.
            verdict = known[place]
            if verdict is None:
                verdict = known[place] = judge(pod, order.nodes[place])
            if not alone and verdict.rejection is None:
                verdict = self._heed_others(pod, verdict, cross)
            if verdict.rejection is not None:
                rejections[order.names[place]] = verdict.rejection
                continue
            places.append(place)
            verdicts.append(verdict)
            if len(verdicts) >= enough:
                break
        return Feasible(Chosen(order, places), verdicts), rejections

    def _named(self, names: Sequence[str]) -> NodeOrder:
        return NodeOrder([node for node in map(self.cache.node, names) if node is not None])

    def _heed_others(self, pod: PodInfo, verdict: Verdict, cross: Sequence[CrossNodeFilter]) -> Verdict:
        """What becomes of a node's verdict when pods on other nodes, and pods nominated to this one, are heeded."""
        node = verdict.node
        if verdict.rejection is not None:
            return verdict
        for one in cross:
            rejection = one.rejection(node)
            if rejection is not None:
                return Verdict(node, rejection)
        seen = self.nominator.with_nominated(node, pod)
        if seen is not node:
            rejection = judge(pod, seen).rejection
            if rejection is not None:
                return Verdict(node, rejection)
        return verdict

    def _pick(self, feasible: Feasible, total: Sequence[int]) -> Verdict:
        """One of the best."""
        best = max(total)
        return self.random.choice(list(compress(feasible.verdicts, map(best.__eq__, total))))


_NOT_NAMED = Rejection("NodeAffinity", ("node(s) didn't satisfy plugin(s) [NodeAffinity]",), unresolvable=True)


def _all_agree(pod: PodInfo, order: NodeOrder, known: list[Verdict | None], places: range) -> list[Verdict] | None:
    """The verdicts of the nodes at some places, if none of them objects: as it is with most pods in most clusters."""
    verdicts = list(gathered(known, places))
    while None in verdicts:
        at = verdicts.index(None)
        place = places[at] % len(known)
        verdicts[at] = known[place] = judge(pod, order.nodes[place])
    agreeing = cast(list[Verdict], verdicts)
    return None if any(map(_rejection, agreeing)) else agreeing


_rejection, _resources, _intolerable = attrgetter("rejection"), attrgetter("resources"), attrgetter("intolerable")


def _added(total: list[int], more: Sequence[int], weight: int) -> list[int]:
    return list(map(add, total, map(mul, more, repeat(weight))))
