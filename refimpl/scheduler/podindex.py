"""Counts of pods by node, for questions about the whole cluster: how many pods like these are on each node?

Pods of one workload have the same labels, so pods are counted by namespace and label set, and a selector is held
against the few label sets instead of the many pods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import attrs

from refimpl.scheduler.podinfo import PodInfo

LabelSet = tuple[tuple[str, str], ...]
Matches = Callable[[Mapping[str, str]], bool]


@attrs.define(eq=False)
class _Group:
    labels: Mapping[str, str]
    terminating: bool
    nodes: dict[str, int] = attrs.field(factory=dict)
    zones: dict[str, int] = attrs.field(factory=dict)


class PodIndex:
    """Counts pods as they are placed on nodes and taken off.

    Attributes:
        anti_affine: the pods that keep others away from their node, with its name, by uid.
    """

    def __init__(self) -> None:
        self.anti_affine: dict[str, tuple[PodInfo, str]] = {}
        self._groups: dict[str, dict[tuple[LabelSet, bool], _Group]] = {}

    def add(self, pod: PodInfo, node: str, zone: str) -> None:
        """Counts a pod on a node (and in its zone, empty for none)."""
        groups = self._groups.setdefault(pod.namespace, {})
        key = _key(pod)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(pod.labels, pod.terminating)
        group.nodes[node] = group.nodes.get(node, 0) + 1
        group.zones[zone] = group.zones.get(zone, 0) + 1
        if pod.anti_affinity:
            self.anti_affine[pod.uid] = pod, node

    def remove(self, pod: PodInfo, node: str, zone: str) -> None:
        """Takes back an `add`."""
        self.anti_affine.pop(pod.uid, None)
        groups = self._groups[pod.namespace]
        key = _key(pod)
        group = groups[key]
        _take_one(group.nodes, node)
        _take_one(group.zones, zone)
        if not group.nodes:
            del groups[key]
            if not groups:
                del self._groups[pod.namespace]

    def namespaces(self) -> Iterable[str]:
        """The namespaces that have pods on nodes."""
        return self._groups.keys()

    def counts(self, namespaces: Iterable[str], matches: Matches, *, terminating: bool) -> Mapping[str, int]:
        """Pods on each node whose labels match; nodes without any are absent. The answer may change with the index.

        Args:
            namespaces: where to look.
            matches: the selector.
            terminating: whether terminating pods count too.
        """
        return _sum([group.nodes for group in self._matching(namespaces, matches, terminating=terminating)])

    def counts_by_zone(self, namespaces: Iterable[str], matches: Matches, *, terminating: bool) -> Mapping[str, int]:
        """The same by zone."""
        return _sum([group.zones for group in self._matching(namespaces, matches, terminating=terminating)])

    def _matching(self, namespaces: Iterable[str], matches: Matches, *, terminating: bool) -> Iterator[_Group]:
        for namespace in namespaces:
            for group in self._groups.get(namespace, {}).values():
                if (terminating or not group.terminating) and matches(group.labels):
                    yield group


def _take_one(counts: dict[str, int], key: str) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]


def _sum(found: list[dict[str, int]]) -> dict[str, int]:
    if len(found) == 1:
        return found[0]
    total: dict[str, int] = {}
    for counts in found:
        for key, count in counts.items():
            total[key] = total.get(key, 0) + count
    return total


def _key(pod: PodInfo) -> tuple[LabelSet, bool]:
    return tuple(sorted(pod.labels.items())), pod.terminating
