"""Two nodes are lost for longer than any pod tolerates it by itself, one in silence, one by its own word."""

from __future__ import annotations

import asyncio

from conformance.drive.manifests import tolerate
from conformance.drive.stage import Stage
from conformance.drive.waits import ready, running, schedulable
from conformance.judge import taints
from conformance.judge.pods import terminating, toleration_seconds
from conformance.judge.taints import NO_EXECUTE, NOT_READY, UNREACHABLE
from conformance.kinds import NODE, POD
from conformance.scenario import scenario
from conformance.timing import Timing

LOST = {"silent": UNREACHABLE, "unready": NOT_READY}
"""The lost nodes, each with the taint it gets."""


def _longest(timing: Timing) -> float:
    taint = timing.unknown_after_silence().latest + timing.no_execute_taint().latest
    own = max(timing.default_not_ready_toleration_seconds, timing.default_unreachable_toleration_seconds)
    return 3 * timing.scheduler_backoff + taint + max(own, timing.abandoned()) + 10 * timing.node_monitor_period


@scenario(watches=(NODE, POD), longest=_longest)
async def long_silence(stage: Stage) -> None:
    """A node falls silent, another one says that it is not ready, until all pods without a patience of their own go.

    Roles: in zones of their own, each with a keeper, `silent` and `unready`. On each, with its name before: `-plain`
    says nothing of tolerations, `-knows-unreachable` tolerates unreachable for ever and not-ready for a step,
    `-knows-not-ready` the other way round. On `silent` also `lost`, evicted after a step, with the grace period that
    pods have by default.
    """
    keeper_b = stage.node("keeper-b", zone="b")
    silent, unready, *_ = await asyncio.gather(
        stage.node("silent"), stage.node("unready", zone="b"), stage.node("keeper"), keeper_b
    )
    await schedulable(stage, *LOST, "keeper", "keeper-b")
    silent.pods.run()
    unready.pods.run(finish=False)
    await running(stage, await _pods(stage))
    await stage.hold(stage.timing.beat_interval)
    await silent.fall_silent()
    await unready.post(Ready="False")
    taint = stage.timing.unknown_after_silence().latest + stage.timing.no_execute_taint().latest
    await stage.until(lambda: all(_tainted(stage, role) for role in LOST), within=taint + stage.timing.slack)
    began = stage.clock.monotonic()
    limits = [toleration_seconds(stage.current(POD, f"{role}-plain"), LOST[role]) or 0 for role in LOST]
    longest = stage.timing.eviction(max(limits)).latest + stage.timing.slack
    await stage.until(lambda: all(_evicted(stage, f"{role}-plain") for role in LOST), within=longest)
    evicted = stage.timing.eviction(stage.timing.step).latest
    await stage.hold(evicted + stage.timing.abandoned() - (stage.clock.monotonic() - began))
    await silent.recover()
    await stage.hold(3 * stage.timing.node_monitor_period + stage.timing.slack)
    stage.mark("silent looks after its pods")
    silent.pods.run()
    await stage.until(lambda: stage.current(POD, "lost") is None, within=stage.timing.slack)


async def _pods(stage: Stage) -> tuple[str, ...]:
    step = stage.timing.step
    own = {
        "plain": [],
        "knows-unreachable": [tolerate(UNREACHABLE, None), tolerate(NOT_READY, step)],
        "knows-not-ready": [tolerate(NOT_READY, None), tolerate(UNREACHABLE, step)],
    }
    await asyncio.gather(
        *(
            stage.pod(f"{place}-{name}", node_name=stage.naming.name(place), tolerations=tolerations)
            for place in LOST
            for name, tolerations in own.items()
        ),
        stage.pod(
            "lost",
            node_name=stage.naming.name("silent"),
            tolerations=[tolerate(UNREACHABLE, step)],
            terminationGracePeriodSeconds=None,
        ),
    )
    return (*(f"{place}-{name}" for place in LOST for name in own), "lost")


def _tainted(stage: Stage, role: str) -> bool:
    status = "Unknown" if role == "silent" else "False"
    return ready(stage, role) == status and taints.has(stage.current(NODE, role), LOST[role], NO_EXECUTE)


def _evicted(stage: Stage, role: str) -> bool:
    state = stage.current(POD, role)
    return state is None or terminating(state)
