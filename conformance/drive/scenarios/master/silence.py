"""Nodes fall silent and come back: the story that most of the contract is about."""

from __future__ import annotations

import math

from conformance.drive.manifests import tolerate
from conformance.drive.node import SimulatedNode
from conformance.drive.stage import Stage
from conformance.judge import conditions, taints
from conformance.judge.pods import bound_to, terminating
from conformance.judge.taints import NO_EXECUTE, NO_SCHEDULE, NOT_READY, UNREACHABLE
from conformance.kinds import EVENT, NODE, POD, REPLICATION_CONTROLLER
from conformance.naming import DOMAIN
from conformance.scenario import scenario
from conformance.timing import Timing

POOL = f"{DOMAIN}/pool"


def short_toleration(timing: Timing) -> int:
    """Seconds that the pods of a scenario tolerate their silent node: long enough to tell from "at once"."""
    return max(4, math.ceil(timing.node_monitor_period * 2))


def _longest(timing: Timing) -> float:
    taint = timing.unknown_after_silence().latest + timing.no_execute_taint().latest
    evicted = taint + timing.eviction(short_toleration(timing)).latest + timing.replacement().latest
    return 10 + evicted + timing.taints_removed().latest + 2 * timing.node_monitor_grace_period


@scenario(watches=(NODE, POD, EVENT), optional=(REPLICATION_CONTROLLER,), longest=_longest)
async def silence(stage: Stage) -> None:
    """One of two healthy nodes of a zone falls silent for a while and comes back.

    Roles: `keeper` never stops beating; `victim` does. On the victim: `brief` tolerates unreachable for a short while,
    `patient` says nothing of its own, `workload` is a ReplicationController of one pod with the short toleration whose
    only other home is the keeper. `neighbour` is a pod on the keeper.
    """
    keeper, victim = await stage.nodes("keeper", "victim", conditions=EXTRA)
    await _await_schedulable(stage, "keeper", "victim")
    await _settle(stage, keeper, victim)
    flipped = stage.timing.unknown_after_silence().latest
    await victim.fall_silent()
    if await stage.until(lambda: ready(stage, "victim") == "Unknown", within=flipped + stage.timing.slack):
        await _aftermath(stage)
    await victim.recover()
    await stage.until(lambda: not controller_taints(stage, "victim"), within=stage.timing.taints_removed().latest)
    await stage.hold(2 * stage.timing.node_monitor_grace_period)


EXTRA = {"NetworkUnavailable": "False", f"{DOMAIN}/Custom": "True"}
"""Conditions the master has no business with."""


async def _settle(stage: Stage, keeper: SimulatedNode, victim: SimulatedNode) -> None:
    """Workloads come up on the victim; afterwards the keeper may take what the victim loses."""
    brief = [tolerate(UNREACHABLE, short_toleration(stage.timing))]
    keeper.pods.run()
    victim.pods.run()
    await stage.pod("brief", node_name=victim.name, tolerations=brief)
    await stage.pod("patient", node_name=victim.name)
    await stage.pod("neighbour", node_name=keeper.name)
    pool = {POOL: stage.naming.name("pool")}
    await stage.patch(NODE, "victim", {"metadata": {"labels": pool}})
    if stage.facts.served(REPLICATION_CONTROLLER):
        await stage.replication_controller("workload", 1, node_selector=pool, tolerations=brief)
    settled = stage.timing.scheduler_backoff + stage.timing.slack
    pods = ("brief", "patient", "neighbour")
    await stage.until(lambda: all(_runs(stage, role) for role in pods) and _workload_on(stage, victim), within=settled)
    await stage.patch(NODE, "keeper", {"metadata": {"labels": pool}})
    await stage.hold(stage.timing.beat_interval * 2)


async def _aftermath(stage: Stage) -> None:
    """What follows from Unknown: taints, pods not ready, eviction, replacement, and then nothing more."""
    timing = stage.timing
    await stage.until(
        lambda: taints.has(stage.current(NODE, "victim"), UNREACHABLE, NO_EXECUTE),
        within=timing.no_execute_taint().latest + timing.slack,
    )
    gone = timing.eviction(short_toleration(timing)).latest + timing.slack
    await stage.until(lambda: _evicted(stage), within=gone)
    if stage.facts.served(REPLICATION_CONTROLLER):
        await stage.until(lambda: len(stage.pods_of("workload")) > 1, within=timing.replacement().latest)
    await stage.hold(5 * timing.node_monitor_period)


async def _await_schedulable(stage: Stage, *roles: str) -> None:
    """The admission taint of a fresh node must be gone before pods are placed."""
    limit = stage.timing.no_schedule_taint().latest
    await stage.until(lambda: not any(controller_taints(stage, role) for role in roles), within=limit)


def ready(stage: Stage, role: str) -> str | None:
    """Status of a node's Ready condition as last seen."""
    return conditions.status(stage.current(NODE, role), "Ready")


def controller_taints(stage: Stage, role: str) -> bool:
    """Whether a node carries any of the taints that stand for Ready."""
    keys = {key for key, effect in taints.taints(stage.current(NODE, role)) if effect in (NO_SCHEDULE, NO_EXECUTE)}
    return bool(keys & {NOT_READY, UNREACHABLE})


def _runs(stage: Stage, role: str) -> bool:
    return conditions.status(stage.current(POD, role), "Ready") == "True"


def _workload_on(stage: Stage, node: SimulatedNode) -> bool:
    if not stage.facts.served(REPLICATION_CONTROLLER):
        return True
    pods = stage.pods_of("workload")
    return any(bound_to(pod) == node.name and conditions.status(pod, "Ready") == "True" for pod in pods)


def _evicted(stage: Stage) -> bool:
    pods = [stage.current(POD, "brief"), *stage.pods_of("workload")[:1]]
    return all(pod is None or terminating(pod) for pod in pods)
