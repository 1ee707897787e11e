"""DaemonSets over nodes that are healthy, cordoned, lost, tainted, relabelled, deleted, and not ready from birth."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from conformance.drive import taints as tainting
from conformance.drive import workloads
from conformance.drive.manifests import tolerate
from conformance.drive.node import SimulatedNode
from conformance.drive.stage import Stage
from conformance.drive.waits import ready, schedulable, settled
from conformance.judge import conditions, taints
from conformance.judge.daemons import target
from conformance.judge.pods import bound_to, terminating
from conformance.judge.taints import NO_EXECUTE, NO_SCHEDULE, NOT_READY, UNREACHABLE
from conformance.kinds import DAEMON_SET, NODE, POD
from conformance.naming import DOMAIN
from conformance.record.history import Object
from conformance.scenario import scenario
from conformance.timing import Timing

HEALTHY = ("plain", "cordoned", "lost", "doomed")
"""Nodes that are Ready when the DaemonSets are made."""


NUMBERS = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "numberAvailable", "numberMisscheduled")
"""What the status of a DaemonSet counts."""
IN_THE_BEGINNING = dict(zip(NUMBERS, (4, 4, 4, 4, 0), strict=True))
"""What it says of `daemon` when all of `HEALTHY` have its pod; `unready` is not to have one."""
IN_THE_END = dict(zip(NUMBERS, (4, 4, 4, 4, 1), strict=True))
"""`doomed` is gone and `lost` is lost, but keeps its pod; `late` and `unready` have come."""


def _place(daemon: str) -> dict[str, str]:
    """Label of the nodes that a DaemonSet selects."""
    return {f"{DOMAIN}/runs-{daemon}": "yes"}


def _longest(timing: Timing) -> float:
    lost = timing.unknown_after_silence().latest + timing.no_execute_taint().latest
    rest = max(timing.default_unreachable_toleration_seconds, timing.orphan_collected().latest)
    return 12 * timing.scheduler_backoff + lost + rest + timing.replacement().latest


@scenario(watches=(NODE, POD, DAEMON_SET), longest=_longest)
async def daemons(stage: Stage) -> None:
    """DaemonSets meet nodes in all states, and nodes that change.

    Roles: nodes `plain`, later tainted for a while; `cordoned`, whose pod is deleted and ends late; `lost`, which
    falls silent; `doomed`, which is deleted; `unready`, which says so from its registration on and becomes ready in
    the end; `late`, which comes later, loses its label and gets it back, and whose pod then fails; a keeper in each
    zone. DaemonSets: `daemon` on all of them; `host`, on the host's network, on `plain` only; `faithful`, which
    tolerates everything, on `lost` only; `fated`, on `doomed` only; `tolerant`, whose template tolerates what
    `unready` has, on that node only.
    """
    nodes = await _nodes(stage)
    await stage.patch(NODE, "cordoned", {"spec": {"unschedulable": True}})
    cordoned = ("node.kubernetes.io/unschedulable", NO_SCHEDULE)
    limit = stage.timing.no_schedule_taint().latest
    await stage.until(lambda: cordoned in taints.taints(stage.current(NODE, "cordoned")), within=limit)
    await _daemon_sets(stage)
    await stage.until(lambda: all(_has_one(stage, "daemon", role) for role in HEALTHY), within=2 * settled(stage))
    await stage.until(lambda: _has_one(stage, "tolerant", "unready"), within=settled(stage))
    await stage.until(lambda: _wanted(stage, "fated") == 1, within=stage.timing.endpoints_updated().latest)
    await _count(stage, "in the beginning", IN_THE_BEGINNING)
    await stage.hold(2 * stage.timing.beat_interval)
    lost = stage.spawn(_lose(stage, nodes["lost"]), "a node is lost")
    await _remove(stage, nodes["doomed"])
    await _come_late(stage)
    await _take_away(stage, nodes["cordoned"])
    await _drive_away(stage)
    await lost
    await nodes["unready"].post(Ready="True")
    await stage.until(lambda: _has_one(stage, "daemon", "unready"), within=stage.timing.replacement().latest)
    gone = stage.timing.orphan_collected().latest
    await stage.until(lambda: not stage.pods_on("doomed"), within=gone)
    await stage.until(lambda: not _wanted(stage, "fated"), within=stage.timing.endpoints_updated().latest)
    await _count(stage, "in the end", IN_THE_END)


async def _nodes(stage: Stage) -> Mapping[str, SimulatedNode]:
    labels = _place("daemon")
    nodes = await asyncio.gather(
        stage.node("plain", labels={**labels, **_place("host")}),
        stage.node("cordoned", labels=labels),
        stage.node("lost", labels={**labels, **_place("faithful")}),
        stage.node("doomed", labels={**labels, **_place("fated")}),
        stage.node("unready", labels={**labels, **_place("tolerant")}, ready="False", zone="b"),
        stage.node("keeper", zone="b"),
    )
    await schedulable(stage, *HEALTHY, "keeper")
    limit = stage.timing.no_execute_taint().latest
    await stage.until(lambda: taints.has(stage.current(NODE, "unready"), NOT_READY, NO_EXECUTE), within=limit)
    for node in nodes:
        node.pods.run()
    return {node.role: node for node in nodes}


async def _daemon_sets(stage: Stage) -> None:
    specs: dict[str, dict[str, Any]] = {
        "daemon": {},
        "host": {"hostNetwork": True},
        "faithful": {"tolerations": [{"operator": "Exists"}]},
        "fated": {},
        "tolerant": {"tolerations": [tolerate(NOT_READY, None, NO_SCHEDULE)]},
    }
    for role, more in specs.items():
        body = workloads.body(stage.naming, DAEMON_SET, role, node_selector=_place(role), **more)
        stage.mark(f"{role} creation sent")
        await stage.create(DAEMON_SET, body)
        stage.mark(f"{role} created")


async def _lose(stage: Stage, lost: SimulatedNode) -> None:
    """A node falls silent for longer than pods tolerate it by default."""
    await lost.fall_silent()
    flipped = stage.timing.unknown_after_silence().latest + stage.timing.no_execute_taint().latest
    tainted = await stage.until(
        lambda: ready(stage, "lost") == "Unknown" and taints.has(stage.current(NODE, "lost"), UNREACHABLE, NO_EXECUTE),
        within=flipped + stage.timing.slack,
    )
    if tainted:
        await stage.hold(stage.timing.eviction(stage.timing.default_unreachable_toleration_seconds).latest)
    stage.mark("lost was lost for long")


async def _remove(stage: Stage, doomed: SimulatedNode) -> None:
    await doomed.fall_silent()
    with stage.request("doomed deleted"):
        await stage.delete(NODE, "doomed")


async def _come_late(stage: Stage) -> None:
    """A node comes later; its label goes and comes back."""
    late = await stage.node("late", labels=_place("daemon"), zone="b")
    late.pods.run()
    limit = stage.timing.replacement().latest + settled(stage)
    await stage.until(lambda: _has_one(stage, "daemon", "late"), within=limit)
    with stage.request("late unlabelled"):
        await stage.patch(NODE, "late", {"metadata": {"labels": dict.fromkeys(_place("daemon"))}})
    await stage.until(lambda: not stage.pods_on("late"), within=limit)
    await stage.hold(stage.timing.replacement().latest)
    with stage.request("late labelled again"):
        await stage.patch(NODE, "late", {"metadata": {"labels": _place("daemon")}})
    await stage.until(lambda: _has_one(stage, "daemon", "late"), within=limit)
    await _fail(stage)


async def _fail(stage: Stage) -> None:
    """The daemon pod of a node fails, as one does that its node would not take."""
    await stage.until(lambda: all(_is_ready(pod) for pod in stage.pods_on("late")), within=settled(stage))
    failing = [pod for pod in stage.pods_on("late") if not terminating(pod)]
    if not failing:  # nobody bound it
        return
    with stage.request("daemon pod failed"):
        for pod in failing:
            metadata = pod["metadata"]
            path = POD.path(metadata["namespace"], metadata["name"], "status")
            await stage.client.patch(path, {"status": {"phase": "Failed"}})
    old = {pod["metadata"]["uid"] for pod in failing}
    await stage.until(
        lambda: any(pod["metadata"]["uid"] not in old for pod in stage.pods_on("late")),
        within=stage.timing.replacement().latest + settled(stage),
    )


async def _take_away(stage: Stage, node: SimulatedNode) -> None:
    """A user deletes a daemon pod, and its node takes its time to end it."""
    node.pods.run(finish=False)
    doomed = [pod for pod in stage.pods_on(node.role) if not terminating(pod)]
    with stage.request("daemon pod deleted"):
        for pod in doomed:
            metadata = pod["metadata"]
            await stage.client.delete(POD.path(metadata["namespace"], metadata["name"]))
    await stage.hold(stage.timing.replacement().latest)
    stage.mark("daemon pod may end")
    node.pods.run()
    limit = stage.timing.replacement().latest + settled(stage)
    await stage.until(lambda: _has_one(stage, "daemon", node.role), within=limit)


async def _drive_away(stage: Stage) -> None:
    """A user's taint on a node, for a while."""
    await tainting.change(stage, "plain", "plain tainted", add=[tainting.own("evict")])
    await stage.until(lambda: not stage.pods_on("plain"), within=stage.timing.eviction(0).latest + stage.timing.slack)
    await stage.hold(stage.timing.replacement().latest + settled(stage))
    await tainting.change(stage, "plain", "plain untainted", remove=[tainting.own_key("evict")])
    limit = stage.timing.replacement().latest + settled(stage)
    await stage.until(lambda: _has_one(stage, "daemon", "plain"), within=limit)


async def _count(stage: Stage, when: str, wanted: Mapping[str, int]) -> None:
    """Waits until the status of `daemon` says what there is."""

    def counted() -> bool:
        status = (stage.current(DAEMON_SET, "daemon") or {}).get("status") or {}
        return all(int(status.get(field) or 0) == number for field, number in wanted.items())

    stage.mark(f"counted {when}", result=await stage.until(counted, within=2 * stage.timing.endpoints_updated().latest))


def _has_one(stage: Stage, daemon: str, node: str) -> bool:
    """Whether a DaemonSet has a bound pod on a node that stays."""
    name = stage.naming.name(node)
    return any(bound_to(pod) == name == target(pod) and not terminating(pod) for pod in stage.pods_of(daemon))


def _is_ready(pod: Object) -> bool:
    return conditions.status(pod, "Ready") == "True"


def _wanted(stage: Stage, daemon: str) -> int:
    """On how many nodes a DaemonSet says it wants pods."""
    status = (stage.current(DAEMON_SET, daemon) or {}).get("status") or {}
    return int(status.get("desiredNumberScheduled") or 0)
