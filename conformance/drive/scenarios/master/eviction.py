"""An administrator taints healthy nodes with NoExecute: which pods go, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from conformance.clock import format_time
from conformance.drive import taints
from conformance.drive.manifests import tolerate
from conformance.drive.stage import Stage
from conformance.drive.waits import phase, running, schedulable
from conformance.judge import events
from conformance.judge.pods import terminating
from conformance.kinds import EVENT, NODE, POD
from conformance.scenario import scenario
from conformance.timing import Timing

Tolerations = Sequence[Mapping[str, Any]]

KEY = taints.own_key("evict")
VALUE = "red"
GRACE = 77
"""Grace period of the pod `plain`, in seconds; nobody else has it."""
LONG_GRACE = 600
"""Grace period of the pod `leaving`, which was deleted long before."""


def _toleration(**fields: Any) -> list[dict[str, Any]]:
    return [{"effect": "NoExecute", **fields}]


MATCHING: dict[str, Tolerations] = {
    "plain": [],
    "exists": _toleration(key=KEY, operator="Exists"),
    "equal": _toleration(key=KEY, operator="Equal", value=VALUE),
    "default-operator": _toleration(key=KEY, value=VALUE),
    "any-effect": [{"key": KEY, "operator": "Exists"}],
    "any-key": [{"operator": "Exists"}],
    "any-key-no-execute": _toleration(operator="Exists"),
    "other-value": _toleration(key=KEY, operator="Equal", value="blue"),
    "no-value": _toleration(key=KEY),
    "large-value": _toleration(key=KEY, operator="Equal", value=VALUE.upper()),
    "half-a-key": _toleration(key=KEY[:-1], operator="Exists"),
    "large-key": _toleration(key=taints.own_key("EVICT"), operator="Exists"),
    "other-key": _toleration(key=taints.own_key("other"), operator="Exists"),
    "no-schedule": [{"key": KEY, "operator": "Exists", "effect": "NoSchedule"}],
}
"""Pods on the node `table`, each with its one way of tolerating `KEY=VALUE:NoExecute`, or of not doing so."""


def _limited(step: int) -> dict[str, Tolerations]:
    """Pods on the node `table` that tolerate its taint for a time."""
    return {
        "timed": [tolerate(KEY, 2 * step)],
        "zero": [tolerate(KEY, 0)],
        "negative": [tolerate(KEY, -1)],
        "first-limited": [tolerate(KEY, step), *_toleration(key=KEY, operator="Equal", value=VALUE)],
        "first-forever": [*_toleration(key=KEY, operator="Equal", value=VALUE), tolerate(KEY, step)],
    }


def _longest_table(timing: Timing) -> float:
    return 3 * timing.scheduler_backoff + timing.eviction(3 * timing.step).latest


@scenario(watches=(NODE, POD, EVENT), longest=_longest_table)
async def user_taints(stage: Stage) -> None:
    """A node with pods of all tolerations gets a NoExecute taint; another one is cordoned and tainted otherwise.

    Roles: on `table` the pods of `MATCHING`, those with a time limit, `finished` and `broken`, which have run their
    course, and `leaving`, which is being deleted already. On `soft` the pod `unmoved`.
    """
    table, soft = await stage.nodes("table", "soft")
    await schedulable(stage, "table", "soft")
    table.pods.run(finish=False)
    soft.pods.run(finish=False)
    pods = {**MATCHING, **_limited(stage.timing.step), "finished": [], "broken": []}
    await asyncio.gather(
        *(
            stage.pod(role, node_name=table.name, tolerations=own, grace=GRACE if role == "plain" else 1)
            for role, own in pods.items()
        ),
        stage.pod("leaving", node_name=table.name, grace=LONG_GRACE),
        stage.pod("unmoved", node_name=soft.name),
    )
    await running(stage, (*pods, "leaving", "unmoved"))
    await _end(stage, "finished", "Succeeded")
    await _end(stage, "broken", "Failed")
    await stage.delete(POD, "leaving")
    await stage.until(lambda: terminating(stage.current(POD, "leaving")), within=stage.timing.watch_lag)
    await _soften(stage)
    await taints.change(stage, "table", "table tainted", add=[taints.own("evict", value=VALUE)])
    limit = stage.timing.eviction(3 * stage.timing.step).latest
    began = stage.clock.monotonic()
    await stage.until(lambda: _told(stage, "plain"), within=limit)
    await stage.hold(limit - (stage.clock.monotonic() - began))


def _told(stage: Stage, role: str) -> bool:
    """Whether an Event says that a pod was evicted."""
    name = stage.naming.name(role)
    found = stage.log.all_current(EVENT.name)
    return any(events.about(event) == name and event.get("reason") == "TaintManagerEviction" for event in found)


async def _end(stage: Stage, role: str, how: str) -> None:
    await stage.patch(POD, role, {"status": {"phase": how}}, subresource="status")
    await stage.until(lambda: phase(stage, role) == how, within=stage.timing.watch_lag)


async def _soften(stage: Stage) -> None:
    """Everything that forbids new pods and drives none away."""
    effects = [taints.own("keep-off", "NoSchedule"), taints.own("rather-not", "PreferNoSchedule")]
    await taints.change(stage, "soft", "soft tainted", add=effects)
    with stage.request("soft cordoned"):
        await stage.patch(NODE, "soft", {"spec": {"unschedulable": True}})


A, B, C = (taints.own_key(letter) for letter in "abc")
NOBODY = "nobody.invalid"
"""Name of a scheduler that does not exist: its pods are bound by the suite."""


def _timers(step: int) -> dict[str, tuple[str, Tolerations]]:
    """Pods that tolerate taints for a time, each with its node."""
    return {
        "middle-shortest": ("several", [tolerate(A, None), tolerate(B, step), tolerate(C, 3 * step)]),
        "last-shortest": ("several", [tolerate(A, 3 * step), tolerate(B, None), tolerate(C, step)]),
        "all-tolerated": ("several", [tolerate(A, None), tolerate(B, None), tolerate(C, None)]),
        "one-tolerated": ("several", [tolerate(A, None)]),
        "two-tolerated": ("several", [tolerate(A, None), tolerate(C, 3 * step)]),
        "coloured": ("lifted", _toleration(key=A, value=VALUE)),
        "reprieved": ("lifted", [tolerate(A, 2 * step)]),
        "released": ("halved", [tolerate(A, 2 * step), tolerate(B, None)]),
        "shortened": ("fixed", [tolerate(A, 3 * step), tolerate(B, None)]),
        "lengthened": ("fixed", [tolerate(A, 3 * step), tolerate(B, None)]),
        "crowded": ("fixed", [tolerate(A, 3 * step), tolerate(B, step)]),
        "relabelled": ("fixed", [tolerate(A, 3 * step), tolerate(B, None)]),
        "pardoned": ("stamped", [tolerate(A, 2 * step), tolerate(B, None)]),
        "surprised": ("fixed", [tolerate(A, 3 * step)]),
        "swapped": ("swapped-node", [tolerate(A, 3 * step), tolerate(B, 3 * step)]),
        "exchanged": ("swapped-node", [tolerate(A, None)]),
        "colourless": ("halved", [tolerate(A, None), *_toleration(key=B)]),
        "relieved": ("relieved-node", [tolerate(A, 2 * step), tolerate(B, 4 * step)]),
        "backdated": ("stamped", [tolerate(A, 2 * step), tolerate(B, None)]),
        "postdated": ("stamped", [tolerate(A, None), tolerate(B, 2 * step)]),
    }


NODES = ("several", "lifted", "halved", "fixed", "swapped-node", "relieved-node", "stamped", "marked")


def _longest_timers(timing: Timing) -> float:
    return (
        4 * timing.scheduler_backoff
        + timing.eviction(3 * timing.step).latest
        + timing.eviction(2 * timing.step).latest
        + timing.eviction(0).latest
        + 2 * timing.slack
    )


@scenario(watches=(NODE, POD, EVENT), longest=_longest_timers)
async def eviction_timers(stage: Stage) -> None:
    """Pods that tolerate NoExecute taints for a time, while taints and tolerations change."""
    step = stage.timing.step
    pods = _timers(step)
    nodes = {node.role: node for node in await stage.nodes(*NODES)}
    await schedulable(stage, *NODES)
    for node in nodes.values():
        node.pods.run(finish=False)
    await asyncio.gather(
        *(stage.pod(role, node_name=nodes[place].name, tolerations=own) for role, (place, own) in pods.items()),
        stage.pod("late-bound", schedulerName=NOBODY, tolerations=[tolerate(A, step)]),
    )
    await running(stage, pods)
    await _taint_all(stage)
    await stage.hold(step / 2)
    await _disturb(stage, step)
    await stage.hold(step / 2)
    await _relieve(stage)
    await stage.hold(stage.timing.eviction(2 * step).latest)
    await taints.change(stage, "lifted", "lifted tainted again", add=[taints.own("a")])
    await taints.change(stage, "halved", "halved coloured", remove=[B], add=[taints.own("b", value=VALUE)])
    await _arrive(stage, step)
    await stage.hold(stage.timing.eviction(2 * step).latest)
    await stage.until(lambda: _told(stage, "reprieved"), within=stage.timing.slack)


async def _taint_all(stage: Stage) -> None:
    now, hour = stage.clock.now(), timedelta(hours=1)
    past, future = format_time(now - hour), format_time(now + hour)
    wanted = {
        "several": [taints.own("a"), taints.own("b"), taints.own("c")],
        "lifted": [taints.own("a")],
        "halved": [taints.own("a"), taints.own("b")],
        "fixed": [taints.own("a")],
        "swapped-node": [taints.own("a")],
        "relieved-node": [taints.own("a"), taints.own("b")],
        "stamped": [taints.own("a", timeAdded=past), taints.own("b", timeAdded=future)],
        "marked": [taints.own("a")],
    }
    await asyncio.gather(*(taints.change(stage, role, f"{role} tainted", add=add) for role, add in wanted.items()))


async def _disturb(stage: Stage, step: int) -> None:
    """Everything that must not move a time that runs, and one thing that ends it."""
    await _retolerate(stage, "shortened", [tolerate(A, step), tolerate(B, None)])
    await _retolerate(stage, "lengthened", [tolerate(A, 6 * step), tolerate(B, None)])
    await _retolerate(stage, "pardoned", [tolerate(A, None), tolerate(B, None)])
    with stage.request("relabelled relabelled"):
        await stage.patch(POD, "relabelled", {"metadata": {"labels": {taints.own_key("mark"): "new"}}})
    await taints.change(stage, "fixed", "fixed tainted more", add=[taints.own("b")])


async def _retolerate(stage: Stage, role: str, tolerations: Tolerations) -> None:
    """Changes the time limits of a pod's own tolerations; others may have been added to it at its creation."""
    pod = stage.current(POD, role)
    if pod is None:
        return
    limits = {own["key"]: own.get("tolerationSeconds") for own in tolerations}
    changed = []
    for old in pod["spec"]["tolerations"]:
        kept = {name: value for name, value in old.items() if name != "tolerationSeconds"}
        seconds = limits[old["key"]] if old.get("key") in limits else old.get("tolerationSeconds")
        changed.append(kept if seconds is None else {**kept, "tolerationSeconds": seconds})
    with stage.request(f"{role} retolerated"):
        await stage.patch(POD, role, {"spec": {"tolerations": changed}})


