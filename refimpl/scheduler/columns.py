"""What is known of every node, kept as columns in the order in which nodes are searched.

Between two pods of one template a single node changes. So what was found out about all nodes is kept, by what it is
about, and only the places of nodes that have changed since are unknown again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, Protocol, TypeVar

import attrs

from refimpl.scheduler.nodeinfo import NodeInfo
from refimpl.scheduler.nodeorder import NodeOrder

_REMEMBERED = 64


class Nodes(Protocol):
    """Where the nodes come from, see `Cache`."""

    generation: int

    def order(self) -> NodeOrder:
        """The order in which nodes are searched."""
        ...

    def changed_since(self, generation: int) -> Iterable[NodeInfo]:
        """The nodes that have changed since then."""
        ...


class Columns:
    """Columns of one order of nodes.

    Args:
        order: the nodes.

    Attributes:
        order: the nodes.
        unknown: the places of nodes whose values are to be found out (again).
    """

    def __init__(self, order: NodeOrder) -> None:
        self.order = order
        self.unknown = set(range(len(order.nodes)))


K = TypeVar("K", bound=Hashable)
C = TypeVar("C", bound=Columns)


@attrs.define(eq=False)
class _Kept(Generic[C]):
    columns: C
    generation: int


class Memory(Generic[K, C]):
    """The columns used last, by what they are about.

    Args:
        nodes: where the nodes come from.
        make: makes empty columns.
    """

    def __init__(self, nodes: Nodes, make: Callable[[NodeOrder], C]) -> None:
        self._nodes = nodes
        self._make = make
        self._kept: OrderedDict[K, _Kept[C]] = OrderedDict()

    def about(self, what: K) -> C:
        """The columns as far as they are still true."""
        order, generation = self._nodes.order(), self._nodes.generation
        kept = self._kept.get(what)
        if kept is None or kept.columns.order is not order:
            kept = self._kept[what] = _Kept(self._make(order), generation)
        self._kept.move_to_end(what)
        if len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)
        for node in self._nodes.changed_since(kept.generation):
            place = order.place_of.get(node.name)
            # A node without an object is in no order.
            if place is not None:
                kept.columns.unknown.add(place)
        kept.generation = generation
        return kept.columns
