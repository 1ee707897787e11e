"""Faults in the taints that stand for conditions."""

from __future__ import annotations

from refimpl.api import meta
from refimpl.api.taints import NO_EXECUTE, NO_SCHEDULE, taints_of
from refimpl.apiserver.admission import nodetaint
from refimpl.controllers.node_lifecycle import taints, zones
from refimpl.controllers.node_lifecycle.controller import NodeLifecycleController
from refimpl.controllers.node_lifecycle.monitor import NodeMonitor
from refimpl.controllers.node_lifecycle.writer import NodeWriter
from tests.faults.harness import Fault, replaced

_wanted = taints.wanted_no_schedule
_change = taints.no_schedule_change
_removals = taints.reachable_removals
_swap = taints.no_execute_swap
_swap_taints = NodeWriter.swap_taints
_add_taints = NodeWriter.add_taints
_remove_taints = NodeWriter.remove_taints
_node_changed = NodeLifecycleController._node_changed
_admission_taint = nodetaint.add_not_ready_taint

READY_FALSE, READY_UNKNOWN = ("Ready", "False"), ("Ready", "Unknown")


def _keys(changes, *, without=()):
    kept = {state: key for state, key in taints.BY_CONDITION.items() if state not in without}
    return replaced(taints, "BY_CONDITION", {**kept, **changes})


def _both_for_unready(node):
    found = _wanted(node)
    if any(taint["key"] == taints.api.UNREACHABLE for taint in found):
        found = [*found, {"key": taints.api.NOT_READY, "effect": NO_SCHEDULE}]
    return found


def _cordon_gives_nothing(node):
    return [taint for taint in _wanted(node) if taint["key"] != taints.api.UNSCHEDULABLE]


def _cordon_taint_stays(node):
    change = _change(node)
    kept = tuple(taint for taint in change.remove if taint["key"] != taints.api.UNSCHEDULABLE)
    return taints.TaintChange(change.add, kept)


def _nothing_is_taken_off(node):
    return taints.TaintChange(_change(node).add)


def _wrong_effect(node):
    return [{**taint, "effect": "PreferNoSchedule"} for taint in _wanted(node)]


def _no_conditions_is_not_ready(node):
    found = _wanted(node)
    if meta.condition(node, "Ready") is None:
        found = [*found, {"key": taints.api.NOT_READY, "effect": NO_SCHEDULE}]
    return found


def _pressure_executes(node):
    pressures = [taint for taint in _wanted(node) if taint["key"].endswith("-pressure")]
    return [*_wanted(node), *({**taint, "effect": NO_EXECUTE} for taint in pressures)]


def _no_execute_never(_ready):
    return None


def _no_execute_for_unknown_only(ready):
    return _swap(ready) if ready["status"] == "Unknown" else None


def _both_no_execute(ready):
    swap = _swap(ready)
    return None if swap is None else taints.TaintChange(swap.add)


async def _remove_before_adding(self, node, change):
    await _remove_taints(self, node, change.remove)
    return await _swap_taints(self, node, change)


async def _exchange_waits_its_turn(self, node, current):
    if taints.no_execute_swap(current) is None:
        await self._mark_reachable(node)
    else:
        self._queue_for_taint(meta.name(node), zones.zone_of(node), node, current)


def _no_removals(_node):
    return ()


def _all_no_execute_is_removed(node):
    return tuple(taint for taint in taints_of(node) if taint["effect"] == NO_EXECUTE)


async def _takes_everything_off(self, node, removed):
    await _remove_taints(self, node, taints_of(node) if removed else removed)


async def _unstamped(self, name, added):
    await self._change_taints(name, lambda present: [*present, *(t for t in added if t not in present)])


async def _with_value(self, name, added):
    await _add_taints(self, name, [{**taint, "value": "true"} for taint in added])


async def _one_more(self, name, added):
    more = [{"key": "node.kubernetes.io/lost", "effect": "PreferNoSchedule"}] if added else []
    await _add_taints(self, name, [*added, *more])


async def _stamps_no_execute_only(self, name, added):
    plain = [taint for taint in added if taint["effect"] == NO_SCHEDULE]
    if plain:
        await _unstamped(self, name, plain)
    await _add_taints(self, name, [taint for taint in added if taint not in plain])


def _admission_stamps(node):
    _admission_taint(node)
    for taint in node["spec"]["taints"]:
        if taint["key"] == nodetaint.NOT_READY:
            taint["timeAdded"] = "2018-07-02T02:11:27Z"


def _owned_whatever_effect(taint):
    return taint["key"] in taints.OWNED_KEYS


def _only_what_conditions_changed(self, old, new):
    if old is None or new is None or old["status"] != new["status"] or old["spec"] == new["spec"]:
        _node_changed(self, old, new)


