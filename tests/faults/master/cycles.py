"""Faults that show only when a node falls silent again, or in what others wrote on it."""

from __future__ import annotations

from contextlib import contextmanager
from unittest.mock import patch

from refimpl.controllers.node_lifecycle import health, taints, writer
from refimpl.controllers.node_lifecycle.writer import NodeWriter
from refimpl.controllers.taint_eviction.controller import TaintEvictionController
from refimpl.controllers.taint_eviction.timers import EvictionTimers
from tests.faults.harness import Fault, replaced

_removals = taints.reachable_removals
_taints_patch = writer.taints_patch
_with_taints = writer.with_taints
_write_conditions = NodeWriter.write_conditions


@contextmanager
def _given_up_once():
    """A node that was given up before is never given up again."""
    before = set()

    async def write_conditions(self, node, conditions):
        if node["metadata"]["name"] in before:
            return node
        before.add(node["metadata"]["name"])
        return await _write_conditions(self, node, conditions)

    with patch.object(NodeWriter, "write_conditions", write_conditions):
        yield


@contextmanager
def _taken_off_once():
    """The NoExecute taint goes at the first recovery only."""
    before = set()

    def removals(node):
        found = _removals(node)
        name = node["metadata"]["name"]
        ready = health.holds(health.meta.condition(node, "Ready"))
        if not found or not ready:
            return found
        stamp = next(t.get("timeAdded") for t in taints.taints_of(node) if t["effect"] == "NoExecute")
        if any(other == name and seen != stamp for other, seen in before):
            return ()
        before.add((name, stamp))
        return found

    with patch.object(taints, "reachable_removals", removals):
        yield


def _timers_run_on(self, key):
    """A timer, once started, is never stopped."""


def _timers_continue(self, pod):
    """A timer that is stopped fires all the same."""
    return self._timers.get(pod) is not None


def _with_others_lost(present, added):
    own = [taint for taint in present if taint["key"].startswith("node.kubernetes.io/")]
    return _with_taints(own, added)


def _patch_with(**metadata):
    def taints_patch(node, wanted):
        body = _taints_patch(node, wanted)
        return {**body, "metadata": {**body["metadata"], **metadata}}

    return taints_patch


def _uncordons(node, wanted):
    body = _taints_patch(node, wanted)
    return {**body, "spec": {**body["spec"], "unschedulable": None}}


def _status_without(field):
    async def write_conditions(self, node, conditions):
        status = {name: value for name, value in node["status"].items() if name != field}
        return await _write_conditions(self, {**node, "status": status}, conditions)

    return write_conditions


FAULTS = (
    Fault("works once, then never again", ("M-NR-10",), _given_up_once, 18),
    Fault("taint goes once, then never again", ("M-NR-10",), _taken_off_once, 18),
    Fault(
        "eviction is never called off", ("M-NR-10",), replaced(TaintEvictionController, "_cancel", _timers_run_on), 38
    ),
    Fault(
        "eviction called off comes all the same", ("M-NR-10",), replaced(EvictionTimers, "cancel", _timers_continue), 38
    ),
    Fault("taints of others are lost", ("M-REG-07",), replaced(writer, "with_taints", _with_others_lost), 25),
    Fault("labels of others are lost", ("M-REG-07",), replaced(writer, "taints_patch", _patch_with(labels=None)), 25),
    Fault(
        "annotations of others are lost",
        ("M-REG-07",),
        replaced(writer, "taints_patch", _patch_with(annotations=None)),
        25,
    ),
    Fault("a tainted node is uncordoned", ("M-REG-07",), replaced(writer, "taints_patch", _uncordons)),
    Fault(
        "capacity is lost on silence",
        ("M-REG-07",),
        replaced(NodeWriter, "write_conditions", _status_without("capacity")),
    ),
    Fault(
        "addresses are lost on silence",
        ("M-REG-07",),
        replaced(NodeWriter, "write_conditions", _status_without("addresses")),
    ),
)
