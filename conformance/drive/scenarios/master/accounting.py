"""What pods ask is held against what nodes offer."""

from __future__ import annotations

import asyncio

from conformance.client import existing
from conformance.drive import manifests, placing
from conformance.drive.scenarios.master import accounting_sums as sums
from conformance.drive.stage import Stage
from conformance.drive.sums import devices, tried
from conformance.drive.waits import schedulable
from conformance.judge.sums import Sum
from conformance.kinds import EVENT, NODE, POD, RUNTIME_CLASS
from conformance.naming import DOMAIN
from conformance.scenario import scenario
from conformance.timing import Timing

LONG_GRACE = 600
"""Seconds of grace of a pod that is to stay terminating."""


def _longest(timing: Timing) -> float:
    return timing.no_schedule_taint().latest + 6 * timing.scheduled().latest


@scenario(watches=(NODE, POD, EVENT), optional=(RUNTIME_CLASS,), longest=_longest)
async def accounting(stage: Stage) -> None:
    """Pods are offered to nodes of known size, until they are full to the last piece.

    `many` offers devices for most of the sums; `exact`, `limited`, `wrapped`, `padded`, `spent` and `pod-level`
    offer cpu, memory and storage; `pages` has huge pages; `slots` and `slotless` are short of pods; on `crowded`
    and `overfull` stand pods that no scheduler put there.
    """
    usual = manifests.CAPACITY
    sizes = {
        "many": {**usual, **sums.MANY},
        "exact": sums.EXACT,
        "limited": sums.LIMITED,
        "wrapped": {**usual, "cpu": "4"},
        "padded": {**usual, "memory": "1Gi"},
        "spent": sums.SPENT,
        "pages": {**usual, "hugepages-2Mi": "8Mi"},
        "pod-level": {**usual, "cpu": "3"},
        "slots": {**usual, "pods": "2"},
        "slotless": {name: amount for name, amount in usual.items() if name != "pods"},
        "crowded": {**usual, **devices("crowd", 2)},
        "overfull": {**usual, "cpu": "1"},
    }
    capacity = {**usual, **sums.CAPACITY}
    await asyncio.gather(*(stage.node(role, allocatable=size, capacity=capacity) for role, size in sizes.items()))
    await schedulable(stage, *sizes)
    shapes = [*sums.shaped(sums.SHAPES), *_sidecars(stage)]
    await asyncio.gather(
        _native(stage),
        tried(stage, *sums.OFFERED, sums.REQUESTED, sums.DEFAULTED, sums.SLOTLESS, sums.PAGES, *sums.DEVICES, *shapes),
        tried(stage, *([sums.WHOLE] if stage.facts.minor >= sums.POD_LEVEL_SINCE else [])),
        _overhead(stage),
        _slots(stage),
        _ended(stage),
        _spent(stage),
        _leaving(stage),
        _crowded(stage),
        _overfull(stage),
    )
    await placing.count_visitors(
        stage, "exact", "limited", "wrapped", "padded", "spent", "pod-level", "slots", "overfull"
    )


def _sidecars(stage: Stage) -> tuple[Sum, ...]:
    return sums.shaped(sums.SIDECAR_SHAPES) if stage.facts.minor >= sums.SIDECARS_SINCE else ()


async def _native(stage: Stage) -> None:
    await tried(stage, *sums.NATIVE)
    await tried(stage, sums.EMPTY)


async def _overhead(stage: Stage) -> None:
    """One cpu of overhead, over an init container of three and a container of one."""
    if not stage.facts.served(RUNTIME_CLASS):
        return
    name = stage.naming.name("wrapping")
    await stage.create(
        RUNTIME_CLASS,
        {
            "apiVersion": RUNTIME_CLASS.group_version,
            "kind": "RuntimeClass",
            "metadata": {"name": name, "labels": stage.naming.labels("wrapping")},
            "handler": "nothing",
            "overhead": {"podFixed": {"cpu": "1", "memory": "1Gi"}},
        },
    )
    await placing.offer(stage, "blocker", "wrapped", {"cpu": "1m"})
    await placing.placed(stage, "blocker")
    await placing.offer(stage, "wrapped-pod", "wrapped", {"cpu": "1"}, **sums.with_overhead({"cpu": "3"}, name))
    await placing.answered(stage, "wrapped-pod")
    await placing.offer(stage, "padder", "padded", {"memory": "1"})
    await placing.placed(stage, "padder")
    await placing.offer(stage, "padded-pod", "padded", {"cpu": "1m"}, runtimeClassName=name)
    await placing.answered(stage, "padded-pod")
    await placing.removed(stage, "blocker")
    await placing.removed(stage, "padder")
    await placing.placed(stage, "wrapped-pod", "padded-pod")


