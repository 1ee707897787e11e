"""Faults in what the master writes when a node falls silent and when it comes back."""

from __future__ import annotations

import attrs

from refimpl.controllers.node_lifecycle import health
from refimpl.controllers.node_lifecycle.monitor import NodeMonitor
from refimpl.controllers.node_lifecycle.writer import NodeWriter
from tests.faults.harness import Fault, replaced

_stopped = health.stopped
_assess = health.assess
_given_up = health.given_up_conditions
_notice_beats = health.notice_beats
_record = NodeMonitor._record
_update_pods = NodeMonitor._update_pods
_write_conditions = NodeWriter.write_conditions


def _stopped_with(**fields):
    def stopped(condition, stamp):
        return {**_stopped(condition, stamp), **fields}

    return stopped


def _stopped_with_new_heartbeat(condition, stamp):
    return {**_stopped(condition, stamp), "lastHeartbeatTime": stamp}


def _stopped_without_transition(condition, stamp):
    return {**_stopped(condition, stamp), "lastTransitionTime": condition["lastTransitionTime"]}


def _only_true_turns(node, lease, known, now, config):
    found = _assess(node, lease, known, now, config)
    return found if health.holds(found.observed) else attrs.evolve(found, current=found.observed, conditions=None)


def _everything_turns(node, now):
    stamp = health.format_time(now)
    return [health.stopped(condition, stamp) for condition in health.meta.conditions(node)]


def _network_turns(node, now):
    turned = ("NetworkUnavailable",)
    stamp = health.format_time(now)
    return [health.stopped(c, stamp) if c["type"] in turned else c for c in _given_up(node, now)]


def _nothing_is_added(node, now):
    present = {condition["type"] for condition in health.meta.conditions(node)}
    return [condition for condition in _given_up(node, now) if condition["type"] in present]


def _unknown_is_written_over(node, now):
    stamp = health.format_time(now)
    return [
        _stopped(c, stamp) if c["type"] in health.GIVEN_UP and c["reason"] != "NodeStatusNeverUpdated" else c
        for c in _given_up(node, now)
    ]


def _own_unknown_is_written_over(node, lease, known, now, config):
    found = _assess(node, lease, known, now, config)
    silent = health.is_silent(found.health, health.grace_period(found.observed, config), now)
    if not silent or found.conditions is not None or (found.observed or {}).get("reason") == "NodeStatusUnknown":
        return found
    conditions = _unknown_is_written_over(node, now)
    return attrs.evolve(found, conditions=conditions, current=health.meta.find_condition(conditions, "Ready"))


def _written_again_and_again(node, lease, known, now, config):
    found = _assess(node, lease, known, now, config)
    if found.conditions is None and (found.observed or {}).get("reason") == "NodeStatusUnknown":
        return attrs.evolve(found, conditions=_unknown_is_written_over(node, now))
    return found


async def _two_writes(self, node, conditions):
    before = {condition["type"]: condition for condition in node["status"]["conditions"]}
    first = [c if c["type"] == "Ready" else before.get(c["type"], c) for c in conditions]
    return await _write_conditions(self, await _write_conditions(self, node, first), conditions)


def _says_nothing(self, node, reason, message):
    if reason != "NodeNotReady":
        _record(self, node, reason, message)


async def _says_it_of_every_unready_node(self, node, assessment):
    if assessment.observed is not None and not health.holds(assessment.observed):
        name = node["metadata"]["name"]
        self._record(node, "NodeNotReady", f"Node {name} status is now: NodeNotReady")
    return await _update_pods(self, node, assessment)


def _once_unknown_always_unknown(node, lease, known, now, config):
    given_up = known is not None and known.ready is not None and known.ready["reason"] == "NodeStatusUnknown"
    if given_up:
        conditions = health.given_up_conditions(node, now)
        ready = health.meta.find_condition(conditions, "Ready")
        return health.Assessment(known, health.meta.condition(node, "Ready"), ready, conditions)
    return _assess(node, lease, known, now, config)


def _any_true_is_a_recovery(node, ready, lease, known, now):
    noticed = _notice_beats(node, ready, lease, known, now)
    back = known is not None and known.ready is not None and not health.holds(known.ready) and health.holds(ready)
    return health.Health(now, ready, noticed.lease) if back else noticed


_WITH_OUT_OF_DISK = (*health.GIVEN_UP, "OutOfDisk")


def _only_the_complete(node, lease, known, now, config):
    found = _assess(node, lease, known, now, config)
    if found.observed is None or health.meta.condition(node, "DiskPressure"):
        return found
    return attrs.evolve(found, current=found.observed, conditions=None)


FAULTS = (
    Fault("conditions of old are invented", ("M-NR-04", "M-REG-04"), replaced(health, "GIVEN_UP", _WITH_OUT_OF_DISK)),
    Fault("little posted is never given up", ("M-NR-05",), replaced(health, "assess", _only_the_complete)),
    Fault("ready becomes false", ("M-NR-01",), replaced(health, "stopped", _stopped_with(status="False")), 1),
    Fault("ready false stays false", ("M-NR-01",), replaced(health, "assess", _only_true_turns)),
    Fault(
        "stopped is called never posted",
        ("M-NR-01",),
        replaced(health, "stopped", _stopped_with(reason="NodeStatusNeverUpdated")),
        14,
        warns=("M-NR-01",),
    ),
    Fault(
        "stopped says something else",
        ("M-NR-01",),
        replaced(health, "stopped", _stopped_with(message="gone")),
        warns=("M-NR-01",),
    ),
    Fault("only ready becomes unknown", ("M-NR-02",), replaced(health, "GIVEN_UP", ("Ready",)), 12),
    Fault(
        "one pressure is forgotten",
        ("M-NR-02",),
        replaced(health, "GIVEN_UP", ("Ready", "MemoryPressure", "DiskPressure")),
        12,
    ),
    Fault("ready and pressures in two writes", ("M-NR-02",), replaced(NodeWriter, "write_conditions", _two_writes)),
    Fault("heartbeat time moves", ("M-NR-03",), replaced(health, "stopped", _stopped_with_new_heartbeat), 11),
    Fault("transition time stays", ("M-NR-03",), replaced(health, "stopped", _stopped_without_transition)),
    Fault(
        "all conditions become unknown", ("M-NR-04",), replaced(health, "given_up_conditions", _everything_turns), 13
    ),
    Fault("network becomes unknown", ("M-NR-04",), replaced(health, "given_up_conditions", _network_turns), 13),
    Fault("missing pressures are not added", ("M-NR-05",), replaced(health, "given_up_conditions", _nothing_is_added)),
    Fault(
        "unknown pressures are written over",
        ("M-NR-05",),
        replaced(health, "given_up_conditions", _unknown_is_written_over),
    ),
    Fault(
        "unknown by the node is written over", ("M-NR-05",), replaced(health, "assess", _own_unknown_is_written_over)
    ),
    Fault("unknown is written at every pass", ("M-NR-06",), replaced(health, "assess", _written_again_and_again)),
    Fault("the turn is not announced", ("M-NR-07",), replaced(NodeMonitor, "_record", _says_nothing)),
    Fault(
        "every unready node is announced",
        ("M-NR-07",),
        replaced(NodeMonitor, "_update_pods", _says_it_of_every_unready_node),
    ),
    Fault("the return is ignored", ("M-NR-08",), replaced(health, "assess", _once_unknown_always_unknown), 17),
    Fault("an old post is a recovery", ("M-NR-09",), replaced(health, "notice_beats", _any_true_is_a_recovery)),
)
