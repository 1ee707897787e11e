"""Faults in how nodes are welcomed, labelled and let go."""

from __future__ import annotations

from refimpl.api.resources import NODES
from refimpl.controllers.node_lifecycle import health, labels
from refimpl.controllers.node_lifecycle.monitor import NodeMonitor
from tests.faults.harness import Fault, replaced

_given_up = health.given_up_conditions
_never_updated = health.never_updated
_notice_status = health._notice_status
_record = NodeMonitor._record
_update_health = NodeMonitor._update_health
_label_changes = labels.label_changes
_assess = health.assess


def _one_grace_for_all(_ready, config):
    return config.node_monitor_grace_period


def _no_grace_for_the_unborn(ready, config):
    return config.node_monitor_grace_period if ready is not None else 1e9


def _only_ready_is_made_up(node, now):
    ready = health.meta.condition(node, "Ready")
    return _given_up(node, now)[:1] if ready is None else _given_up(node, now)


def _stopped_though_never_posted(kind, created, stamp):
    return {**_never_updated(kind, created, stamp), "reason": "NodeStatusUnknown"}


def _beat_at_the_flip(kind, created, stamp):
    return {**_never_updated(kind, created, stamp), "lastHeartbeatTime": stamp}


def _another_text(kind, created, stamp):
    return {**_never_updated(kind, created, stamp), "message": "never heard of it"}


def _transition_at_creation(kind, created, stamp):
    return {**_never_updated(kind, created, stamp), "lastTransitionTime": created}


def _silent(self, node, reason, message):
    if reason not in ("RegisteredNode", "RemovingNode"):
        _record(self, node, reason, message)


def _silent_on_removal(self, node, reason, message):
    if reason != "RemovingNode":
        _record(self, node, reason, message)


def _as_a_warning(self, node, reason, message):
    reference = {"kind": "Node", "apiVersion": "v1", "name": node["metadata"]["name"]}
    self.recorder.event(reference, "Warning", reason, message)


async def _delete_the_silent(self, node):
    attended = await _update_health(self, node)
    if attended is not None and attended[1].conditions is not None:
        await self.writer.client.delete(NODES, node["metadata"]["name"])
    return attended


def _status_is_owed(node, lease, known, now, config):
    ready = health.meta.condition(node, "Ready")
    return _assess(node, lease if ready is not None else None, known, now, config)


def _counted_from_creation(node, ready, known, now):
    if ready is None and known is not None and known.ready is not None:
        return health.Health(health.parse_time(node["metadata"]["creationTimestamp"]), None, known.lease)
    return _notice_status(node, ready, known, now)


def _no_labels(_node):
    return {}


def _missing_labels_only(node):
    have = node["metadata"].get("labels") or {}
    return {name: value for name, value in _label_changes(node).items() if name not in have}


def _beta_wins(node):
    have = node["metadata"].get("labels") or {}
    pairs = (("kubernetes.io/os", "beta.kubernetes.io/os"), ("kubernetes.io/arch", "beta.kubernetes.io/arch"))
    return {
        stable: have[beta] for stable, beta in pairs if stable in have and have.get(beta, have[stable]) != have[stable]
    }


def _both_ways(node):
    have = node["metadata"].get("labels") or {}
    changes = dict(_label_changes(node))
    for name in ("os", "arch"):
        if f"kubernetes.io/{name}" not in have and f"beta.kubernetes.io/{name}" in have:
            changes[f"kubernetes.io/{name}"] = have[f"beta.kubernetes.io/{name}"]
    return changes


FAULTS = (
    Fault("nodes come and go without a word", ("M-REG-01",), replaced(NodeMonitor, "_record", _silent)),
    Fault("nodes go without a word", ("M-REG-01",), replaced(NodeMonitor, "_record", _silent_on_removal)),
    Fault("arrivals are warned of", ("M-REG-01",), replaced(NodeMonitor, "_record", _as_a_warning)),
    Fault("silent nodes are deleted", ("M-REG-02",), replaced(NodeMonitor, "_update_health", _delete_the_silent), 19),
    Fault("one grace for all", ("M-REG-04",), replaced(health, "grace_period", _one_grace_for_all), 15),
    Fault(
        "never posted is never given up", ("M-REG-04",), replaced(health, "grace_period", _no_grace_for_the_unborn), 15
    ),
    Fault("only ready is made up", ("M-REG-04",), replaced(health, "given_up_conditions", _only_ready_is_made_up)),
    Fault(
        "never posted is called stopped",
        ("M-REG-04",),
        replaced(health, "never_updated", _stopped_though_never_posted),
        14,
    ),
    Fault("never posted has a beat", ("M-REG-04",), replaced(health, "never_updated", _beat_at_the_flip)),
    Fault("never posted turned at creation", ("M-REG-04",), replaced(health, "never_updated", _transition_at_creation)),
    Fault(
        "never posted says something else",
        ("M-REG-04",),
        replaced(health, "never_updated", _another_text),
        warns=("M-REG-04",),
    ),
    Fault(
        "withdrawn ready is counted from creation",
        ("M-REG-04",),
        replaced(health, "_notice_status", _counted_from_creation),
        warns=("M-REG-04",),
    ),
    Fault("a lease does not spare the status", ("M-REG-05",), replaced(health, "assess", _status_is_owed)),
    Fault("beta labels are not made", ("M-REG-06",), replaced(labels, "label_changes", _no_labels), 92),
    Fault("differing beta labels stay", ("M-REG-06",), replaced(labels, "label_changes", _missing_labels_only), 92),
    Fault("beta labels overwrite stable ones", ("M-REG-06",), replaced(labels, "label_changes", _beta_wins), 92),
    Fault("stable labels are made of beta ones", ("M-REG-06",), replaced(labels, "label_changes", _both_ways)),
)