async def _slots(stage: Stage) -> None:
    await tried(stage, sums.SLOTS)
    await placing.ended(stage, "slot-1", "Succeeded")
    await placing.placed(stage, "slot-3")
    with existing():
        await stage.delete(POD, "slot-2", grace=LONG_GRACE)
    await placing.offer(stage, "slot-4", "slots")
    await placing.answered(stage, "slot-4")
    await placing.removed(stage, "slot-2")
    await placing.placed(stage, "slot-4")


async def _ended(stage: Stage) -> None:
    """Two pods come to their ends, one well and one badly."""
    for role in ("done", "failed"):
        await placing.offer(stage, role, "many", devices("ended", 1))
    await placing.placed(stage, "done", "failed")
    await placing.offer(stage, "heir", "many", devices("ended", 2))
    await placing.answered(stage, "heir")
    await placing.ended(stage, "done", "Succeeded")
    await placing.ended(stage, "failed", "Failed")
    await placing.placed(stage, "heir")


async def _spent(stage: Stage) -> None:
    """A pod that has all cpu, memory and storage of a node comes to its end."""
    await placing.offer(stage, "spender", "spent", sums.ALL)
    await placing.placed(stage, "spender")
    await placing.offer(stage, "successor", "spent", sums.ALL)
    await placing.answered(stage, "successor")
    await placing.ended(stage, "spender", "Succeeded")
    await placing.placed(stage, "successor")


async def _leaving(stage: Stage) -> None:
    """A pod stays terminating for a while, and pods wait for its place."""
    await placing.offer(stage, "leaving", "many", devices("leaving", 2), grace=LONG_GRACE)
    await placing.placed(stage, "leaving")
    await placing.offer(stage, "patient", "many", devices("leaving", 1))
    await placing.answered(stage, "patient")
    with existing():
        await stage.delete(POD, "leaving")
    stage.mark("leaving terminates")
    await placing.offer(stage, "late", "many", devices("leaving", 1))
    await placing.answered(stage, "late")
    await placing.removed(stage, "leaving")
    await placing.placed(stage, "patient", "late")


async def _crowded(stage: Stage) -> None:
    """Pods that name their node take what is there, and then more than that; the last even selects another."""
    namespace = await stage.namespace("elsewhere")
    await placing.put(stage, "direct-1", "crowded", devices("crowd", 1), namespace=namespace)
    await placing.put(stage, "direct-2", "crowded", devices("crowd", 1))
    await stage.until(
        lambda: all(stage.current(POD, role) for role in ("direct-1", "direct-2")), within=stage.timing.slack
    )
    await placing.offer(stage, "crowded-out", "crowded", devices("crowd", 1))
    await placing.answered(stage, "crowded-out")
    stage.mark("crowded beyond")
    await placing.put(stage, "direct-3", "crowded", devices("crowd", 2), node_selector={f"{DOMAIN}/no-such": "label"})
    await placing.offer(stage, "crowded-out-2", "crowded", devices("crowd", 1))
    await placing.answered(stage, "crowded-out-2")
    await stage.hold(stage.timing.left_alone())


async def _overfull(stage: Stage) -> None:
    """More than all cpu is taken; a pod that asks for nothing comes."""
    await placing.put(stage, "glutton", "overfull", {"cpu": "2"})
    await stage.until(lambda: stage.current(POD, "glutton"), within=stage.timing.slack)
    await placing.offer(stage, "modest", "overfull")
    await placing.placed(stage, "modest")