def _tainted_once(self, name, zone, node, current):
    if self.memory.queue_in(zone, self.config).add(name, self.clock.monotonic()):
        self.anybody_waits.set()


def _on(name, by):
    return replaced(taints, name, by)


FAULTS = (
    Fault("taints have a value", ("M-TAINT-01",), replaced(NodeWriter, "add_taints", _with_value)),
    Fault("a taint of another kind stays", ("M-TAINT-05",), replaced(NodeWriter, "add_taints", _one_more)),
    Fault("no taint for ready false", ("M-TAINT-01",), _keys({}, without=[READY_FALSE]), 20),
    Fault("no taint for ready unknown", ("M-TAINT-01",), _keys({}, without=[READY_UNKNOWN]), 20),
    Fault("not-ready for both", ("M-TAINT-01",), _keys({READY_UNKNOWN: taints.api.NOT_READY}), 20),
    Fault("both keys for unknown", ("M-TAINT-01",), _on("wanted_no_schedule", _both_for_unready), 21),
    Fault("alpha key", ("M-TAINT-01",), _keys({READY_FALSE: "node.alpha.kubernetes.io/notReady"}), 27),
    Fault("no taint for one pressure", ("M-TAINT-01",), _keys({}, without=[("PIDPressure", "True")])),
    Fault("no taint for the network", ("M-TAINT-01",), _keys({}, without=[("NetworkUnavailable", "True")])),
    Fault(
        "keys of two pressures exchanged",
        ("M-TAINT-01",),
        _keys(
            {("MemoryPressure", "True"): taints.api.DISK_PRESSURE, ("DiskPressure", "True"): taints.api.MEMORY_PRESSURE}
        ),
    ),
    Fault("cordon gives no taint", ("M-TAINT-01",), _on("wanted_no_schedule", _cordon_gives_nothing), 24),
    Fault("uncordon leaves the taint", ("M-TAINT-01",), _on("no_schedule_change", _cordon_taint_stays), 24),
    Fault(
        "noschedule taints stay",
        ("M-TAINT-01", "M-TAINT-02", "M-TAINT-05", "M-TAINT-09"),
        _on("no_schedule_change", _nothing_is_taken_off),
    ),
    Fault("preference instead of noschedule", ("M-TAINT-01",), _on("wanted_no_schedule", _wrong_effect), 22),
    Fault(
        "unknown pressure gives its taint",
        ("M-TAINT-02",),
        _keys({("MemoryPressure", "Unknown"): taints.api.MEMORY_PRESSURE}),
    ),
    Fault("noschedule only", ("M-TAINT-03",), _on("no_execute_swap", _no_execute_never), 22),
    Fault("noexecute for unknown only", ("M-TAINT-03",), _on("no_execute_swap", _no_execute_for_unknown_only)),
    Fault("memory pressure executes", ("M-TAINT-03",), _on("wanted_no_schedule", _pressure_executes), 23),
    Fault("both noexecute taints stay", ("M-TAINT-04",), _on("no_execute_swap", _both_no_execute), 21),
    Fault(
        "exchange by way of nothing", ("M-TAINT-10",), replaced(NodeWriter, "swap_taints", _remove_before_adding), 26
    ),
    Fault(
        "exchange waits for the rate",
        ("M-TAINT-04",),
        replaced(NodeMonitor, "_update_no_execute", _exchange_waits_its_turn),
        26,
    ),
    Fault("recovery leaves noexecute", ("M-TAINT-05", "M-TAINT-07"), _on("reachable_removals", _no_removals)),
    Fault(
        "recovery takes all taints", ("M-TAINT-05",), replaced(NodeWriter, "remove_taints", _takes_everything_off), 25
    ),
    Fault("taints without time", ("M-TAINT-06",), replaced(NodeWriter, "add_taints", _unstamped)),
    Fault("only noexecute has a time", ("M-TAINT-06",), replaced(NodeWriter, "add_taints", _stamps_no_execute_only)),
    Fault("admission stamps its taint", ("M-TAINT-06",), replaced(nodetaint, "add_not_ready_taint", _admission_stamps)),
    Fault("preferences are taken off", ("M-TAINT-07",), _on("is_owned_no_schedule", _owned_whatever_effect)),
    Fault("foreign noexecute is taken off", ("M-TAINT-07",), _on("reachable_removals", _all_no_execute_is_removed)),
    Fault(
        "noschedule does not come back",
        ("M-TAINT-08",),
        replaced(NodeLifecycleController, "_node_changed", _only_what_conditions_changed),
        93,
    ),
    Fault(
        "noexecute does not come back", ("M-TAINT-08",), replaced(NodeMonitor, "_queue_for_taint", _tainted_once), 93
    ),
    Fault("no conditions mean not ready", ("M-TAINT-09",), _on("wanted_no_schedule", _no_conditions_is_not_ready)),
)
