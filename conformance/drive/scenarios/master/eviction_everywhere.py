"""NoExecute taints of an administrator reach every pod, whatever protects it or its node otherwise."""

from __future__ import annotations

import asyncio

from conformance.drive import taints
from conformance.drive.manifests import tolerate
from conformance.drive.stage import Stage
from conformance.drive.waits import ready, running, schedulable
from conformance.judge.pods import terminating
from conformance.judge.taints import NOT_READY, UNREACHABLE
from conformance.kinds import NODE, POD, POD_DISRUPTION_BUDGET
from conformance.scenario import scenario
from conformance.timing import Timing

CROWD = ("crowd-1", "crowd-2", "crowd-3", "crowd-4")
"""Healthy nodes of one zone: many more than its rate limit lets through at once."""
STUCK = ("stuck-1", "stuck-2", "stuck-3")
"""Nodes of a small zone most of which are not ready, so that the master's own evictions are suspended."""


def _longest(timing: Timing) -> float:
    return 4 * timing.scheduler_backoff + timing.node_monitor_period + timing.eviction(0).latest


@scenario(watches=(NODE, POD), optional=(POD_DISRUPTION_BUDGET,), longest=_longest)
async def eviction_everywhere(stage: Stage) -> None:
    """Many nodes get a NoExecute taint at once, also in a zone where the master has suspended its own evictions.

    Roles: pods `pod-<node>` on the nodes `CROWD` and on `stuck-1`; on `crowd-1` also `guarded`, which a
    PodDisruptionBudget protects; on `crowd-2` also `foreign` in another namespace.
    """
    await stage.nodes(*CROWD, zone="crowd")
    await asyncio.gather(stage.nodes(*STUCK, ready="False", zone="stuck"), stage.node("stuck-keeper", zone="stuck"))
    await schedulable(stage, *CROWD, "stuck-keeper")
    pods = await _pods(stage)
    for node in stage.all_nodes:
        node.pods.run(finish=False)
    await running(stage, pods)
    await stage.until(lambda: all(ready(stage, role) == "False" for role in STUCK), within=stage.timing.slack)
    await stage.hold(stage.timing.node_monitor_period + stage.timing.slack)
    tainted = (*CROWD, "stuck-1")
    await asyncio.gather(
        *(taints.change(stage, role, f"{role} tainted", add=[taints.own("evict")]) for role in tainted)
    )
    limit = stage.timing.eviction(0).latest + stage.timing.watch_lag
    await stage.until(lambda: all(_evicted(stage, role) for role in pods), within=limit)


async def _pods(stage: Stage) -> tuple[str, ...]:
    patient = [tolerate(NOT_READY, None), tolerate(UNREACHABLE, None)]
    places = {f"pod-{role}": role for role in (*CROWD, "stuck-1")}
    elsewhere = await stage.namespace("elsewhere")
    budget = stage.facts.served(POD_DISRUPTION_BUDGET)
    if budget:
        labels = stage.naming.labels("guarded")
        body = {
            "apiVersion": budget.group_version,
            "kind": budget.name,
            "metadata": {"name": stage.naming.name("guard"), "labels": stage.naming.labels("guard")},
            "spec": {"minAvailable": "100%", "selector": {"matchLabels": labels}},
        }
        await stage.create(budget, body)
    await asyncio.gather(
        *(
            stage.pod(role, node_name=stage.naming.name(place), tolerations=patient if place in STUCK else ())
            for role, place in places.items()
        ),
        stage.pod("guarded", node_name=stage.naming.name("crowd-1")),
        stage.pod("foreign", node_name=stage.naming.name("crowd-2"), namespace=elsewhere),
    )
    return (*places, "guarded", "foreign")


def _evicted(stage: Stage, role: str) -> bool:
    state = stage.current(POD, role)
    return state is None or terminating(state)
