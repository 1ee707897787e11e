"""Services over pods of a node that falls silent and comes back."""

from __future__ import annotations

import asyncio

from conformance.client import STRATEGIC
from conformance.drive.manifests import tolerate
from conformance.drive.stage import Stage
from conformance.drive.waits import ready, running, runs, schedulable, settled
from conformance.judge import taints
from conformance.judge.pods import terminating
from conformance.judge.services import NOT_READY, READY, addresses
from conformance.judge.taints import NO_EXECUTE, UNREACHABLE
from conformance.kinds import ENDPOINT_SLICE, ENDPOINTS, EVENT, NODE, POD, SERVICE
from conformance.naming import DOMAIN
from conformance.scenario import scenario
from conformance.timing import Timing

BACKEND = f"{DOMAIN}/backend"
"""Label of the pods that the Services select."""
TIER = f"{DOMAIN}/tier"
"""Another one."""
SERVICES = {"service": False, "publisher": True}
"""The Services, and whether they publish pods that are not ready."""
REASON = "SuiteReason"
"""What the node says in the Ready condition of the pod `patient`."""
PORT = 8080
"""Where the pods listen; the Services have another port."""
NOBODY = "nobody.invalid"
LONG_GRACE = 600
"""Grace period of the pods `departing` and `leaving`, which ends after the scenario."""
BACKENDS = ("patient", "brief", "neighbour", "departing")
OTHERS = ("foreign", "leaving", "stranger")
"""Pods that no Service selects, for want of a label or because they are elsewhere."""


def _longest(timing: Timing) -> float:
    taint = timing.unknown_after_silence().latest + timing.no_execute_taint().latest
    evicted = taint + timing.eviction(timing.step).latest
    return (
        4 * timing.scheduler_backoff + evicted + 4 * timing.endpoints_updated().latest + 6 * timing.node_monitor_period
    )


@scenario(watches=(NODE, POD, EVENT), optional=(SERVICE, ENDPOINTS, ENDPOINT_SLICE), longest=_longest)
async def services(stage: Stage) -> None:
    """A node falls silent with pods behind Services, and comes back to look after them.

    Roles: nodes `keeper` and `victim`. On the victim `patient`, which tolerates everything, `brief`, which is evicted,
    `foreign` in another namespace, `leaving`, which is being deleted, `mute`, which never got a status, and
    `latecomer`, which is Ready and becomes bound when the node is lost already. On the keeper `neighbour`,
    `departing`, which is deleted while it is Ready and takes its time, and `stranger`, which lacks one of the labels
    that the Services select. Services: `service`, and `publisher`, which publishes pods that are not ready as well.
    """
    timing = stage.timing
    keeper, victim = await stage.nodes("keeper", "victim")
    await schedulable(stage, "keeper", "victim")
    keeper.pods.run(finish=False)
    victim.pods.run(finish=False, ignore=("mute",))
    await _services(stage)
    await _pods(stage)
    await running(stage, (*BACKENDS, *OTHERS))
    await _say_why(stage)
    await stage.until(lambda: _lists(stage, patient=READY, brief=READY, neighbour=READY), within=settled(stage))
    await stage.hold(timing.endpoints_updated().latest)
    await stage.delete(POD, "leaving")
    with stage.request("departing deleted"):
        await stage.delete(POD, "departing")
    latecomer = stage.current(POD, "latecomer")
    if latecomer is not None:
        await victim.pods.acknowledge(latecomer)
    await stage.hold(max(timing.endpoints_updated().latest, 2 * timing.beat_interval))
    await victim.fall_silent()
    flipped = timing.unknown_after_silence().latest + timing.slack
    if await stage.until(lambda: ready(stage, "victim") == "Unknown", within=flipped):
        await _aftermath(stage)
    await victim.recover()
    await stage.hold(3 * timing.node_monitor_period + timing.slack)
    stage.mark("victim looks after its pods")
    victim.pods.run(ignore=("mute",))
    await stage.until(lambda: stage.current(POD, "brief") is None and runs(stage, "patient"), within=settled(stage))
    await stage.until(lambda: _lists(stage, patient=READY), within=timing.endpoints_updated().latest)
    await stage.hold(timing.slack)


