"""The nodes in the order in which they are searched, and a choice of them.

What scores need of many nodes at once (names, the values of one label) is kept in lists of that order: gathering the
chosen ones out of a list costs a fraction of asking every node.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import TypeVar

import attrs

from refimpl.scheduler.nodeinfo import ZONE_LABEL, NodeInfo

REGION_LABEL = "topology.kubernetes.io/region"

T = TypeVar("T")


class NodeOrder:
    """Nodes in a fixed order; valid until a node comes, goes, or changes its labels.

    Args:
        nodes: the nodes.

    Attributes:
        nodes: the nodes.
        names: their names.
        place_of: the place of each name.
    """

    def __init__(self, nodes: list[NodeInfo]) -> None:
        self.nodes = nodes
        self.names = [node.name for node in nodes]
        self.place_of = {name: place for place, name in enumerate(self.names)}
        self._labels: dict[str, list[str | None]] = {}
        self._complete: dict[str, bool] = {}

    @classmethod
    def zones_taking_turns(cls, nodes: Iterable[NodeInfo]) -> NodeOrder:
        """Neighbours are of different zones, so that a search that stops early has seen every zone."""
        zones: dict[tuple[str, str], deque[NodeInfo]] = {}
        for node in nodes:
            place = node.labels.get(REGION_LABEL, ""), node.labels.get(ZONE_LABEL, "")
            zones.setdefault(place, deque()).append(node)
        ordered = []
        waiting = deque(zones.values())
        while waiting:
            zone = waiting.popleft()
            ordered.append(zone.popleft())
            if zone:
                waiting.append(zone)
        return cls(ordered)

    def labels(self, key: str) -> list[str | None]:
        """Each node's value of a label."""
        values = self._labels.get(key)
        if values is None:
            values = self._labels[key] = [node.labels.get(key) for node in self.nodes]
        return values

    def all_have(self, key: str) -> bool:
        """Whether every node has a label."""
        complete = self._complete.get(key)
        if complete is None:
            complete = self._complete[key] = None not in self.labels(key)
        return complete


@attrs.frozen(eq=False)
class Chosen:
    """Some of the nodes.

    Attributes:
        order: all of them.
        places: where the chosen ones are in it; a range counts on from the last place to the first.
    """

    order: NodeOrder
    places: Sequence[int]

    def __len__(self) -> int:
        return len(self.places)

    def nodes(self) -> Sequence[NodeInfo]:
        """The chosen nodes."""
        return gathered(self.order.nodes, self.places)

    def names(self) -> Sequence[str]:
        """Their names."""
        return gathered(self.order.names, self.places)

    def labels(self, key: str) -> Sequence[str | None]:
        """Their values of a label."""
        return gathered(self.order.labels(key), self.places)


def gathered(values: list[T], places: Sequence[int]) -> Sequence[T]:
    """The values at some places, see `Chosen.places`."""
    if isinstance(places, range):
        return values[places.start : places.stop] + values[: max(places.stop - len(values), 0)]
    if len(places) < 2:
        return [values[place] for place in places]
    found: tuple[T, ...] = itemgetter(*places)(values)
    return found
