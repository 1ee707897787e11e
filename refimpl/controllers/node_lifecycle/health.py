"""What counts as a heartbeat, and what becomes of a node that has none.

Two things are heartbeats: a Ready condition whose `lastHeartbeatTime` differs from the one seen before, and a Lease
whose `renewTime` is later than the one seen before. Both are only *noticed*; when they happened is read off the
controller's own clock, so that no skew between clocks matters.

Source: kube-controller-manager 1.36 `node_lifecycle_controller.tryUpdateNodeHealth`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from refimpl.api import meta
from refimpl.api.errors import Object
from refimpl.api.transient import transient
from refimpl.clock import format_time, parse_time
from refimpl.controllers.node_lifecycle.config import NodeLifecycleConfig

READY = "Ready"
GIVEN_UP = (READY, "MemoryPressure", "DiskPressure", "PIDPressure")
"""The conditions that become Unknown; NetworkUnavailable is the network's own business, so are foreign types."""


@transient
class Health:
    """What is remembered of a node between two looks.

    Attributes:
        probed_at: when the last heartbeat was noticed.
        ready: the Ready condition as of the last status heartbeat (or as written since); None when there was none.
        lease: the Lease as of the last Lease heartbeat since then; None when none was noticed.
    """

    probed_at: datetime
    ready: Object | None
    lease: Object | None = None


@transient
class Assessment:
    """What one look at a node found.

    Attributes:
        health: to be remembered, whether or not a write follows and succeeds.
        observed: the Ready condition as found; None when the node has none.
        current: the Ready condition as it is after `conditions` has been written.
        conditions: the node's new conditions; None when nothing is to be written.
    """

    health: Health
    observed: Object | None
    current: Object | None
    conditions: list[Object] | None = None

    @property
    def turned_not_ready(self) -> bool:
        """Whether it is the controller that ends a Ready=True."""
        return holds(self.observed) and not holds(self.current)


def assess(
    node: Object, lease: Object | None, known: Health | None, now: datetime, config: NodeLifecycleConfig
) -> Assessment:
    """Looks at one node.

    Args:
        node: the Node, not changed here.
        lease: its Lease, if there is one.
        known: what was remembered under this name; names outlive nodes.
        now: the controller's clock.
        config: grace periods.
    """
    ready = meta.condition(node, READY)
    health = notice_beats(node, ready, lease, known, now)
    if not is_silent(health, grace_period(ready, config), now):
        return Assessment(health, ready, ready)
    conditions = given_up_conditions(node, now)
    current = meta.find_condition(conditions, READY)
    if current == ready:
        return Assessment(health, ready, ready)
    return Assessment(health, ready, current, conditions)


def written(assessment: Assessment, lease: Object | None) -> Health:
    """What to remember once the assessment's conditions have been written: the beat stays as old as it was."""
    return Health(assessment.health.probed_at, assessment.current, lease)


def notice_beats(
    node: Object, ready: Object | None, lease: Object | None, known: Health | None, now: datetime
) -> Health:
    """Notices heartbeats since the last look.

    A status heartbeat makes the controller forget the Lease, so a Lease that did not move is noticed once more at the
    next look: a node that posts its status and then falls silent lives one period longer than one that only renewed
    its Lease.
    """
    health = _notice_status(node, ready, known, now)
    if lease is not None and lease_beat(known.lease if known is not None else None, lease):
        return Health(now, health.ready, lease)
    return health


def _notice_status(node: Object, ready: Object | None, known: Health | None, now: datetime) -> Health:
    if known is None:
        first_seen = now if ready is not None else parse_time(node["metadata"]["creationTimestamp"])
        return Health(first_seen, ready)
    if ready is None:
        return known if known.ready is None else Health(known.probed_at, None, known.lease)
    if known.ready is None or status_beat(known.ready, ready):
        return Health(now, ready)
    return known


def status_beat(saved: Object, ready: Object) -> bool:
    """Whether the Ready condition shows a beat: its heartbeat time changed, in whatever direction."""
    return bool(saved.get("lastHeartbeatTime") != ready.get("lastHeartbeatTime"))


def lease_beat(saved: Object | None, lease: Object) -> bool:
    """Whether the Lease shows a beat: it is the first one seen, or its renewal is later than the one seen before.

    A Lease that was first seen without `renewTime` never shows a beat again.
    """
    if saved is None:
        return True
    before, after = saved["spec"].get("renewTime"), lease["spec"].get("renewTime")
    if not before or not after or before == after:
        return False
    return parse_time(before) < parse_time(after)


def grace_period(ready: Object | None, config: NodeLifecycleConfig) -> float:
    """Seconds of silence a node may have: more while it has no Ready condition."""
    return config.node_monitor_grace_period if ready is not None else config.node_startup_grace_period


def is_silent(health: Health, grace: float, now: datetime) -> bool:
    """Whether the last beat is longer ago than the grace period."""
    return now > health.probed_at + timedelta(seconds=grace)


def given_up_conditions(node: Object, now: datetime) -> list[Object]:
    """The node's conditions once it is given up; those that the master does not touch are the same objects."""
    stamp = format_time(now)
    conditions = [
        stopped(condition, stamp) if condition["type"] in GIVEN_UP and condition["status"] != "Unknown" else condition
        for condition in meta.conditions(node)
    ]
    present = {condition["type"] for condition in conditions}
    created = node["metadata"]["creationTimestamp"]
    conditions += [never_updated(kind, created, stamp) for kind in GIVEN_UP if kind not in present]
    return conditions


def stopped(condition: Object, stamp: str) -> Object:
    """A condition that the node no longer posts; when it last did so stays on record."""
    return {
        **condition,
        "status": "Unknown",
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
        "lastTransitionTime": stamp,
    }


def never_updated(kind: str, created: str, stamp: str) -> Object:
    """A condition that the node never posted."""
    return {
        "type": kind,
        "status": "Unknown",
        "reason": "NodeStatusNeverUpdated",
        "message": "Kubelet never posted node status.",
        "lastHeartbeatTime": created,
        "lastTransitionTime": stamp,
    }


def holds(condition: Object | None) -> bool:
    """Whether a condition is there and True."""
    return condition is not None and condition["status"] == "True"
