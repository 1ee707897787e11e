"""A node falls silent, and controllers make up for the pods it had."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from conformance.drive import workloads
from conformance.drive.guest import GuestNode
from conformance.drive.manifests import tolerate
from conformance.drive.node import SimulatedNode
from conformance.drive.stage import Stage
from conformance.drive.waits import ready, runs, schedulable, settled
from conformance.judge import conditions, taints
from conformance.judge.pods import bound_to, terminating
from conformance.judge.taints import NO_EXECUTE, UNREACHABLE
from conformance.kinds import (
    DEPLOYMENT,
    EVENT,
    NODE,
    POD,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    STATEFUL_SET,
    Kind,
)
from conformance.naming import DOMAIN
from conformance.record.history import Object
from conformance.scenario import scenario
from conformance.timing import Timing


def patience(timing: Timing) -> int:
    """Seconds for which the workloads' pods tolerate a silent node: time enough to look at what is not yet done."""
    return 2 * timing.step


POOL = f"{DOMAIN}/pool"
"""Label of the nodes that may take the workloads."""
HOME = f"{DOMAIN}/home"
"""Label of the one node that may take `stranded`."""

ENDS = ("Failed", "Succeeded")
"""How the pods of `ending` end."""

LEFT_OUT = "ending is left out"
"""The mark of a scenario whose victim says itself how its pods end."""

MOVING: dict[str, tuple[Kind, int]] = {
    "controller": (REPLICATION_CONTROLLER, 1),
    "set": (REPLICA_SET, 2),
    "deployment": (DEPLOYMENT, 1),
}
"""Workloads whose pods tolerate a silent node for a while only, and how many pods each keeps."""


def _longest(timing: Timing) -> float:
    taint = timing.unknown_after_silence().latest + timing.no_execute_taint().latest
    moved = timing.eviction(patience(timing)).latest + timing.replacement().latest + 4 * timing.scheduler_backoff
    return 10 * timing.slack + taint + moved + timing.scheduled().latest + 6 * timing.node_monitor_period


@scenario(watches=(NODE, POD, EVENT), optional=(*(k for k, _ in MOVING.values()), STATEFUL_SET), longest=_longest)
async def transfer(stage: Stage) -> None:
    """A node with pods of all kinds of workloads falls silent; another one takes them, until it comes back.

    Where an agent joins the target, it plays the victim: its pods run, and `ending` is left out.

    Roles: nodes `keeper` and `victim`. Workloads, whose pods all begin on the victim: those of `MOVING`; `calm`, a
    ReplicaSet whose pods tolerate everything; `ending`, another one, two of whose pods end; `stranded`, a
    ReplicaSet whose only home the victim is; `stateful`, a StatefulSet; the pod `bare` has no owner.
    """
    keeper, victim = await asyncio.gather(stage.node("keeper"), stage.lost_node("victim"))
    await schedulable(stage, "keeper", "victim")
    keeper.pods.run()
    victim.pods.run()
    await _settle(stage, victim)
    await victim.fall_silent()
    flipped = stage.timing.unknown_after_silence().latest + stage.timing.slack
    if await stage.until(lambda: ready(stage, "victim") == "Unknown", within=flipped):
        await _aftermath(stage, keeper)
    await victim.recover()
    await stage.until(lambda: _bound_anew(stage, "stranded"), within=stage.timing.scheduled().latest)
    if victim.pods.obeys:
        stage.mark("victim looks after its pods")
    victim.pods.run()
    reborn = settled(stage) + stage.timing.replacement().latest + victim.pods.patience
    await stage.until(lambda: _reborn(stage), within=reborn)
    await stage.until(lambda: stage.current(POD, "bare") is None, within=stage.timing.slack)
    await stage.hold(stage.timing.replacement().latest)


async def _settle(stage: Stage, victim: SimulatedNode | GuestNode) -> None:
    """Workloads come up on the victim; afterwards the keeper may take what the victim loses."""
    pool, home = {POOL: stage.naming.name("pool")}, {HOME: stage.naming.name("home")}
    brief, spec = [tolerate(UNREACHABLE, patience(stage.timing))], victim.pods.spec
    await stage.patch(NODE, "victim", {"metadata": {"labels": {**pool, **home}}})

    def body(kind: Kind, role: str, count: int = 1, **pod: Any) -> Mapping[str, Any]:
        return workloads.body(stage.naming, kind, role, count, **spec, **pod)

    served = {role: (stage.facts.served(kind), count) for role, (kind, count) in MOVING.items()}
    for role, (kind, count) in served.items():
        if kind:
            await stage.create(kind, body(kind, role, count, node_selector=pool, tolerations=brief))
    if stage.facts.served(REPLICA_SET):
        for_ever = [tolerate(UNREACHABLE, None)]
        sets = [body(REPLICA_SET, "calm", node_selector=pool, tolerations=for_ever)]
        sets += [body(REPLICA_SET, "stranded", node_selector=home, tolerations=brief)]
        if victim.pods.obeys:
            sets += [body(REPLICA_SET, "ending", len(ENDS), node_selector=pool, tolerations=for_ever)]
        await asyncio.gather(*(stage.create(REPLICA_SET, each) for each in sets))
    if stage.facts.served(STATEFUL_SET):
        await stage.create(STATEFUL_SET, body(STATEFUL_SET, "stateful", node_selector=pool, tolerations=brief))
    await stage.pod("bare", node_name=victim.name, tolerations=brief, **spec)
    ending = len(ENDS) if victim.pods.obeys else 0
    await stage.until(lambda: _settled(stage, ending), within=settled(stage) + victim.pods.patience)
    if victim.pods.obeys:
        await _end(stage)
    else:
        stage.mark(LEFT_OUT)
    await stage.patch(NODE, "keeper", {"metadata": {"labels": pool}})
    await stage.hold(max(2 * stage.timing.beat_interval, stage.timing.endpoints_updated().latest))