async def _services(stage: Stage) -> None:
    if not stage.facts.served(SERVICE):
        return
    for role, publishes in SERVICES.items():
        spec = {
            "selector": {BACKEND: stage.naming.name("backend"), TIER: "front"},
            "ports": [{"port": 80, "targetPort": PORT}],
            "publishNotReadyAddresses": publishes,
        }
        metadata = {"name": stage.naming.name(role), "labels": stage.naming.labels(role)}
        await stage.create(SERVICE, {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


async def _pods(stage: Stage) -> None:
    step = stage.timing.step
    half = {BACKEND: stage.naming.name("backend")}
    labels = {**half, TIER: "front"}
    elsewhere = await stage.namespace("elsewhere")
    victim, keeper = stage.naming.name("victim"), stage.naming.name("keeper")
    for_ever = [tolerate(UNREACHABLE, None)]
    await asyncio.gather(
        stage.pod("patient", node_name=victim, tolerations=for_ever, labels=labels),
        stage.pod("brief", node_name=victim, tolerations=[tolerate(UNREACHABLE, step)], labels=labels),
        stage.pod("foreign", node_name=victim, tolerations=for_ever, labels=labels, namespace=elsewhere),
        stage.pod("leaving", node_name=victim, tolerations=for_ever, grace=LONG_GRACE),
        stage.pod("mute", node_name=victim, tolerations=for_ever),
        stage.pod("latecomer", schedulerName=NOBODY, tolerations=for_ever),
        stage.pod("neighbour", node_name=keeper, labels=labels),
        stage.pod("stranger", node_name=keeper, labels=half),
        stage.pod("departing", node_name=keeper, labels=labels, grace=LONG_GRACE),
    )


async def _say_why(stage: Stage) -> None:
    """The node gives a reason for the Ready condition of `patient`, so that one can see who keeps it."""
    why = {"type": "Ready", "status": "True", "reason": REASON, "message": "written by the node"}
    body = {"status": {"conditions": [why]}}
    await stage.patch(POD, "patient", body, content_type=STRATEGIC, subresource="status")


async def _aftermath(stage: Stage) -> None:
    """Pods are marked, addresses move, a pod comes late, a pod is evicted."""
    timing = stage.timing
    marked = timing.pods_marked_not_ready().latest
    await stage.until(lambda: not runs(stage, "patient") and not runs(stage, "brief"), within=marked)
    with stage.request("latecomer bound"):
        await stage.bind("latecomer", stage.naming.name("victim"))
    if await stage.until(lambda: not runs(stage, "latecomer"), within=marked):
        true = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        with stage.request("latecomer ready again"):
            await stage.patch(POD, "latecomer", true, content_type=STRATEGIC, subresource="status")
    await stage.until(lambda: _lists(stage, patient=NOT_READY), within=timing.endpoints_updated().latest)
    tainted = timing.no_execute_taint().latest + timing.slack
    await stage.until(lambda: taints.has(stage.current(NODE, "victim"), UNREACHABLE, NO_EXECUTE), within=tainted)
    gone = timing.eviction(timing.step).latest + timing.slack
    await stage.until(lambda: terminating(stage.current(POD, "brief")), within=gone)
    await stage.hold(timing.endpoints_updated().latest + 2 * timing.node_monitor_period)


def _lists(stage: Stage, **wanted: str) -> bool:
    """Whether the Endpoints of `service` list pods as wanted; also when nobody is asked to keep Endpoints."""
    if not stage.facts.served(ENDPOINTS):
        return True
    listed = addresses(stage.current(ENDPOINTS, "service"))
    return all(listed.get(stage.naming.name(role)) == state for role, state in wanted.items())
