"""Nodes are deleted, or written off: what becomes of their pods and Leases."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from conformance.client import ApiRefused
from conformance.drive import taints, workloads
from conformance.drive.node import SimulatedNode
from conformance.drive.stage import Stage
from conformance.drive.waits import phase, ready, running, schedulable, settled
from conformance.judge import conditions
from conformance.judge.pods import bound_to, terminating
from conformance.kinds import LEASE, NODE, POD, REPLICA_SET, STATEFUL_SET
from conformance.naming import DOMAIN, FINALIZER
from conformance.record.history import Object
from conformance.scenario import scenario
from conformance.timing import Timing

POOL = f"{DOMAIN}/pool"
LONG_GRACE = 600
NOBODY = "nobody.invalid"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
OUT_OF_SERVICE_SINCE = 26
"""From Kubernetes 1.26 on the taint is heeded without a feature having to be enabled."""
ORPHANS = ("running", "leaving", "succeeded", "held")
"""Pods of the node that is deleted."""
WORKLOADS = {"set": REPLICA_SET, "stateful": STATEFUL_SET}


def _longest(timing: Timing) -> float:
    lost = timing.unknown_after_silence().latest + 2 * timing.garbage_pass().latest
    deleted = timing.orphan_collected().latest + timing.replacement().latest
    return 6 * timing.scheduler_backoff + max(lost, deleted) + timing.lease_collected().latest


@scenario(watches=(NODE, POD, LEASE), optional=tuple(WORKLOADS.values()), longest=_longest)
async def garbage(stage: Stage) -> None:
    """Nodes are deleted with all their pods, one comes back in time, one is lost and declared out of service.

    Roles: nodes `doomed`, deleted, with the pods of `ORPHANS` (`leaving` is terminating already, `succeeded` has
    ended, `held` has a finalizer), the ReplicaSet `set` and the StatefulSet `stateful`; `loner`, deleted, whose
    Lease has no owner; `revived`, deleted and registered again soon, with the pod `lucky`; `keeper`. In another
    zone `dead`, which falls silent and is declared out of service, with the pods `stuck`, terminating and held, and
    `bystander`; `shut`, which says that it is not ready and is declared out of service in the other way, with
    `locked`, terminating and held; `sound`, declared out of service although it is Ready, with `safe`, terminating
    and held. Pods `stray`, of a node that never was, and `unbound`, held and deleted before it has a node.
    """
    nodes = await _nodes(stage)
    with stage.request("stray created"), suppress(ApiRefused):
        await stage.pod("stray", node_name=stage.naming.name("nowhere"))
    await _pods(stage, nodes)
    lost = stage.spawn(_write_off(stage, nodes["dead"], nodes["shut"]), "nodes are written off")
    for role in ("doomed", "loner", "revived"):
        await nodes[role].fall_silent()
        with stage.request(f"{role} deleted"):
            await stage.delete(NODE, role)
    with stage.request("unbound deleted"):
        await stage.delete(POD, "unbound")
    began = stage.clock.monotonic()
    await stage.hold(stage.timing.orphan_quarantine / 2)
    await nodes["revived"].register()
    await nodes["revived"].post(Ready="True")
    limit = stage.timing.orphan_collected().latest
    await stage.hold(began + limit + stage.timing.slack - stage.clock.monotonic())
    await stage.until(lambda: _made_up(stage), within=stage.timing.replacement().latest)
    await _release(stage, "held")
    await _release(stage, "unbound")
    await stage.until(lambda: stage.current(LEASE, "doomed") is None, within=stage.timing.lease_collected().latest)
    await stage.hold(stage.timing.slack)
    await lost


async def _nodes(stage: Stage) -> dict[str, SimulatedNode]:
    pool = {POOL: stage.naming.name("pool")}
    nodes = await asyncio.gather(
        stage.node("doomed", labels=pool),
        stage.node("loner", owned=False),
        stage.node("revived", beats=("status",)),
        stage.node("keeper"),
        stage.node("dead", zone="b"),
        stage.node("shut", zone="b"),
        stage.node("sound", zone="b"),
    )
    await schedulable(stage, *(node.role for node in nodes))
    for node in nodes:
        node.pods.run(finish=False)
    return {node.role: node for node in nodes}


async def _pods(stage: Stage, nodes: dict[str, SimulatedNode]) -> None:
    """All pods run, each in the state that it plays; afterwards the keeper may take the workloads."""
    pool = {POOL: stage.naming.name("pool")}
    everything = [{"operator": "Exists"}]
    for role, kind in WORKLOADS.items():
        if stage.facts.served(kind):
            await stage.create(kind, workloads.body(stage.naming, kind, role, node_selector=pool))
    places = {
        **dict.fromkeys(ORPHANS, "doomed"),
        "lucky": "revived",
        "stuck": "dead",
        "locked": "shut",
        "safe": "sound",
    }
    await asyncio.gather(
        *(
            stage.pod(role, node_name=nodes[place].name, tolerations=everything, grace=LONG_GRACE)
            for role, place in places.items()
        ),
        stage.pod("bystander", node_name=nodes["dead"].name, tolerations=everything),
        stage.pod("unbound", schedulerName=NOBODY),
    )
    await running(stage, (*places, "bystander"))
    await stage.until(lambda: all(_runs(stage, role) for role in WORKLOADS), within=settled(stage))
    for role in ("held", "stuck", "locked", "safe", "unbound"):
        await stage.patch(POD, role, {"metadata": {"finalizers": [FINALIZER]}})
    await stage.patch(POD, "succeeded", {"status": {"phase": "Succeeded"}}, subresource="status")
    leaving = ("leaving", "stuck", "locked", "safe")
    for role in leaving:
        await stage.delete(POD, role)
    await stage.until(lambda: all(terminating(stage.current(POD, role)) for role in leaving), within=stage.timing.slack)
    await stage.patch(NODE, "keeper", {"metadata": {"labels": pool}})
    await stage.hold(2 * stage.timing.beat_interval)


async def _write_off(stage: Stage, dead: SimulatedNode, shut: SimulatedNode) -> None:
    """Nodes that are lost or not ready are declared out of service, and so is one that is well."""
    if stage.facts.minor < OUT_OF_SERVICE_SINCE:
        return
    taint = {"key": OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute"}
    await taints.change(stage, "sound", "sound written off", add=[taint])
    await shut.post(Ready="False")
    await taints.change(stage, "shut", "shut written off", add=[{**taint, "effect": "NoSchedule"}])
    await dead.fall_silent()
    flipped = stage.timing.unknown_after_silence().latest + stage.timing.slack
    if not await stage.until(lambda: ready(stage, "dead") == "Unknown", within=flipped):
        return
    await taints.change(stage, "dead", "dead written off", add=[taint])
    passed = stage.timing.garbage_pass().latest + stage.timing.slack
    roles = ("stuck", "locked")
    await stage.until(lambda: all(phase(stage, role) == "Failed" for role in roles), within=passed)
    for role in roles:
        await _release(stage, role)
    await stage.hold(2 * stage.timing.garbage_pass().latest)
    stage.mark("nodes were written off for long")


async def _release(stage: Stage, role: str) -> None:
    """Takes the suite's finalizer off a pod that is still there."""
    if stage.current(POD, role) is not None:
        with stage.request(f"{role} released"):
            await stage.patch(POD, role, {"metadata": {"finalizers": []}})
        await stage.until(lambda: stage.current(POD, role) is None, within=stage.timing.slack)


def _runs(stage: Stage, workload: str) -> bool:
    kind = WORKLOADS[workload]
    return not stage.facts.served(kind) or any(_is_ready(pod) for pod in stage.pods_of(workload))


def _is_ready(pod: Object) -> bool:
    return conditions.status(pod, "Ready") == "True"


def _made_up(stage: Stage) -> bool:
    """Whether the pods of the workloads have come again on the keeper."""
    keeper = stage.naming.name("keeper")
    served = [role for role, kind in WORKLOADS.items() if stage.facts.served(kind)]
    return all(any(bound_to(pod) == keeper for pod in stage.pods_of(role)) for role in served)
