"""Faults in how fast nodes are tainted, and in what stops it."""

from __future__ import annotations

import attrs

from refimpl.api import meta
from refimpl.controllers.node_lifecycle import disruption, zones
from refimpl.controllers.node_lifecycle.controller import NodeLifecycleController
from refimpl.controllers.node_lifecycle.disruption import Step
from refimpl.controllers.node_lifecycle.health import holds
from refimpl.controllers.node_lifecycle.monitor import NodeMonitor
from refimpl.controllers.node_lifecycle.queue import RateLimitedQueue, TokenBucket
from refimpl.controllers.node_lifecycle.zones import ZoneState
from refimpl.controllers.taint_eviction.controller import TaintEvictionController
from tests.faults.harness import Fault, replaced

_decide = disruption.decide
_eviction_rate = zones.eviction_rate
_zone_state = zones.zone_state
_count_zone = zones.count_zone
_try_accept = TokenBucket.try_accept
_set_rate = RateLimitedQueue.set_rate
_handle_disruption = NodeMonitor._handle_disruption
_mark_reachable = NodeMonitor._mark_reachable
_queue_for_taint = NodeMonitor._queue_for_taint
_update_health = NodeMonitor._update_health
_reconcile_node = NodeLifecycleController._reconcile_node
_taints_changed = TaintEvictionController._taints_changed

LARGE = (("large_cluster_size_threshold", 3), ("secondary_node_eviction_rate", 0.05))
"""Settings under which a zone of four nodes is a large one."""


def _without_limit(self, _now):
    return self.rate > 0


def _first_one_waits_too(self, now):
    if self._taken_at is None:
        self._left, self._taken_at = 0.0, now
    return _try_accept(self, now)


def _one_zone(_node):
    return "", ""


def _always_the_usual_rate(_state, _size, config):
    return config.node_eviction_rate


def _mostly_down_always_stops(state, _size, config):
    return 0.0 if state is ZoneState.PARTIAL_DISRUPTION else config.node_eviction_rate


def _mostly_down_always_goes_slowly(state, _size, config):
    return config.secondary_node_eviction_rate if state is ZoneState.PARTIAL_DISRUPTION else config.node_eviction_rate


def _entirely_down_stops(state, size, config):
    return 0.0 if state is ZoneState.FULL_DISRUPTION else _eviction_rate(state, size, config)


def _mostly_down_is_entirely_down(count, config):
    state = _zone_state(count, config)
    return ZoneState.FULL_DISRUPTION if state is ZoneState.PARTIAL_DISRUPTION else state


def _mostly_down_from(nodes, fraction):
    def zone_state(count, config):
        if count.ready and count.not_ready >= nodes and count.not_ready / count.size >= fraction:
            return ZoneState.PARTIAL_DISRUPTION
        return ZoneState.FULL_DISRUPTION if count.not_ready and not count.ready else ZoneState.NORMAL

    return zone_state


_two_are_most = _mostly_down_from(2, 0.55)
_three_are_most = _mostly_down_from(3, 0)
_four_fifths_are_most = _mostly_down_from(3, 0.8)


def _faster(factor):
    def try_accept(self, now):
        rate, self.rate = self.rate, self.rate * factor
        try:
            return _try_accept(self, now)
        finally:
            self.rate = rate

    return try_accept


_twice_as_fast, _half_as_fast = _faster(2), _faster(0.5)


def _stopped_for_good(self, rate, now):
    if self.rate > 0:
        _set_rate(self, rate, now)


async def _taints_are_taken_off_when_mostly_down(self, counts, nodes):
    await _handle_disruption(self, counts, nodes)
    for node in nodes:
        if self.memory.zone_states.get(zones.zone_of(node)) is ZoneState.PARTIAL_DISRUPTION:
            await _mark_reachable(self, node)


async def _taints_stay_on_entry(self, counts, nodes):
    reachable = attrs.evolve(self, memory=self.memory)
    object.__setattr__(reachable, "anybody_waits", self.anybody_waits)
    await _handle_disruption(reachable, counts, [])


def _never_stops(self, rate, now):
    if rate > 0:
        _set_rate(self, rate, now)


def _never_enters(before, found):
    decision = _decide(before, found)
    return attrs.evolve(decision, step=Step.NOTHING) if decision.step is Step.ENTER else decision


def _never_leaves(before, found):
    decision = _decide(before, found)
    if decision.step is Step.LEAVE:
        return disruption.Decision(Step.NOTHING, dict.fromkeys(decision.states, ZoneState.FULL_DISRUPTION))
    return decision


def _old_grace(self, nodes):
    """Nothing is renewed."""


def _pods_are_left_alone(self, _node, _assessment):
    return _true()


async def _true():
    return True


def _foreign_taints_do_not_evict(self, node, found):
    _taints_changed(self, node, tuple(taint for taint in found if taint["key"].startswith("node.kubernetes.io/")))


async def _unknown_waits_for_the_rate(self, node):
    waiting = getattr(self.memory.queue_in(zones.zone_of(node), self.config), "unknown", None)
    queue = self.memory.queue_in(zones.zone_of(node), self.config)
    if waiting is None:
        waiting = queue.unknown = TokenBucket(self.config.node_eviction_rate)
    found = self._assess(node["metadata"]["name"], node, self.clock.now())
    if found.conditions is not None and not waiting.try_accept(self.clock.monotonic()):
        return node, attrs.evolve(found, conditions=None, current=found.observed)
    return await _update_health(self, node)


async def _noschedule_waits(self, name):
    await self._clock.sleep(1 / self._config.node_eviction_rate)
    await _reconcile_node(self, name)


