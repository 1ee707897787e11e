"""Slips of the pen in the controllers of nodes: one expression each is not what it should be."""

from __future__ import annotations

from refimpl.controllers.node_lifecycle import health, taints, writer, zones
from refimpl.controllers.node_lifecycle.writer import NodeWriter
from refimpl.controllers.taint_eviction.controller import TaintEvictionController
from tests.faults.harness import Fault, replaced, slip

_pods = NodeWriter.mark_pods_not_ready


def _only(chosen):
    async def mark(self, pods):
        return await _pods(self, [pod for pod in pods if chosen(pod)])

    return replaced(NodeWriter, "mark_pods_not_ready", mark)


FAULTS = [
    Fault(
        "a lease is renewed by whole seconds only",
        ids=("M-HB-05",),
        patch=slip(
            health,
            "lease_beat",
            "parse_time(before) < parse_time(after)",
            "parse_time(before) + timedelta(seconds=1) <= parse_time(after)",
        ),
    ),
    Fault(
        "zones of all regions are one",
        ids=("M-ZONE-08",),
        patch=slip(zones, "zone_of", "return region, zone", "return '', zone"),
    ),
    Fault(
        "a network of which nothing is known is taken for one that is missing",
        ids=("M-TAINT-02",),
        patch=replaced(
            taints,
            "BY_CONDITION",
            {**taints.BY_CONDITION, ("NetworkUnavailable", "Unknown"): taints.api.NETWORK_UNAVAILABLE},
        ),
    ),
    Fault(
        "only unreachable is taken off a ready node",
        ids=("M-TAINT-05",),
        patch=slip(taints, "reachable_removals", "(api.UNREACHABLE, api.NOT_READY)", "(api.UNREACHABLE,)"),
    ),
    Fault(
        "a taint with a value is another taint",
        ids=("M-TAINT-07",),
        patch=replaced(
            writer,
            "same_taint",
            lambda one, other: {**one, "timeAdded": None} == {**other, "timeAdded": None},
        ),
    ),
    Fault(
        "pods that are going are not marked",
        ids=("M-RDY-01",),
        patch=_only(lambda pod: "deletionTimestamp" not in pod["metadata"]),
    ),
    Fault(
        "pods of one namespace are marked",
        ids=("M-RDY-01",),
        patch=_only(lambda pod: not pod["metadata"]["namespace"].endswith("-elsewhere")),
    ),
    Fault(
        "marking says when it was looked",
        ids=("M-RDY-01",),
        patch=slip(
            writer,
            "not_ready_status",
            '"lastTransitionTime": stamp}',
            '"lastTransitionTime": stamp, "lastProbeTime": stamp}',
        ),
        warns=("M-RDY-01",),
    ),
    Fault(
        "as many taints are the same taints",
        ids=("M-EV-01",),
        patch=slip(
            TaintEvictionController,
            "_node_changed",
            "taints != no_execute_taints(old)",
            "len(taints) != len(no_execute_taints(old))",
        ),
    ),
    Fault(
        "taints of the same keys are the same taints",
        ids=("M-EV-01",),
        patch=slip(
            TaintEvictionController,
            "_node_changed",
            "taints != no_execute_taints(old)",
            "{taint['key'] for taint in taints} != {taint['key'] for taint in no_execute_taints(old)}",
        ),
    ),
]
