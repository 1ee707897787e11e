"""PodTopologySpread: pods of one kind are spread over the domains of a topology (nodes, zones).

A pod may bring constraints of its own: `DoNotSchedule` filters, `ScheduleAnyway` scores. A pod without any is spread
softly from the pods of its Services and of its owner (ReplicationController, ReplicaSet, StatefulSet) over nodes and
zones: what SelectorSpread was in kube-scheduler 1.20.

Source: kube-scheduler 1.36 `plugins/podtopologyspread`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import Any, Final

import attrs

from refimpl.api import selectors
from refimpl.api.selectors import LabelSelector, Requirement
from refimpl.api.taints import untolerated
from refimpl.scheduler.cache import Cache
from refimpl.scheduler.filters import Rejection
from refimpl.scheduler.nodeinfo import ZONE_LABEL, NodeInfo
from refimpl.scheduler.nodeorder import Chosen, gathered
from refimpl.scheduler.podinfo import PodInfo
from refimpl.scheduler.scores import MAX

HOSTNAME_LABEL: Final = "kubernetes.io/hostname"

Row = tuple[int | None, ...]
"""Pods in a node's domains, one number for each constraint; None where the node is in no domain."""

_TEXT: Final = "node(s) didn't match pod topology spread constraints"
_UNEVEN: Final = Rejection("PodTopologySpread", (_TEXT,))
_NO_LABEL: Final = Rejection("PodTopologySpread", (f"{_TEXT} (missing required label)",), unresolvable=True)


@attrs.frozen
class Constraint:
    """One topology spread constraint.

    Attributes:
        key: the node label whose values are the domains.
        max_skew: how many pods a domain may be ahead of the emptiest.
        min_domains: with fewer domains than this, the emptiest counts as empty.
        selector: the pods counted.
        honors_affinity: whether nodes that the pod's node selector excludes are left out.
        honors_taints: whether nodes with taints that the pod does not tolerate are left out.
    """

    key: str
    max_skew: int
    selector: LabelSelector
    min_domains: int = 1
    honors_affinity: bool = True
    honors_taints: bool = False

    def includes(self, pod: PodInfo, node: NodeInfo) -> bool:
        """Whether the pods of a node are counted."""
        if self.honors_affinity and not (node.node and pod.asks.nodes.required.matches(node.node)):
            return False
        return not self.honors_taints or untolerated(node.hard_taints, pod.asks.tolerations) is None


@attrs.frozen(eq=False)
class EvenSpread:
    """A constraint that must hold, with the pods counted in every domain."""

    constraint: Constraint
    pod: PodInfo
    counts: Mapping[str, int]

    def rejection(self, node: NodeInfo) -> Rejection | None:
        """With the pod, the node's domain must not be too far ahead of the emptiest."""
        domain = node.labels.get(self.constraint.key)
        if domain is None:
            return _NO_LABEL
        enough = len(self.counts) >= self.constraint.min_domains
        least = min(self.counts.values(), default=0) if enough else 0
        itself = self.constraint.selector.matches(self.pod.labels)
        return _UNEVEN if self.counts.get(domain, 0) + itself - least > self.constraint.max_skew else None

    def moved(self, pod: PodInfo, node: NodeInfo, by: int) -> EvenSpread:
        """The same with a pod more (1) or less (-1) on a node."""
        domain = node.labels.get(self.constraint.key)
        if domain is None or domain not in self.counts or not _counted(self.constraint, self.pod, pod):
            return self
        return attrs.evolve(self, counts={**self.counts, domain: self.counts[domain] + by})


def _counted(constraint: Constraint, pod: PodInfo, other: PodInfo) -> bool:
    return other.namespace == pod.namespace and not other.terminating and constraint.selector.matches(other.labels)


def constraints_of(pod: PodInfo, when: str) -> tuple[Constraint, ...]:
    """The pod's own constraints for `DoNotSchedule` or `ScheduleAnyway`."""
    return tuple(
        _constraint(one, pod.labels)
        for one in pod.spec.get("topologySpreadConstraints") or ()
        if one["whenUnsatisfiable"] == when
    )


def default_constraints(selector: LabelSelector) -> tuple[Constraint, ...]:
    """The cluster's soft constraints for pods without any: over nodes, and less strictly over zones."""
    return Constraint(HOSTNAME_LABEL, 3, selector), Constraint(ZONE_LABEL, 5, selector)


