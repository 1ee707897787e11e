"""Faults in what the master writes when a node falls silent."""

from __future__ import annotations

from faults.harness import Fault, replaced
from refimpl.controllers.node_lifecycle import health


def _stopped_as_false(condition, stamp):
    return {**_stopped(condition, stamp), "status": "False"}


def _stopped_with_new_heartbeat(condition, stamp):
    return {**_stopped(condition, stamp), "lastHeartbeatTime": stamp}


_stopped = health.stopped

FAULTS = (
    Fault("ready becomes false on silence", ("M-NR-01",), replaced(health, "stopped", _stopped_as_false), 1),
    Fault(
        "heartbeat time moves at the flip", ("M-NR-03",), replaced(health, "stopped", _stopped_with_new_heartbeat), 11
    ),
    Fault("only ready becomes unknown", ("M-NR-02",), replaced(health, "GIVEN_UP", ("Ready",)), 12),
)