async def _relieve(stage: Stage) -> None:
    await taints.change(stage, "lifted", "lifted untainted", remove=[A])
    await taints.change(stage, "halved", "halved relieved", remove=[A])
    await taints.change(stage, "swapped-node", "swapped-node swapped", remove=[A], add=[taints.own("b")])
    await taints.change(stage, "relieved-node", "relieved-node relieved", remove=[A])


async def _return(stage: Stage, role: str, node: str) -> None:
    """Another pod of the same name comes, when the first one has been evicted and is gone; it has no time left, too."""
    await stage.until(lambda: terminating(stage.current(POD, role)), within=stage.timing.eviction(0).latest)
    if terminating(stage.current(POD, role)):
        await stage.delete(POD, role, grace=0)
        await stage.until(lambda: stage.current(POD, role) is None, within=stage.timing.slack)
        # Who hears of the end and of the beginning at once may take them for one change.
        await stage.hold(stage.timing.slack)
        with stage.request(f"{role} created again"):
            await stage.pod(role, node_name=node, tolerations=[tolerate(A, 0)])


async def _arrive(stage: Stage, step: int) -> None:
    """Pods come to a node that has been tainted for long."""
    node = stage.naming.name("marked")
    with stage.request("newcomer created"):
        await stage.pod("newcomer", node_name=node, tolerations=[tolerate(A, step)])
    with stage.request("intruder created"):
        await stage.pod("intruder", node_name=node)
    await _return(stage, "intruder", node)
    with stage.request("late-bound bound"):
        await stage.bind("late-bound", node)
