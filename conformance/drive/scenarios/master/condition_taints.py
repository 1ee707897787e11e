"""Conditions that call for taints come and go; somebody meddles with the taints."""

from __future__ import annotations

import asyncio
from functools import partial

from conformance.drive.node import SimulatedNode
from conformance.drive.stage import Stage
from conformance.drive.taints import change, own
from conformance.drive.waits import ready, schedulable
from conformance.judge import taints
from conformance.judge.taints import BY_CONDITION, NO_EXECUTE, NO_SCHEDULE, NOT_READY, UNREACHABLE, UNSCHEDULABLE
from conformance.kinds import NODE
from conformance.scenario import scenario
from conformance.timing import Timing

FOREIGN = own("foreign")
PREFERRED = {"key": NOT_READY, "effect": "PreferNoSchedule"}
UNCALLED_FOR = (
    {"key": UNREACHABLE, "effect": NO_EXECUTE, "value": "by-hand"},
    {"key": BY_CONDITION["MemoryPressure"], "effect": NO_SCHEDULE, "value": "by-hand"},
)
"""Taints that only the master may put on a node, without what calls for them."""


def _longest(timing: Timing) -> float:
    pressed = (len(BY_CONDITION) + 1) * timing.no_schedule_taint().latest + timing.no_execute_taint().latest
    pressed += 2 * timing.no_schedule_taint_gone().latest
    strained = 2 * timing.beat_interval + timing.unknown_after_silence().latest + _lasting(timing)
    stripped = 2 * timing.no_execute_taint(2).latest + _lasting(timing)
    return timing.slack + max(pressed, strained, stripped)


@scenario(watches=(NODE,), longest=_longest)
async def condition_taints(stage: Stage) -> None:
    """Nodes post pressures, are cordoned, fall silent under pressure; taints are added and removed by hand.

    `pressed` stays Ready while all its other conditions turn True and False again, and while it is cordoned and
    uncordoned. `strained` knows nothing of its network, and falls silent under memory pressure. `meddled` is given
    taints it did not call for. `stripped` says itself that it is not ready and loses its taints. `keeper` shares its
    zone.
    """
    quiet = dict.fromkeys(BY_CONDITION, "False")
    pressed = await stage.node("pressed", conditions=quiet)
    strained = await stage.node("strained", conditions={"MemoryPressure": "True", "NetworkUnavailable": "Unknown"})
    meddled = await stage.node("meddled")
    await stage.node("keeper", zone="b")
    stripped = await stage.node("stripped", zone="b")
    await schedulable(stage, "pressed", "strained", "meddled", "stripped")
    await asyncio.gather(
        _press(stage, pressed), _strain(stage, strained), _meddle(stage, meddled), _strip(stage, stripped)
    )


async def _press(stage: Stage, node: SimulatedNode) -> None:
    """One condition after the other, then none; then the cordon."""
    timing = stage.timing
    soon = timing.no_schedule_taint().latest
    for kind, key in BY_CONDITION.items():
        await node.post(**{kind: "True"})
        await stage.until(partial(_has, stage, "pressed", key), within=soon)
    await stage.hold(timing.no_execute_taint().latest)
    await node.post(**dict.fromkeys(BY_CONDITION, "False"))
    gone = timing.no_schedule_taint_gone().latest
    await stage.until(lambda: not any(_has(stage, "pressed", key) for key in BY_CONDITION.values()), within=gone)
    await stage.patch(NODE, "pressed", {"spec": {"unschedulable": True}})
    await stage.until(lambda: _has(stage, "pressed", UNSCHEDULABLE), within=soon)
    await stage.patch(NODE, "pressed", {"spec": {"unschedulable": False}})
    await stage.until(lambda: not _has(stage, "pressed", UNSCHEDULABLE), within=gone)


async def _strain(stage: Stage, node: SimulatedNode) -> None:
    timing = stage.timing
    await stage.hold(2 * timing.beat_interval)
    await node.fall_silent()
    within = timing.unknown_after_silence().latest + timing.slack
    if await stage.until(lambda: ready(stage, "strained") == "Unknown", within=within):
        await stage.hold(_lasting(timing))


async def _meddle(stage: Stage, node: SimulatedNode) -> None:
    """Taints that the node's state does not call for."""
    timing = stage.timing
    await change(stage, node.role, "meddling", add=(*UNCALLED_FOR, PREFERRED, FOREIGN))
    await stage.hold(max(timing.uncalled_taint_removed(effect).latest for effect in (NO_SCHEDULE, NO_EXECUTE)))


async def _strip(stage: Stage, node: SimulatedNode) -> None:
    """Taints that the node's state calls for are taken off."""
    timing = stage.timing
    await node.post(Ready="False")
    await _both(stage, node.role)
    await stage.hold(_lasting(timing))
    await change(stage, node.role, "stripping", remove=[NOT_READY])
    await _both(stage, node.role)


async def _both(stage: Stage, role: str) -> None:
    def tainted() -> bool:
        node = stage.current(NODE, role)
        return all(taints.has(node, NOT_READY, effect) for effect in (NO_SCHEDULE, NO_EXECUTE))

    await stage.until(tainted, within=stage.timing.no_execute_taint(2).latest)


def _has(stage: Stage, role: str, key: str) -> bool:
    return taints.has(stage.current(NODE, role), key, NO_SCHEDULE)


def _lasting(timing: Timing) -> float:
    """How long a state must last to see that nothing is written anew: three passes, and whole seconds."""
    return 3 * timing.node_monitor_period + timing.slack
