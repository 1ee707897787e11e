"""Slips of the pen by which what is true of one is not true of the next: zone, node, pod, time, port, resource."""

from __future__ import annotations

from contextlib import contextmanager

from refimpl.api import meta, podresources
from refimpl.controllers.node_lifecycle import disruption, health, taints
from refimpl.controllers.node_lifecycle.monitor import NodeMonitor
from refimpl.controllers.node_lifecycle.writer import NodeWriter
from refimpl.controllers.taint_eviction.controller import TaintEvictionController
from refimpl.scheduler import cache, filters
from refimpl.scheduler.nodeinfo import NodeInfo
from tests.faults.harness import Fault, replaced, slip

_record = NodeMonitor._record
_mark_pods = NodeWriter.mark_pods_not_ready
_HARD = "self.hard_taints = tuple(taint for taint in taints if keeps_away(taint))"


@contextmanager
def _pods_are_marked_once():
    marked = set()

    async def mark(self, pods):
        fresh = [pod for pod in pods if pod["metadata"]["uid"] not in marked]
        marked.update(pod["metadata"]["uid"] for pod in fresh)
        return await _mark_pods(self, fresh)

    with replaced(NodeWriter, "mark_pods_not_ready", mark)():
        yield


def _disruption(written, meant):
    return slip(NodeMonitor, "_handle_disruption", written, meant)


def _node(written, meant):
    return slip(NodeInfo, "set_node", written, meant)


@contextmanager
def _nodes_are_announced_once():
    said = set()

    def record(self, node, reason, message):
        if (meta.name(node), reason) not in said:
            said.add((meta.name(node), reason))
            _record(self, node, reason, message)

    with replaced(NodeMonitor, "_record", record)():
        yield


FAULTS = [
    Fault("the first silence only is announced", ids=("M-NR-10",), patch=_nodes_are_announced_once),
    Fault(
        "a lease speaks for who is ready only",
        ids=("M-HB-01",),
        patch=slip(health, "notice_beats", "if lease is not None and", "if lease is not None and holds(ready) and"),
    ),
    Fault("pods are marked in the first silence only", ids=("M-NR-10",), patch=_pods_are_marked_once),
    Fault(
        "one node keeps its taints when all are down",
        ids=("M-ZONE-04",),
        patch=_disruption("in_parallel(nodes, self._mark_reachable)", "in_parallel(nodes[:1], self._mark_reachable)"),
    ),
    Fault(
        "one zone stops when all are down",
        ids=("M-ZONE-04",),
        patch=_disruption("for zone in decision.states:", "for zone in list(decision.states)[:1]:"),
    ),
    Fault(
        "one zone goes on when not all are down any more",
        ids=("M-ZONE-05",),
        patch=slip(disruption, "decide", "Step.LEAVE, after, tuple(kept)", "Step.LEAVE, after, tuple(kept)[:1]"),
    ),
    Fault(
        "one node gets a new grace",
        ids=("M-ZONE-05",),
        patch=slip(NodeMonitor, "_renew_grace", "for node in nodes:", "for node in nodes[:1]:"),
    ),
    Fault(
        "two taints at most",
        ids=("M-TAINT-01",),
        patch=slip(taints, "wanted_no_schedule", "for key in keys if key]", "for key in [k for k in keys if k][:2]]"),
    ),
    Fault(
        "a cordon gives its taint to who has no other",
        ids=("M-TAINT-01",),
        patch=slip(taints, "wanted_no_schedule", 'get("unschedulable"):', 'get("unschedulable") and not any(keys):'),
    ),
    Fault(
        "one pod of a node is evicted",
        ids=("M-EV-01", "M-EV-11"),
        patch=slip(
            TaintEvictionController,
            "_taints_changed",
            "for pod in pods_on(self._pods, node):",
            "for pod in list(pods_on(self._pods, node))[:1]:",
        ),
    ),
    Fault(
        "a name is evicted once",
        ids=("M-EV-09",),
        patch=slip(TaintEvictionController, "_pod_changed", "self._cancel(key_of(old))", "pass"),
    ),
    Fault(
        "what a node offers only grows",
        ids=("M-SCHED-18",),
        patch=_node(
            "self.allocatable = amounts",
            "self.allocatable = {k: max(v, self.allocatable.get(k, 0)) for k, v in amounts.items()}",
        ),
    ),
    Fault(
        "what a node offered it offers for ever",
        ids=("M-SCHED-18",),
        patch=_node("self.allocatable = amounts", "self.allocatable = {**self.allocatable, **amounts}"),
    ),
    Fault(
        "as many taints are the same to the scheduler",
        ids=("M-SCHED-18",),
        patch=_node(_HARD, f"{_HARD} if len(taints) != len(self.hard_taints) else self.hard_taints"),
    ),
    Fault(
        "another value of a label wakes nobody",
        ids=("M-SCHED-17",),
        patch=slip(
            cache,
            "_differs",
            'old["metadata"].get("labels") != new["metadata"].get("labels")',
            'set(old["metadata"].get("labels") or ()) != set(new["metadata"].get("labels") or ())',
        ),
    ),
    Fault(
        "init containers raise what containers ask for",
        ids=("M-SCHED-08",),
        patch=slip(
            podresources,
            "_sum_of_containers",
            "raise_to(total, peak)",
            "raise_to(total, {name: amount for name, amount in peak.items() if name in total})",
        ),
    ),
    Fault(
        "the first wanted port is looked at",
        ids=("M-SCHED-19",),
        patch=slip(filters, "node_ports", "in pod.asks.host_ports:", "in pod.asks.host_ports[:1]:"),
    ),
]
