"""Faults of agents of the 1.5 era."""

from __future__ import annotations

from refimpl.kubelet.node import heartbeat, nodestatus, registration
from tests.faults.harness import Fault, replaced

ERA = (("era", 1.5),)
_initial_node = nodestatus.initial_node


def _only_when_due(*, changed, since_report, interval, era):
    return changed or since_report is None or since_report >= interval


def _of_nobody(identity, view, now):
    node, events = _initial_node(identity, view, now)
    return {**node, "spec": {**node["spec"], "externalID": "nobody"}}, events


FAULTS = [
    Fault(
        "a node of another machine is taken over",
        ("N-REG-06",),
        replaced(registration, "is_foreign", lambda *args: False),
        settings=ERA,
    ),
    Fault(
        "a node has nobody's externalID", ("N-REG-06",), replaced(nodestatus, "initial_node", _of_nobody), settings=ERA
    ),
    Fault(
        "a status is written only when something changed",
        ("N-HB-02", "N-HB-03"),
        replaced(heartbeat, "should_write", _only_when_due),
        settings=ERA,
    ),
]
