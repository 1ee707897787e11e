"""Terms of pod affinity and anti-affinity: which other pods are meant, and what counts as "together".

Source: Kubernetes 1.36 `PodAffinityTerm`; kube-scheduler `framework.AffinityTerm`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import attrs

from refimpl.api import selectors
from refimpl.api.errors import Object
from refimpl.api.selectors import LabelSelector

Kind = Literal["podAffinity", "podAntiAffinity"]
NamespaceLabels = Callable[[str], Mapping[str, str]]


@attrs.frozen
class AffinityTerm:
    """One term.

    Attributes:
        topology_key: the node label whose equal values make nodes one place.
        selector: the pods meant.
        namespaces: where they are.
        namespace_selector: further namespaces where they are; selects nothing when absent.
    """

    topology_key: str
    selector: LabelSelector
    namespaces: tuple[str, ...]
    namespace_selector: LabelSelector

    def matches(self, namespace: str, labels: Mapping[str, str], labels_of: NamespaceLabels) -> bool:
        """Whether pods of a namespace with these labels are meant."""
        return self.reaches(namespace, labels_of) and self.selector.matches(labels)

    def reaches(self, namespace: str, labels_of: NamespaceLabels) -> bool:
        """Whether pods of that namespace can be meant."""
        if namespace in self.namespaces:
            return True
        return not self.namespace_selector.nothing and self.namespace_selector.matches(labels_of(namespace))


def required_terms(pod: Object, kind: Kind) -> tuple[AffinityTerm, ...]:
    """The terms that must hold."""
    affinity = (pod["spec"].get("affinity") or {}).get(kind)
    if not affinity:
        return ()
    namespace = pod["metadata"]["namespace"]
    return _terms(affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or (), namespace)


def preferred_terms(pod: Object, kind: Kind) -> tuple[tuple[int, AffinityTerm], ...]:
    """The terms that had better hold, with their weights."""
    affinity = (pod["spec"].get("affinity") or {}).get(kind) or {}
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    terms = _terms((one["podAffinityTerm"] for one in preferred), pod["metadata"]["namespace"])
    return tuple((one["weight"], term) for one, term in zip(preferred, terms, strict=True))


def _terms(terms: Iterable[Mapping[str, Any]], namespace: str) -> tuple[AffinityTerm, ...]:
    return tuple(_term(term, namespace) for term in terms)


def _term(term: Mapping[str, Any], namespace: str) -> AffinityTerm:
    namespaces = tuple(term.get("namespaces") or ())
    namespace_selector = term.get("namespaceSelector")
    if not namespaces and namespace_selector is None:
        namespaces = (namespace,)
    return AffinityTerm(
        topology_key=term["topologyKey"],
        selector=selectors.from_object(term.get("labelSelector")),
        namespaces=namespaces,
        namespace_selector=selectors.from_object(namespace_selector),
    )
