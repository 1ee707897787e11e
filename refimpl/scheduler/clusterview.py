"""What one node alone cannot answer: spreading, pods near other pods.

Source: the PreFilter and PreScore state of kube-scheduler 1.36 plug-ins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import attrs

from refimpl.api.errors import Object
from refimpl.api.resources import NAMESPACES, Resource
from refimpl.client.informer import Informer
from refimpl.scheduler import interpodaffinity, owners, podtopologyspread, scores
from refimpl.scheduler.cache import Cache
from refimpl.scheduler.filters import Rejection
from refimpl.scheduler.nodeinfo import NodeInfo
from refimpl.scheduler.nodeorder import Chosen
from refimpl.scheduler.podinfo import PodInfo

WATCHED = (*owners.WATCHED, NAMESPACES)
"""What has to be watched, besides nodes and pods, to answer."""


class CrossNodeFilter(Protocol):
    """A filter whose answer about one node depends on the pods on others; made for one pod and one moment."""

    def rejection(self, node: NodeInfo) -> Rejection | None:
        """The objection against a node."""
        ...

    def moved(self, pod: PodInfo, node: NodeInfo, by: int) -> CrossNodeFilter:
        """The filter as it would be with a pod more (1) or less (-1) on a node."""
        ...


def by_namespace(obj: Object) -> Iterable[str]:
    """Index function: the object's namespace."""
    return (obj["metadata"].get("namespace", ""),)


@attrs.define(eq=False)
class ClusterView:
    """Answers questions about a pod and the whole cluster.

    Args:
        cache: nodes and the pods on them.
        informers: of the resources in `WATCHED`, with the index `namespace`.
    """

    cache: Cache
    informers: Mapping[Resource, Informer]

    def filters_for(self, pod: PodInfo) -> list[CrossNodeFilter]:
        """The filters that concern a pod; none for most."""
        filters: list[CrossNodeFilter] = []
        filters += podtopologyspread.filters_for(pod, self.cache)
        filters += interpodaffinity.filters_for(pod, self.cache, self._namespace_labels)
        return filters

    def scores_for(self, pod: PodInfo, nodes: Chosen) -> Iterable[tuple[int, list[int]]]:
        """Weights and scores of the feasible nodes."""
        spread = self._spread(pod, nodes)
        if spread is not None:
            yield scores.TOPOLOGY_SPREAD_WEIGHT, spread
        near = interpodaffinity.score(pod, nodes, self.cache, self._namespace_labels)
        if near is not None:
            yield scores.INTER_POD_AFFINITY_WEIGHT, near

    def _spread(self, pod: PodInfo, nodes: Chosen) -> list[int] | None:
        if pod.spec.get("topologySpreadConstraints"):
            own = podtopologyspread.constraints_of(pod, "ScheduleAnyway")
            return podtopologyspread.score(pod, nodes, self.cache, own, strict=True)
        selector = owners.default_selector(pod, self._get, self._in_namespace)
        if selector is None:
            return None
        constraints = podtopologyspread.default_constraints(selector)
        return podtopologyspread.score(pod, nodes, self.cache, constraints, strict=False)

    def _get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        return self.informers[resource].get(name, namespace)

    def _in_namespace(self, resource: Resource, namespace: str) -> Iterable[Object]:
        return self.informers[resource].by_index("namespace", namespace)

    def _namespace_labels(self, namespace: str) -> Mapping[str, str]:
        found = self.informers[NAMESPACES].get(namespace)
        labels: Mapping[str, str] = {} if found is None else found["metadata"].get("labels") or {}
        return labels
