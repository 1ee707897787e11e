"""InterPodAffinity: pods that must be near others, or must not, and pods already there that keep others away.

A place is the set of nodes with one value of the term's topology key. Three filters, each with the counts of the pods
meant in every place; and the score of the pod's own preferences. (The real plug-in also scores the preferences of the
pods that are already there.)

Source: kube-scheduler 1.36 `plugins/interpodaffinity`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from refimpl.scheduler.affinityterms import AffinityTerm, NamespaceLabels, preferred_terms, required_terms
from refimpl.scheduler.cache import Cache
from refimpl.scheduler.filters import Rejection
from refimpl.scheduler.nodeinfo import NodeInfo
from refimpl.scheduler.nodeorder import Chosen
from refimpl.scheduler.podinfo import PodInfo
from refimpl.scheduler.scores import MAX

Place = tuple[str, str]
"""A topology key and one of its values."""

_AFFINITY = Rejection("InterPodAffinity", ("node(s) didn't match pod affinity rules",), unresolvable=True)
_ANTI_AFFINITY = Rejection("InterPodAffinity", ("node(s) didn't match pod anti-affinity rules",))
_EXISTING = Rejection("InterPodAffinity", ("node(s) didn't satisfy existing pods anti-affinity rules",))


@attrs.frozen(eq=False)
class Affinity:
    """The pod must be near pods that all of its terms mean."""

    pod: PodInfo
    terms: tuple[AffinityTerm, ...]
    labels_of: NamespaceLabels
    counts: Mapping[Place, int]

    def rejection(self, node: NodeInfo) -> Rejection | None:
        """Every term needs such a pod in the node's place; the first pod of a group that means itself needs none."""
        places = [(term.topology_key, node.labels.get(term.topology_key)) for term in self.terms]
        if any(value is None for _, value in places):
            return _AFFINITY
        if all(self.counts.get((key, str(value)), 0) > 0 for key, value in places):
            return None
        first = not any(self.counts.values()) and self._means(self.pod)
        return None if first else _AFFINITY

    def moved(self, pod: PodInfo, node: NodeInfo, by: int) -> Affinity:
        """The same with a pod more (1) or less (-1) on a node."""
        return attrs.evolve(self, counts=_moved(self.counts, self.terms, node, by)) if self._means(pod) else self

    def _means(self, pod: PodInfo) -> bool:
        return all(term.matches(pod.namespace, pod.labels, self.labels_of) for term in self.terms)


@attrs.frozen(eq=False)
class AntiAffinity:
    """The pod must not be near pods that any of its terms means."""

    terms: tuple[AffinityTerm, ...]
    labels_of: NamespaceLabels
    counts: Mapping[Place, int]

    def rejection(self, node: NodeInfo) -> Rejection | None:
        """No such pod may be in the node's place."""
        return _ANTI_AFFINITY if _any_in_place(self.counts, self.terms, node) else None

    def moved(self, pod: PodInfo, node: NodeInfo, by: int) -> AntiAffinity:
        """The same with a pod more (1) or less (-1) on a node."""
        meant = [term for term in self.terms if term.matches(pod.namespace, pod.labels, self.labels_of)]
        return attrs.evolve(self, counts=_moved(self.counts, meant, node, by))


@attrs.frozen(eq=False)
class ExistingAntiAffinity:
    """Pods that are already there must not get this one near them."""

    pod: PodInfo
    labels_of: NamespaceLabels
    counts: Mapping[Place, int]

    def rejection(self, node: NodeInfo) -> Rejection | None:
        """The node must not be in a place that such a pod keeps free of this one."""
        if any(count > 0 and node.labels.get(key) == value for (key, value), count in self.counts.items()):
            return _EXISTING
        return None

    def moved(self, pod: PodInfo, node: NodeInfo, by: int) -> ExistingAntiAffinity:
        """The same with a pod more (1) or less (-1) on a node."""
        return attrs.evolve(self, counts=_moved(self.counts, repelling(pod, self.pod, self.labels_of), node, by))


