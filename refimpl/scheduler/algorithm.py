"""One scheduling cycle: the best feasible node for a pod, or why there is none.

Synchronous and without I/O: between the question and the answer nothing changes.

Source: kube-scheduler 1.36 `schedule_one.go` (`findNodesThatFitPod`, `prioritizeNodes`, `selectHost`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import attrs

from refimpl.scheduler import scores
from refimpl.scheduler.cache import Cache
from refimpl.scheduler.clusterview import ClusterView, CrossNodeFilter
from refimpl.scheduler.config import SchedulerConfig, feasible_nodes_to_find
from refimpl.scheduler.diagnosis import Diagnosis
from refimpl.scheduler.filters import Rejection
from refimpl.scheduler.nodeinfo import NodeInfo
from refimpl.scheduler.nominator import Nominator
from refimpl.scheduler.podinfo import PodInfo
from refimpl.scheduler.verdicts import Verdict, Verdicts, judge, verdict_of


@attrs.frozen
class Placement:
    """Where a pod should go.

    Attributes:
        node: the node's name.
        feasible: how many feasible nodes were compared.
    """

    node: str
    feasible: int


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
    verdicts: Verdicts = attrs.field(factory=Verdicts, init=False)
    _start: int = attrs.field(default=0, init=False)

    def schedule(self, pod: PodInfo) -> Placement | Diagnosis:
        """Decides about one pod."""
        everywhere = self.cache.nodes()
        if not everywhere:
            return Diagnosis(0, {})
        cross = self.view.filters_for(pod)
        feasible = self._nominated(pod, cross)
        if not feasible:
            feasible, diagnosis = self._search(pod, cross, everywhere)
            if not feasible:
                return diagnosis
        if len(feasible) == 1:
            return Placement(feasible[0].node.name, 1)
        total = self.prioritize(pod, feasible)
        return Placement(self._pick(feasible, total).node.name, len(feasible))

    def prioritize(self, pod: PodInfo, feasible: Sequence[Verdict]) -> list[int]:
        """The weighted sum of all scores of each feasible node."""
        total = [verdict.resources for verdict in feasible]
        raw = [verdict.intolerable for verdict in feasible]
        if any(raw):
            _add(total, scores.normalized(raw, reverse=True), scores.TAINT_TOLERATION_WEIGHT)
        if pod.asks.nodes.preferred:
            preferred = [verdict.preferred for verdict in feasible]
            _add(total, scores.normalized(preferred), scores.NODE_AFFINITY_WEIGHT)
        for weight, more in self.view.scores_for(pod, [verdict.node for verdict in feasible]):
            _add(total, more, weight)
        return total

    def _nominated(self, pod: PodInfo, cross: Sequence[CrossNodeFilter]) -> list[Verdict]:
        """The node room was made on, if the pod can go there now: no other is looked at then."""
        node = self.cache.node(self.nominator.node_of(pod.uid))
        if node is None:
            return []
        verdict = self._ask(pod, node, self.verdicts.known_to(pod), cross)
        return [verdict] if verdict.rejection is None else []

    def _search(
        self, pod: PodInfo, cross: Sequence[CrossNodeFilter], everywhere: list[NodeInfo]
    ) -> tuple[list[Verdict], Diagnosis]:
        """Asks nodes until enough are feasible, each search beginning where the one before stopped."""
        names = pod.asks.nodes.names
        nodes = everywhere if names is None else [node for node in map(self.cache.node, names) if node is not None]
        known = self.verdicts.known_to(pod) if names is None else {}
        enough = feasible_nodes_to_find(self.config, len(nodes))
        start = self._start % len(nodes) if nodes else 0
        feasible: list[Verdict] = []
        rejections: dict[str, Rejection] = {}
        for node in (*nodes[start:], *nodes[:start]):
            verdict = self._ask(pod, node, known, cross)
            if verdict.rejection is not None:
                rejections[node.name] = verdict.rejection
                continue
            feasible.append(verdict)
            if len(feasible) >= enough:
                break
        self._start = (self._start + len(feasible) + len(rejections)) % len(everywhere)
        elsewhere = None if names is None else _NOT_NAMED
        return feasible, Diagnosis(len(everywhere), rejections, elsewhere)

    def _ask(
        self, pod: PodInfo, node: NodeInfo, known: dict[str, Verdict], cross: Sequence[CrossNodeFilter]
    ) -> Verdict:
        verdict = verdict_of(known, pod, node)
        if verdict.rejection is not None:
            return verdict
        for one in cross:
            rejection = one.rejection(node)
            if rejection is not None:
                return Verdict(node.generation, node, rejection)
        seen = self.nominator.with_nominated(node, pod)
        if seen is not node:
            rejection = judge(pod, seen).rejection
            if rejection is not None:
                return Verdict(node.generation, node, rejection)
        return verdict

    def _pick(self, feasible: Sequence[Verdict], total: Sequence[int]) -> Verdict:
        """One of the best."""
        best = max(total)
        return self.random.choice([verdict for verdict, score in zip(feasible, total, strict=True) if score == best])


_NOT_NAMED = Rejection("NodeAffinity", ("node(s) didn't satisfy plugin(s) [NodeAffinity]",), unresolvable=True)


def _add(total: list[int], more: Sequence[int], weight: int) -> None:
    for index, score in enumerate(more):
        total[index] += weight * score
