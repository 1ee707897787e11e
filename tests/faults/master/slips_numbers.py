"""Slips of the pen in what workloads count, and in whom they let go: one expression each is not what it should be."""

from __future__ import annotations

from refimpl.apiserver.verbs import update
from refimpl.controllers.daemonset import reconcile as daemons
from refimpl.controllers.replication import ranking
from refimpl.controllers.replication import status as replicas
from tests.faults.harness import Fault, replaced, slip

_standing = ranking._standing
_compare = ranking.compare
_BEGIN = "strategy.begin_update(ctx, old, new)"
_GENERATION = 'status["observedGeneration"] = owner["metadata"]["generation"]'


def _ranked(change):
    return replaced(ranking, "_standing", lambda pod, crowd: change(*_standing(pod, crowd)))


def _daemons(written, meant):
    return slip(daemons, "calculate_status", written, meant)


def _replicas(written, meant):
    return slip(replicas, "calculate", written, meant)


def _counting(meant):
    return slip(update, "prepare", "strategy.counted(old) != strategy.counted(new)", meant)


FAULTS = [
    Fault("unbound pods go like others", ids=("M-XF-11",), patch=_ranked(lambda bound, *rest: (True, *rest))),
    Fault("pending pods go like others", ids=("M-XF-11",), patch=_ranked(lambda bound, phase, *rest: (bound, *rest))),
    Fault(
        "ready pods go first",
        ids=("M-XF-11",),
        patch=_ranked(lambda bound, phase, ready, *rest: (bound, phase, not ready, *rest)),
    ),
    Fault("pods go as they come", ids=("M-XF-11",), patch=replaced(ranking, "compare", lambda *_: 0)),
    Fault(
        "pods go the other way round",
        ids=("M-XF-11",),
        patch=replaced(ranking, "compare", lambda *asked: -_compare(*asked)),
    ),
    Fault(
        "nothing is available",
        ids=("M-XF-12",),
        patch=_replicas("len(pods.available(ready, min_ready_seconds, now))", "0"),
    ),
    Fault(
        "what runs is ready",
        ids=("M-XF-12",),
        patch=_replicas("if replica.ready", 'if pods.phase(replica.pod) == "Running"'),
    ),
    Fault(
        "the first generation is observed",
        ids=("M-XF-12",),
        patch=_replicas(_GENERATION, 'status["observedGeneration"] = 1'),
    ),
    Fault("the next generation is observed", ids=("M-XF-12",), patch=_replicas(_GENERATION, f"{_GENERATION} + 1")),
    Fault("any write is a generation", ids=("M-API-20",), patch=_counting("old != new")),
    Fault("nothing is a generation", ids=("M-API-20",), patch=_counting("False")),
    Fault(
        "a status is a generation",
        ids=("M-API-20",),
        patch=slip(
            update,
            "prepare",
            f"if not ctx.subresource:\n        {_BEGIN}\n        if strategy.has_generation and",
            "if True:\n        if strategy.has_generation and ctx.subresource or",
        ),
    ),
    Fault(
        "no daemon pod is where it should not be",
        ids=("M-DS-10",),
        patch=_daemons('counts["numberMisscheduled"] += bool(present)', "pass"),
    ),
    Fault(
        "no node is without the daemon pod it should not have",
        ids=("M-DS-10",),
        patch=_daemons("+= bool(present)", "+= 1"),
    ),
    Fault(
        "daemon pods are scheduled where they should not be",
        ids=("M-DS-10",),
        patch=_daemons('"numberMisscheduled"] += bool', '"currentNumberScheduled"] += bool'),
    ),
    Fault(
        "lost nodes are to have daemon pods", ids=("M-DS-10",), patch=_daemons("not verdict.runs", "not verdict.keeps")
    ),
    Fault(
        "no daemon pod is available",
        ids=("M-DS-10",),
        patch=_daemons("available += _available(view, present[0])", "pass"),
    ),
    Fault(
        "all daemon pods are available",
        ids=("M-DS-10",),
        patch=_daemons("available += _available(view, present[0])", "available += 1"),
    ),
    Fault(
        "no generation of daemons is observed",
        ids=("M-DS-10",),
        patch=_daemons('generation if decided else known.get("observedGeneration", 0)', "0"),
    ),
]
