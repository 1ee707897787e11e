"""What the node lifecycle controller remembers, and loses when it is restarted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from refimpl.api import meta
from refimpl.api.errors import Object
from refimpl.controllers.node_lifecycle import taints, zones
from refimpl.controllers.node_lifecycle.config import NodeLifecycleConfig
from refimpl.controllers.node_lifecycle.health import READY, Health, holds
from refimpl.controllers.node_lifecycle.queue import RateLimitedQueue
from refimpl.controllers.node_lifecycle.zones import Zone, ZoneState


@attrs.frozen
class Arrivals:
    """How the nodes differ from the known ones.

    Attributes:
        added: new names.
        deleted: known names that are gone.
        new_zones: zones of known nodes that have no state.
    """

    added: tuple[str, ...]
    deleted: tuple[str, ...]
    new_zones: tuple[Zone, ...]


@attrs.frozen(eq=False)
class NodeView:
    """What is to be read off one state of a node.

    Attributes:
        node: the Node.
        zone: its zone.
        counts: whether it is one of the nodes whose readiness is that of their zone.
        at_ease: it is ready and has no taint that says otherwise: unless it falls silent, nothing is to be done.
    """

    node: Object
    zone: Zone
    counts: bool
    at_ease: bool


def view_of(node: Object) -> NodeView:
    """Reads a node."""
    at_ease = holds(meta.condition(node, READY)) and not taints.reachable_removals(node)
    return NodeView(node, zones.zone_of(node), not zones.is_excluded(node), at_ease)


@attrs.define(eq=False)
class Memory:
    """The controller's state between passes.

    Attributes:
        known: name and uid of the nodes by name, as they were first seen.
        health: by node name. Names are never forgotten: a node that is made again under an old name inherits the
            time of the last heartbeat.
        zone_states: of zones with counted nodes; a zone is forgotten when it has none.
        queues: nodes waiting for their NoExecute taint, by zone.
        pods_to_retry: nodes whose pods could not all be marked not ready.
        views: of the nodes of the last pass, by name.
    """

    known: dict[str, Object] = attrs.field(factory=dict)
    health: dict[str, Health] = attrs.field(factory=dict)
    zone_states: dict[Zone, ZoneState] = attrs.field(factory=dict)
    queues: dict[Zone, RateLimitedQueue] = attrs.field(factory=dict)
    pods_to_retry: set[str] = attrs.field(factory=set)
    views: dict[str, NodeView] = attrs.field(factory=dict)

    def views_of(self, nodes: Iterable[Object]) -> dict[str, NodeView]:
        """What the nodes look like, by name; those that have not changed are not read again."""
        before, self.views = self.views, {}
        for node in nodes:
            name = node["metadata"]["name"]
            known = before.get(name)
            self.views[name] = known if known is not None and known.node is node else view_of(node)
        return self.views

    def open_zone(self, zone: Zone, config: NodeLifecycleConfig) -> None:
        """Gives a zone without state a fresh queue; also one that had a state before and lost it."""
        if zone not in self.zone_states:
            self.zone_states[zone] = ZoneState.INITIAL
            self.queues[zone] = RateLimitedQueue(config.node_eviction_rate)

    def queue_in(self, zone: Zone, config: NodeLifecycleConfig) -> RateLimitedQueue:
        """The queue of a zone; a node can turn up in a new zone in the middle of a pass."""
        if zone not in self.queues:
            self.queues[zone] = RateLimitedQueue(config.node_eviction_rate)
        return self.queues[zone]

    def remember(self, node: Object) -> None:
        """Makes a node known."""
        self.known[meta.name(node)] = {"metadata": {"name": meta.name(node), "uid": meta.uid(node)}}


def arrivals(
    zone_of: Mapping[str, Zone], known: Mapping[str, Object], zone_states: Mapping[Zone, ZoneState]
) -> Arrivals:
    """Compares the nodes with the known ones, by name: one deleted and made again in between is not noticed.

    Args:
        zone_of: the zones of all nodes, by name.
        known: the nodes known before.
        zone_states: the zones known before.
    """
    return Arrivals(
        tuple(name for name in zone_of if name not in known),
        tuple(name for name in known if name not in zone_of),
        tuple(dict.fromkeys(zone for name, zone in zone_of.items() if name in known and zone not in zone_states)),
    )
