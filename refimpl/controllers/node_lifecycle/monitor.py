"""The pass over all nodes: heartbeats, transitions, taints, pods, zones.

Source: kube-controller-manager 1.36 `node_lifecycle_controller.monitorNodeHealth`, `doNoExecuteTaintingPass`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

import attrs

from refimpl.api import meta
from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import NODES
from refimpl.api.taints import NO_EXECUTE, has_taint, taints_of
from refimpl.client.events import EventRecorder
from refimpl.client.informer import Informer
from refimpl.client.parallel import in_parallel
from refimpl.client.transport import Unreachable
from refimpl.clock import Clock
from refimpl.controllers.node_index import pods_on
from refimpl.controllers.node_lifecycle import disruption, health, taints, zones
from refimpl.controllers.node_lifecycle.config import NodeLifecycleConfig
from refimpl.controllers.node_lifecycle.health import Assessment, holds
from refimpl.controllers.node_lifecycle.memory import Memory, NodeView, arrivals, view_of
from refimpl.controllers.node_lifecycle.writer import NodeWriter
from refimpl.controllers.node_lifecycle.zones import Zone

log = logging.getLogger(__name__)

LEASE_NAMESPACE = "kube-node-lease"
_ATTEMPTS = 5
_ATTEMPT_PAUSE = 0.02
_TAINT_RETRY = 0.05

Counts = dict[Zone, list[Object | None]]
"""The Ready conditions of the nodes that count, by zone."""


@attrs.frozen(eq=False)
class NodeMonitor:
    """Looks at all nodes, and does what follows from it.

    Args:
        config: periods, rates and thresholds.
        clock: the clock all silence is measured with.
        nodes: cache of nodes.
        leases: cache of leases.
        pods: cache of pods, indexed by node.
        writer: the requests.
        recorder: events about nodes.
        memory: what is remembered between passes.
        anybody_waits: set while `taint_waiting` may have something to do.
    """

    config: NodeLifecycleConfig
    clock: Clock
    nodes: Informer
    leases: Informer
    pods: Informer
    writer: NodeWriter
    recorder: EventRecorder
    memory: Memory = attrs.field(factory=Memory)
    anybody_waits: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    async def look(self) -> None:
        """One pass over all nodes."""
        views = self.memory.views_of(self.nodes.list())
        nodes = {name: view.node for name, view in views.items()}
        zone_of = {name: view.zone for name, view in views.items()}
        await self._welcome(nodes, zone_of)
        counts: Counts = {}
        busy = []
        now = self.clock.now()
        for name, view in views.items():
            assessment = self._assess(name, view.node, now)
            if self._is_quiet(name, view, assessment):
                self.memory.health[name] = assessment.health
                self._count(counts, view, assessment.current)
                self._keep_queue(name, view.zone, view.node, assessment.current)
            else:
                busy.append(view.node)
        await in_parallel(busy, lambda node: self._attend(node, counts))
        await self._handle_disruption(counts, list(nodes.values()))

    async def taint_waiting(self) -> None:
        """Gives the NoExecute taint to as many waiting nodes as their zones' rates allow."""
        for queue in list(self.memory.queues.values()):
            await queue.hand_out(self._taint_waiting_node, self.clock.monotonic)
        if not any(queue.rate > 0 and len(queue) for queue in self.memory.queues.values()):
            self.anybody_waits.clear()

    async def _welcome(self, nodes: Mapping[str, Object], zone_of: Mapping[str, Zone]) -> None:
        found = arrivals(zone_of, self.memory.known, self.memory.zone_states)
        for zone in found.new_zones:
            self.memory.open_zone(zone, self.config)
        for name in found.added:
            node = nodes[name]
            self._record(node, "RegisteredNode", f"Node {name} event: Registered Node {name} in Controller")
            self.memory.remember(node)
            self.memory.open_zone(zone_of[name], self.config)
            await self._mark_reachable(node)
        for name in found.deleted:
            node = self.memory.known.pop(name)
            self._record(node, "RemovingNode", f"Node {name} event: Removing Node {name} from Controller")

    def _assess(self, name: str, node: Object, now: datetime) -> Assessment:
        return health.assess(node, self._lease_of(name), self.memory.health.get(name), now, self.config)

    def _lease_of(self, name: str) -> Object | None:
        """The node's Lease is the one of its name in the namespace for that purpose; nothing in it is believed."""
        return self.leases.get(name, LEASE_NAMESPACE)

    def _is_quiet(self, name: str, view: NodeView, assessment: Assessment) -> bool:
        """Whether a node needs no request; true of nearly all nodes at nearly all times."""
        if assessment.conditions is not None or name in self.memory.pods_to_retry:
            return False
        current = assessment.current
        if current is None or view.at_ease:
            return True
        swap = taints.no_execute_swap(current)
        if swap is None:
            return not taints.reachable_removals(view.node)
        return not any(has_taint(taints_of(view.node), taint["key"], NO_EXECUTE) for taint in swap.remove)

    async def _attend(self, node: Object, counts: Counts) -> None:
        attended = await self._update_health(node)
        if attended is None:
            return
        node, assessment = attended
        self._count(counts, view_of(node), assessment.current)
        name = meta.name(node)
        if assessment.current is not None:
            await self._update_no_execute(node, assessment.current)
            if not await self._update_pods(node, assessment):
                self.memory.pods_to_retry.add(name)
                return
        self.memory.pods_to_retry.discard(name)

    async def _update_health(self, node: Object) -> tuple[Object, Assessment] | None:
        """Writes the conditions of a silent node; a conflict may be its heartbeat, so it is looked at afresh."""
        name = meta.name(node)
        for _ in range(_ATTEMPTS):
            assessment = self._assess(name, node, self.clock.now())
            self.memory.health[name] = assessment.health
            if assessment.conditions is None:
                return node, assessment
            try:
                node = await self.writer.write_conditions(node, assessment.conditions)
            except (ApiError, Unreachable) as error:
                log.info("node %s: conditions were not written: %s", name, error)
            else:
                self.memory.health[name] = health.written(assessment, self._lease_of(name))
                return node, assessment
            try:
                node = await self.writer.client.get(NODES, name)
            except (ApiError, Unreachable) as error:
                log.info("node %s: passed over: %s", name, error)
                return None
            await self.clock.sleep(_ATTEMPT_PAUSE)
        log.warning("node %s: passed over, its conditions could not be written", name)
        return None

    async def _update_no_execute(self, node: Object, current: Object) -> None:
        """Swaps the NoExecute taint at once, or queues the node for it, or takes it off."""
        swap = taints.no_execute_swap(current)
        if swap is None:
            await self._mark_reachable(node)
        elif any(has_taint(taints_of(node), taint["key"], NO_EXECUTE) for taint in swap.remove):
            await self.writer.swap_taints(node, swap)
        else:
            self._queue_for_taint(meta.name(node), zones.zone_of(node), node, current)

    async def _mark_reachable(self, node: Object) -> None:
        try:
            await self.writer.remove_taints(node, taints.reachable_removals(node))
        except (ApiError, Unreachable) as error:
            log.warning("node %s: taints were not removed: %s", meta.name(node), error)
            return
        self.memory.queue_in(zones.zone_of(node), self.config).remove(meta.name(node))

    async def _update_pods(self, node: Object, assessment: Assessment) -> bool:
        name = meta.name(node)
        if assessment.turned_not_ready:
            self._record(node, "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        elif name not in self.memory.pods_to_retry or holds(assessment.observed):
            return True
        return await self.writer.mark_pods_not_ready(pods_on(self.pods, name))

    def _keep_queue(self, name: str, zone: Zone, node: Object, current: Object | None) -> None:
        if holds(current):
            self.memory.queue_in(zone, self.config).remove(name)
        elif current is not None:
            self._queue_for_taint(name, zone, node, current)

    def _queue_for_taint(self, name: str, zone: Zone, node: Object, current: Object) -> None:
        """Queues a node that lacks its taint; one that had it, and lost it by somebody's hand, is queued again."""
        queue = self.memory.queue_in(zone, self.config)
        key = taints.no_execute_key(current)
        if key is not None and not has_taint(taints_of(node), key, NO_EXECUTE):
            queue.remove(name)
        if queue.add(name, self.clock.monotonic()):
            self.anybody_waits.set()

    async def _taint_waiting_node(self, name: str) -> float | None:
        node = self.nodes.get(name)
        if node is None:
            return None
        ready = meta.condition(node, health.READY)
        if ready is None:
            return _TAINT_RETRY
        swap = taints.no_execute_swap(ready)
        if swap is None or await self.writer.swap_taints(node, swap):
            return None
        return 0.0

    def _count(self, counts: Counts, view: NodeView, current: Object | None) -> None:
        if view.counts:
            counts.setdefault(view.zone, []).append(current)

    async def _handle_disruption(self, counts: Counts, nodes: Sequence[Object]) -> None:
        sizes = {zone: zones.count_zone(conditions) for zone, conditions in counts.items()}
        found = {zone: zones.zone_state(size, self.config) for zone, size in sizes.items()}
        decision = disruption.decide(self.memory.zone_states, found)
        now = self.clock.monotonic()
        match decision.step:
            case disruption.Step.ENTER:
                log.warning("no node is ready: entering master disruption mode, evictions stop")
                await in_parallel(nodes, self._mark_reachable)
                for zone in decision.states:
                    self.memory.queue_in(zone, self.config).set_rate(0.0, now)
            case disruption.Step.LEAVE:
                log.warning("some node is ready: leaving master disruption mode")
                self._renew_grace(nodes)
        for zone in decision.changed:
            log.info("zone %s is now %s", zone, decision.states[zone])
            rate = zones.eviction_rate(decision.states[zone], sizes[zone].size, self.config)
            self.memory.queue_in(zone, self.config).set_rate(rate, now)
            self.anybody_waits.set()
        self.memory.zone_states = dict(decision.states)

    def _renew_grace(self, nodes: Sequence[Object]) -> None:
        """Nothing was heard of anybody for a while, so silence is counted from now."""
        now = self.clock.now()
        for node in nodes:
            name = meta.name(node)
            known = self.memory.health.get(name)
            if known is not None:
                self.memory.health[name] = attrs.evolve(known, probed_at=now)

    def _record(self, node: Object, reason: str, message: str) -> None:
        reference = {"kind": "Node", "apiVersion": "v1", "name": meta.name(node), "uid": meta.uid(node)}
        self.recorder.event(reference, "Normal", reason, message)