async def _no_noschedule_in_the_dark(self, name):
    if any(holds(meta.condition(node, "Ready")) for node in self._nodes.list()):
        await _reconcile_node(self, name)


def _nobody_is_excluded(_node):
    return False


def _excluded_are_not_tainted(self, name, zone, node, current):
    if not zones.is_excluded(node):
        _queue_for_taint(self, name, zone, node, current)


def _without_condition_does_not_count(conditions):
    return _count_zone([condition for condition in conditions if condition is not None])


def _without_condition_is_ready(conditions):
    states = [condition is None or holds(condition) for condition in conditions]
    return zones.ZoneCount(states.count(True), states.count(False))


def _on(owner, name, by):
    return replaced(owner, name, by)


FAULTS = (
    Fault("two down are most of a zone", ("M-ZONE-01",), _on(zones, "zone_state", _two_are_most)),
    Fault("three down are most of any zone", ("M-ZONE-02",), _on(zones, "zone_state", _three_are_most)),
    Fault("most is all but a few", ("M-ZONE-02",), _on(zones, "zone_state", _four_fifths_are_most)),
    Fault("taints come twice as fast", ("M-ZONE-01", "M-ZONE-03"), _on(TokenBucket, "try_accept", _twice_as_fast)),
    Fault("taints come half as fast", ("M-ZONE-01", "M-ZONE-03"), _on(TokenBucket, "try_accept", _half_as_fast)),
    Fault("taints without rate", ("M-ZONE-01",), _on(TokenBucket, "try_accept", _without_limit), 48),
    Fault(
        "even the first taint waits", ("M-ZONE-01", "M-TAINT-03"), _on(TokenBucket, "try_accept", _first_one_waits_too)
    ),
    Fault("zones are not told apart", ("M-ZONE-01",), _on(zones, "zone_of", _one_zone)),
    Fault("small zone mostly down goes on", ("M-ZONE-02",), _on(zones, "eviction_rate", _always_the_usual_rate), 47),
    Fault(
        "small zone mostly down goes on slowly",
        ("M-ZONE-02",),
        _on(zones, "eviction_rate", _mostly_down_always_goes_slowly),
        47,
        settings=(("secondary_node_eviction_rate", 0.08),),
    ),
    Fault(
        "large zone mostly down stops",
        ("M-ZONE-02",),
        _on(zones, "eviction_rate", _mostly_down_always_stops),
        settings=LARGE,
    ),
    Fault(
        "large zone mostly down goes on as usual",
        ("M-ZONE-02",),
        _on(zones, "eviction_rate", _always_the_usual_rate),
        settings=LARGE,
    ),
    Fault("mostly down is entirely down", ("M-ZONE-02",), _on(zones, "zone_state", _mostly_down_is_entirely_down), 47),
    Fault(
        "a zone that stopped never goes on",
        ("M-ZONE-02", "M-ZONE-05"),
        _on(RateLimitedQueue, "set_rate", _stopped_for_good),
    ),
    Fault(
        "taints go when most is down",
        ("M-ZONE-02",),
        _on(NodeMonitor, "_handle_disruption", _taints_are_taken_off_when_mostly_down),
    ),
    Fault("zone entirely down stops", ("M-ZONE-03",), _on(zones, "eviction_rate", _entirely_down_stops)),
    Fault(
        "taints stay when all is down",
        ("M-ZONE-04",),
        _on(NodeMonitor, "_handle_disruption", _taints_stay_on_entry),
        47,
    ),
    Fault("taints are added when all is down", ("M-ZONE-04",), _on(RateLimitedQueue, "set_rate", _never_stops), 47),
    Fault("all down is like any other day", ("M-ZONE-04",), _on(disruption, "decide", _never_enters), 47),
    Fault(
        "pods stay ready when all is down", ("M-ZONE-04",), _on(NodeMonitor, "_update_pods", _pods_are_left_alone), 28
    ),
    Fault(
        "foreign taints do not evict",
        ("M-ZONE-04",),
        _on(TaintEvictionController, "_taints_changed", _foreign_taints_do_not_evict),
    ),
    Fault(
        "no noschedule when all is down",
        ("M-ZONE-04",),
        _on(NodeLifecycleController, "_reconcile_node", _no_noschedule_in_the_dark),
    ),
    Fault("all down for ever", ("M-ZONE-05",), _on(disruption, "decide", _never_leaves)),
    Fault("no new grace after all was down", ("M-ZONE-05",), _on(NodeMonitor, "_renew_grace", _old_grace)),
    Fault(
        "unknown waits for the rate",
        ("M-ZONE-06",),
        _on(NodeMonitor, "_update_health", _unknown_waits_for_the_rate),
        48,
    ),
    Fault(
        "noschedule waits for the rate",
        ("M-ZONE-06",),
        _on(NodeLifecycleController, "_reconcile_node", _noschedule_waits),
        48,
    ),
    Fault("excluded nodes count", ("M-ZONE-07",), _on(zones, "is_excluded", _nobody_is_excluded)),
    Fault(
        "excluded nodes are not tainted",
        ("M-ZONE-07",),
        _on(NodeMonitor, "_queue_for_taint", _excluded_are_not_tainted),
    ),
    Fault(
        "nodes without condition do not count",
        ("M-ZONE-07",),
        _on(zones, "count_zone", _without_condition_does_not_count),
    ),
    Fault(
        "nodes without condition count as ready", ("M-ZONE-07",), _on(zones, "count_zone", _without_condition_is_ready)
    ),
)