async def _end(stage: Stage) -> None:
    """The pods of one workload end, one well and one badly."""
    for pod, phase in zip(stage.pods_of("ending"), ENDS, strict=False):
        metadata = pod["metadata"]
        with stage.request(f"a pod has {phase}"):
            await stage.client.patch(
                POD.path(metadata["namespace"], metadata["name"], "status"), {"status": {"phase": phase}}
            )
    await stage.until(lambda: len(stage.pods_of("ending")) > 3, within=stage.timing.replacement().latest)


async def _aftermath(stage: Stage, keeper: SimulatedNode) -> None:
    """Pods lose Ready, are evicted, are replaced; then nothing more until the victim comes back."""
    timing = stage.timing
    await stage.until(lambda: not runs(stage, "bare"), within=timing.pods_marked_not_ready().latest)
    tainted = timing.no_execute_taint().latest + timing.slack
    await stage.until(lambda: taints.has(stage.current(NODE, "victim"), UNREACHABLE, NO_EXECUTE), within=tainted)
    gone = timing.eviction(patience(timing)).latest + timing.slack
    await stage.until(lambda: all(_evicted(stage, role) for role in _evictable(stage)), within=gone)
    moved = timing.replacement().latest + settled(stage)
    await stage.until(lambda: all(_moved(stage, role, keeper.name) for role in _moving(stage)), within=moved)
    await stage.until(lambda: _waits(stage, "stranded"), within=settled(stage))
    await stage.hold(timing.endpoints_updated().latest + 2 * timing.node_monitor_period)


def _moving(stage: Stage) -> list[str]:
    return [role for role, (kind, _) in MOVING.items() if stage.facts.served(kind)]


def _evictable(stage: Stage) -> list[str]:
    """Workloads whose pods go."""
    more = [role for role, kind in (("stranded", REPLICA_SET), ("stateful", STATEFUL_SET)) if stage.facts.served(kind)]
    return [*_moving(stage), *more]


def _settled(stage: Stage, ending: int) -> bool:
    """All pods run on the victim, so many of those that are going to end."""
    wanted = {role: MOVING[role][1] if role in MOVING else 1 for role in _evictable(stage)}
    up = all(len([pod for pod in stage.pods_of(role) if _is_ready(pod)]) == count for role, count in wanted.items())
    ready = {role: sum(map(_is_ready, stage.pods_of(role))) for role in ("calm", "ending")}
    sets = not stage.facts.served(REPLICA_SET) or (ready["calm"] > 0 and ready["ending"] == ending)
    return up and sets and runs(stage, "bare")


def _is_ready(pod: Object) -> bool:
    return conditions.status(pod, "Ready") == "True"


def _evicted(stage: Stage, role: str) -> bool:
    """Whether all pods of a workload that the victim had are going."""
    victim = stage.naming.name("victim")
    return all(terminating(pod) for pod in stage.pods_of(role) if bound_to(pod) == victim)


def _moved(stage: Stage, role: str, keeper: str) -> bool:
    there = [pod for pod in stage.pods_of(role) if bound_to(pod) == keeper and _is_ready(pod)]
    return len(there) >= MOVING[role][1]


def _waits(stage: Stage, role: str) -> bool:
    """Whether the scheduler has said that it finds no node for a pod of a workload."""
    return any(conditions.status(pod, "PodScheduled") == "False" for pod in stage.pods_of(role))


def _bound_anew(stage: Stage, role: str) -> bool:
    """Whether no pod of a workload waits for a node any more."""
    alive = [pod for pod in stage.pods_of(role) if not terminating(pod)]
    return not stage.facts.served(REPLICA_SET) or (bool(alive) and all(bound_to(pod) for pod in alive))


def _reborn(stage: Stage) -> bool:
    """Whether all pods that were evicted are gone, and that of the StatefulSet has come again."""
    left = [pod for role in _evictable(stage) for pod in stage.pods_of(role) if terminating(pod)]
    stateful = not stage.facts.served(STATEFUL_SET) or any(_is_ready(pod) for pod in stage.pods_of("stateful"))
    return not left and stateful
