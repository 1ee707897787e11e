"""No node anywhere is ready: then the master holds its own side to be at fault, and stops."""

from __future__ import annotations

import asyncio

from conformance.drive.manifests import tolerate
from conformance.drive.stage import Stage
from conformance.drive.taints import change, own
from conformance.drive.waits import ready, running, schedulable
from conformance.judge import taints
from conformance.judge.conditions import status
from conformance.judge.pods import terminating
from conformance.judge.taints import NO_EXECUTE, NOT_READY, UNREACHABLE
from conformance.kinds import NODE, POD
from conformance.scenario import scenario
from conformance.timing import Timing

FALLING = ("second", "third", "echo")


def _longest(timing: Timing) -> float:
    before = 2 * timing.beat_interval + timing.no_execute_taint().latest + timing.unknown_after_silence().latest
    during = timing.taints_removed().latest + _dark(timing) + timing.eviction(0).latest
    renewed = _left(timing) + timing.unknown_after_renewal().latest
    return before + during + max(renewed, timing.no_execute_taint_resumed(2).latest) + 4 * timing.slack


def _dark(timing: Timing) -> float:
    """Seconds in which a master that did not stop would have gone on."""
    return 3 * timing.node_monitor_period + timing.slack


def _left(timing: Timing) -> float:
    """Seconds after a return in which the master has surely noticed it."""
    return timing.node_monitor_period + timing.slack


@scenario(watches=(NODE, POD), longest=_longest, alone=True)
async def blackout(stage: Stage) -> None:
    """All nodes that there are fall silent; later one comes back.

    `first` says itself that its readiness is Unknown, and is tainted for it, before `second` of its zone, `third` and
    `echo` of zones of their own fall silent. While no node is ready, `third` gets a taint of somebody else's, which
    its pod `tenant` does not tolerate. Then `third` returns, and a little later `echo` posts its last Ready=True once
    more.
    """
    timing = stage.timing
    # What is done to all nodes and zones is seen best on those that are neither the first nor the last.
    third = await stage.node("third", zone="a")
    second = await stage.node("second", zone="b")
    first = await stage.node("first", zone="b", ready="Unknown")
    echo = await stage.node("echo", zone="c")
    await schedulable(stage, "third")
    third.pods.run()
    for_ever = [tolerate(UNREACHABLE, None), tolerate(NOT_READY, None)]
    await stage.pod("tenant", node_name=third.name, tolerations=for_ever)
    await running(stage, ["tenant"])
    await stage.until(lambda: _tainted(stage, "first"), within=timing.no_execute_taint().latest)
    await stage.hold(2 * timing.beat_interval)
    await asyncio.gather(*(node.fall_silent() for node in (first, second, third, echo)))
    flipped = timing.unknown_after_silence().latest + timing.slack
    if not await stage.until(lambda: all(ready(stage, role) == "Unknown" for role in FALLING), within=flipped):
        return
    await _darkness(stage)
    await third.recover()
    await stage.hold(_left(timing))
    await echo.repost()
    stage.mark("echo posted again")
    await asyncio.gather(
        stage.until(lambda: all(_tainted(stage, role) for role in ("first", "second")), within=_resumed(timing)),
        _echo_unknown(stage),
    )


async def _darkness(stage: Stage) -> None:
    """Long enough to see what the master still does, and what it does no more."""
    timing = stage.timing
    roles = ("first", *FALLING)
    await stage.until(lambda: not any(_tainted(stage, role) for role in roles), within=timing.taints_removed().latest)
    await stage.until(
        lambda: status(stage.current(POD, "tenant"), "Ready") == "False", within=timing.pods_marked_not_ready().latest
    )
    await stage.hold(_dark(timing))
    await change(stage, "third", "somebody's taint", add=[own("out")])
    await stage.until(lambda: terminating(stage.current(POD, "tenant")), within=timing.eviction(0).latest)


async def _echo_unknown(stage: Stage) -> None:
    await stage.until(lambda: ready(stage, "echo") == "True", within=stage.timing.slack)
    within = stage.timing.unknown_after_renewal().latest
    await stage.until(lambda: ready(stage, "echo") == "Unknown", within=within)


def _resumed(timing: Timing) -> float:
    return timing.no_execute_taint_resumed(2).latest


def _tainted(stage: Stage, role: str) -> bool:
    return taints.has(stage.current(NODE, role), UNREACHABLE, NO_EXECUTE)
