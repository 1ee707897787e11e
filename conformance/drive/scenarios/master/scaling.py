"""A ReplicaSet whose pods have come more or less far is scaled down, one by one."""

from __future__ import annotations

from conformance.client import MERGE
from conformance.drive import manifests, workloads
from conformance.drive.stage import Stage
from conformance.judge.workloads import is_active
from conformance.kinds import NODE, POD, REPLICA_SET
from conformance.naming import DOMAIN
from conformance.record.history import Object
from conformance.scenario import scenario
from conformance.timing import Timing

STANDINGS = ("unbound", "pending", "not ready", "ready")
"""How far pods have come, from those that are missed least."""
BY_AGE = ("not ready", "pending", "unbound", "ready", "not ready", "pending", "unbound")
"""How far they have come, from the oldest pod to the youngest: neither this way nor the other do they go."""
STANDING = f"{DOMAIN}/standing"
SIZES = (5, 3, 1)
"""How many are wanted, one after the other: what is too much are the pods of one standing each time."""


def _longest(timing: Timing) -> float:
    return timing.slack + (2 * len(SIZES) + 2) * timing.replacement().latest


@scenario(watches=(NODE, POD, REPLICA_SET), needs=(REPLICA_SET,), longest=_longest)
async def scaling(stage: Stage) -> None:
    """Of the pods of the ReplicaSet `set` two have no node, two are Pending, two run, one is ready; two go at a time.

    No scheduler and no agent has to do with them: the suite binds them to `home`, and says how they are.
    """
    await stage.node("home")
    await stage.create(
        REPLICA_SET, workloads.body(stage.naming, REPLICA_SET, "set", len(BY_AGE), schedulerName="nobody")
    )
    limit = stage.timing.replacement().latest
    if not await stage.until(lambda: len(stage.pods_of("set")) == len(BY_AGE), within=limit):
        return
    await _stand(stage)
    await stage.patch(REPLICA_SET, "set", {"metadata": {"labels": {f"{DOMAIN}/step": "1"}}})
    await stage.until(lambda: status(stage.current(REPLICA_SET, "set"), "availableReplicas") == 1, within=limit)
    stage.mark("all stand")
    for replicas in SIZES:
        await _scale(stage, replicas)


async def _stand(stage: Stage) -> None:
    """Brings the pods as far as they are to come; the ready one is the last, so that whoever knows it knows all."""
    names = [pod["metadata"]["name"] for pod in stage.pods_of("set")]
    standings = dict(zip(names, BY_AGE, strict=True))
    stage.mark("the standings", **standings)
    with stage.request("the pods stand"):
        for name in sorted(names, key=lambda name: standings[name] == "ready"):
            await _bring(stage, name, standings[name])


async def _bring(stage: Stage, name: str, standing: str) -> None:
    path = POD.path(stage.naming.namespace, name)
    # Of all pods there is news, or those that have come least far would be those that were heard of least.
    await stage.client.patch(path, {"metadata": {"annotations": {STANDING: standing}}}, MERGE)
    if standing != "unbound":
        target = {"apiVersion": "v1", "kind": "Node", "name": stage.naming.name("home")}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        await stage.client.create(f"{path}/binding", body)
    running = manifests.running_status(stage.clock.timestamp(), stage.pod_address())
    status = {"not ready": {"phase": "Running"}, "ready": running}.get(standing)
    if status is not None:
        await stage.client.patch(f"{path}/status", {"status": status}, MERGE)


async def _scale(stage: Stage, replicas: int) -> None:
    with stage.request(f"scaled to {replicas}"):
        scaled = await stage.patch(REPLICA_SET, "set", {"spec": {"replicas": replicas}})
    limit = stage.timing.replacement().latest
    await stage.until(lambda: sum(map(is_active, stage.pods_of("set"))) <= replicas, within=limit)
    wanted, limit = scaled["metadata"].get("generation", 0), stage.timing.endpoints_updated().latest
    await stage.until(lambda: status(stage.current(REPLICA_SET, "set"), "observedGeneration") >= wanted, within=limit)


def status(owner: Object | None, field: str) -> int:
    """A number in the status of a workload."""
    return int(((owner or {}).get("status") or {}).get(field) or 0)