def filters_for(
    pod: PodInfo, cache: Cache, labels_of: NamespaceLabels
) -> list[Affinity | AntiAffinity | ExistingAntiAffinity]:
    """The filters that concern a pod; none for most."""
    filters: list[Affinity | AntiAffinity | ExistingAntiAffinity] = []
    existing = _repelled_places(pod, cache, labels_of)
    if existing:
        filters.append(ExistingAntiAffinity(pod, labels_of, existing))
    if pod.anti_affinity:
        counts: dict[Place, int] = {}
        for term in pod.anti_affinity:
            _count(counts, (term,), cache, labels_of)
        filters.append(AntiAffinity(pod.anti_affinity, labels_of, counts))
    wanted = required_terms(pod.pod, "podAffinity")
    if wanted:
        counts = {}
        _count(counts, wanted, cache, labels_of)
        filters.append(Affinity(pod, wanted, labels_of, counts))
    return filters


def score(pod: PodInfo, nodes: Chosen, cache: Cache, labels_of: NamespaceLabels) -> list[int] | None:
    """How well each node meets the pod's preferences; None when it has none."""
    weights: dict[Place, int] = {}
    for sign, terms in (
        (1, preferred_terms(pod.pod, "podAffinity")),
        (-1, preferred_terms(pod.pod, "podAntiAffinity")),
    ):
        for weight, term in terms:
            counts: dict[Place, int] = {}
            _count(counts, (term,), cache, labels_of)
            for place, count in counts.items():
                weights[place] = weights.get(place, 0) + sign * weight * count
    if not weights:
        return None
    raw = [
        sum(weight for (key, value), weight in weights.items() if node.labels.get(key) == value)
        for node in nodes.nodes()
    ]
    least, most = min(raw), max(raw)
    return [MAX * (one - least) // (most - least) if most > least else 0 for one in raw]


def repelling(existing: PodInfo, pod: PodInfo, labels_of: NamespaceLabels) -> list[AffinityTerm]:
    """The anti-affinity terms of a pod already there that mean the other one."""
    return [term for term in existing.anti_affinity if term.matches(pod.namespace, pod.labels, labels_of)]


def _repelled_places(pod: PodInfo, cache: Cache, labels_of: NamespaceLabels) -> dict[Place, int]:
    counts: dict[Place, int] = {}
    for existing, name in cache.index.anti_affine.values():
        node = cache.node(name)
        if node is not None:
            _add(counts, repelling(existing, pod, labels_of), node, 1)
    return counts


def _count(counts: dict[Place, int], terms: Sequence[AffinityTerm], cache: Cache, labels_of: NamespaceLabels) -> None:
    """Adds the pods that all terms mean to the places of each of the terms."""
    namespaces = [name for name in cache.index.namespaces() if all(term.reaches(name, labels_of) for term in terms)]
    found = cache.index.counts(
        namespaces, lambda labels: all(term.selector.matches(labels) for term in terms), terminating=True
    )
    for name, count in found.items():
        node = cache.node(name)
        if node is not None:
            _add(counts, terms, node, count)


def _add(counts: dict[Place, int], terms: Iterable[AffinityTerm], node: NodeInfo, by: int) -> None:
    for term in terms:
        value = node.labels.get(term.topology_key)
        if value is not None:
            place = term.topology_key, value
            counts[place] = counts.get(place, 0) + by


def _any_in_place(counts: Mapping[Place, int], terms: Iterable[AffinityTerm], node: NodeInfo) -> bool:
    return any(counts.get((term.topology_key, node.labels.get(term.topology_key, "")), 0) > 0 for term in terms)


def _moved(counts: Mapping[Place, int], terms: Iterable[AffinityTerm], node: NodeInfo, by: int) -> dict[Place, int]:
    after = dict(counts)
    _add(after, terms, node, by)
    return after
