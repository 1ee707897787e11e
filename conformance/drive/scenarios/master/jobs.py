"""The pods of Jobs are driven away by a user's taint."""

from __future__ import annotations

from conformance.client import ApiRefused
from conformance.drive import taints, workloads
from conformance.drive.stage import Stage
from conformance.drive.waits import schedulable, settled
from conformance.judge import conditions
from conformance.judge.pods import terminating
from conformance.kinds import JOB, NODE, POD
from conformance.naming import DOMAIN
from conformance.record.history import Object
from conformance.scenario import scenario
from conformance.timing import Timing

POOL = f"{DOMAIN}/pool"
JOBS = {"hasty": None, "careful": "Failed"}
"""The Jobs, and when they replace a pod that is being deleted: by default, or only when it has ended."""


def _longest(timing: Timing) -> float:
    return 4 * timing.scheduler_backoff + timing.eviction(0).latest + 2 * timing.job_replacement().latest


@scenario(watches=(NODE, POD, JOB), longest=_longest)
async def jobs(stage: Stage) -> None:
    """The node of two Jobs' pods is tainted; the pods end late, so that one sees which Job waits for that.

    Roles: nodes `home`, where the pods begin, and `refuge`; Jobs `hasty`, which says nothing of replacement, and
    `careful`, with podReplacementPolicy Failed.
    """
    home, refuge = await stage.nodes("home", "refuge")
    await schedulable(stage, "home", "refuge")
    home.pods.run(finish=False)
    refuge.pods.run(finish=False)
    pool = {POOL: stage.naming.name("pool")}
    await stage.patch(NODE, "home", {"metadata": {"labels": pool}})
    for role, policy in JOBS.items():
        more = {} if policy is None else {"podReplacementPolicy": policy}
        body = workloads.body(stage.naming, JOB, role, more=more, restartPolicy="Never", node_selector=pool)
        await stage.create(JOB, body)
    await stage.until(lambda: all(_runs(stage, role) for role in JOBS), within=settled(stage))
    await stage.patch(NODE, "refuge", {"metadata": {"labels": pool}})
    await taints.change(stage, "home", "home tainted", add=[taints.own("evict")])
    evicted = stage.timing.eviction(0).latest
    await stage.until(lambda: all(terminating(_first(stage, role)) for role in JOBS), within=evicted)
    await stage.hold(stage.timing.job_replacement().latest)
    for role in JOBS:
        await _end(stage, role)
    limit = stage.timing.job_replacement().latest
    await stage.until(lambda: all(_replaced(stage, role) for role in JOBS), within=limit)


def _first(stage: Stage, role: str) -> Object | None:
    found = [pod for pod in stage.pods_of(role) if pod["spec"].get("nodeName") == stage.naming.name("home")]
    return found[0] if found else None


def _runs(stage: Stage, role: str) -> bool:
    return conditions.status(_first(stage, role), "Ready") == "True"


def _replaced(stage: Stage, role: str) -> bool:
    return any(not terminating(pod) for pod in stage.pods_of(role))


async def _end(stage: Stage, role: str) -> None:
    """The node ends a pod, as a kubelet does: it says how it ended, then removes it."""
    pod = _first(stage, role)
    if pod is None:
        return
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
    with stage.request(f"{role} ended"):
        try:
            await stage.client.patch(POD.path(namespace, name, "status"), {"status": {"phase": "Failed"}})
            await stage.client.delete(POD.path(namespace, name), options)
        except ApiRefused as error:
            if error.status not in (404, 409):
                raise