def filters_for(pod: PodInfo, cache: Cache) -> list[EvenSpread]:
    """The filters of the pod's hard constraints; none for most pods."""
    constraints = constraints_of(pod, "DoNotSchedule")
    if not constraints:
        return []
    nodes = [node for node in cache.nodes() if all(one.key in node.labels for one in constraints)]
    filters = []
    for constraint in constraints:
        found = cache.index.counts((pod.namespace,), constraint.selector.matches, terminating=False)
        counts: dict[str, int] = {}
        for node in nodes:
            if constraint.includes(pod, node):
                domain = node.labels[constraint.key]
                counts[domain] = counts.get(domain, 0) + found.get(node.name, 0)
        filters.append(EvenSpread(constraint, pod, counts))
    return filters


def score(
    pod: PodInfo, nodes: Chosen, cache: Cache, constraints: Sequence[Constraint], *, strict: bool
) -> list[int] | None:
    """How few of the pods counted are in each node's domains; None when nothing speaks for or against a node.

    Args:
        pod: the pod to place.
        nodes: the feasible nodes.
        cache: where the pods are.
        constraints: what to spread from and over.
        strict: whether a node must have all labels to get any score (the pod's own constraints).
    """
    found = [
        cache.index.counts((pod.namespace,), constraint.selector.matches, terminating=False)
        for constraint in constraints
    ]
    if not any(found):
        return None
    columns, weights = [], []
    for constraint, by_node in zip(constraints, found, strict=True):
        column, size = _column(constraint, pod, nodes, by_node, cache)
        columns.append(column)
        # So few large domains and many small ones matter alike.
        weights.append(log(size + 2))
    rows = list(zip(*columns, strict=True))
    ranks = _ranks({row: _crowding(row, weights, constraints, strict=strict) for row in set(rows)})
    return list(map(ranks.__getitem__, rows))


def _column(
    constraint: Constraint, pod: PodInfo, nodes: Chosen, by_node: Mapping[str, int], cache: Cache
) -> tuple[Sequence[int | None], int]:
    """The pods in each node's domain (None where it has none), and the number of domains."""
    if constraint.key == HOSTNAME_LABEL and nodes.order.all_have(HOSTNAME_LABEL):
        # Every node is a domain of its own, whatever it calls itself.
        return gathered(cache.counts(pod.namespace, constraint.selector), nodes.places), len(nodes)
    domains = nodes.labels(constraint.key)
    distinct = set(domains) - {None}
    total = _counts_by_domain(constraint, pod, by_node, cache) if distinct else {}
    counts: dict[str | None, int | None] = {domain: total.get(domain, 0) for domain in distinct if domain is not None}
    return list(map(counts.get, domains)), len(distinct)


def _crowding(row: Row, weights: Sequence[float], constraints: Sequence[Constraint], *, strict: bool) -> int | None:
    """How crowded the domains of a node are, all in all; None when it gets no score."""
    if strict and None in row:
        return None
    crowding = 0.5
    for count, weight, constraint in zip(row, weights, constraints, strict=True):
        if count is not None:
            crowding += count * weight + constraint.max_skew - 1
    return int(crowding)


def _ranks(crowding: Mapping[Row, int | None]) -> dict[Row, int]:
    """Turns crowding into scores: `MAX` for the least crowded, 0 for those without."""
    counted = [one for one in crowding.values() if one is not None]
    most, least = max(counted, default=0), min(counted, default=0)
    return {
        row: 0 if one is None else MAX * (most + least - one) // most if most else MAX for row, one in crowding.items()
    }


def _counts_by_domain(
    constraint: Constraint, pod: PodInfo, by_node: Mapping[str, int], cache: Cache
) -> Mapping[str, int]:
    everywhere = pod.asks.nodes.anywhere and not constraint.honors_taints
    if everywhere and constraint.key == ZONE_LABEL:
        return cache.index.counts_by_zone((pod.namespace,), constraint.selector.matches, terminating=False)
    counts: dict[str, int] = {}
    for name, count in by_node.items():
        there = cache.node(name)
        if there is not None and (everywhere or constraint.includes(pod, there)):
            domain = there.labels.get(constraint.key, "")
            counts[domain] = counts.get(domain, 0) + count
    return counts


def _constraint(one: Mapping[str, Any], labels: Mapping[str, str]) -> Constraint:
    selector = selectors.from_object(one.get("labelSelector"))
    same = tuple(Requirement(key, "=", (labels[key],)) for key in one.get("matchLabelKeys") or () if key in labels)
    return Constraint(
        key=one["topologyKey"],
        max_skew=one["maxSkew"],
        selector=attrs.evolve(selector, requirements=selector.requirements + same),
        min_domains=one.get("minDomains") or 1,
        honors_affinity=one.get("nodeAffinityPolicy", "Honor") == "Honor",
        honors_taints=one.get("nodeTaintsPolicy", "Ignore") == "Honor",
    )
