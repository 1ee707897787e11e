"""Nodes that fall silent with something out of the ordinary in their conditions, and one that comes back wrongly."""

from __future__ import annotations

import asyncio

from conformance.drive.node import SimulatedNode
from conformance.drive.stage import Stage
from conformance.drive.waits import ready
from conformance.judge import taints
from conformance.judge.taints import NO_EXECUTE, NO_SCHEDULE, NOT_READY, UNREACHABLE
from conformance.kinds import EVENT, NODE
from conformance.scenario import scenario
from conformance.timing import Timing


def _longest(timing: Timing) -> float:
    flipped = timing.unknown_after_silence().latest
    swaps = 3 * timing.no_execute_taint(2).latest
    return 2 * timing.beat_interval + 2 * timing.node_monitor_period + flipped + swaps + _freed(timing)


def _freed(timing: Timing) -> float:
    """Seconds after which a node that is ready again has lost all its taints."""
    return max(timing.taints_removed().latest, timing.no_schedule_taint_gone().latest)


@scenario(watches=(NODE, EVENT), longest=_longest)
async def transitions(stage: Stage) -> None:
    """Nodes post False or Unknown themselves, or little at all, and fall silent; one repeats an old post.

    `refuser` posts Ready=False, falls silent, comes back with Ready=False and only then with True; `rival`, of the same
    zone, falls silent just before it and takes what the zone's rate allows. `doubter` posts Ready=Unknown itself and
    `sparse` nothing but Ready and MemoryPressure=Unknown; both fall silent. `echo` posts its last Ready=True once more,
    long after. `lost` falls silent for good. The keepers beat.
    """
    _, rival = await stage.nodes("keeper-a", "rival")
    await stage.node("keeper-b", zone="b")
    await stage.node("keeper-c", zone="c")
    refuser = await stage.node("refuser")
    doubter = await stage.node("doubter", zone="b", ready="Unknown")
    sparse = await stage.node("sparse", zone="b", bare=True, conditions={"MemoryPressure": "Unknown"})
    echo, lost = await stage.nodes("echo", "lost", zone="c")
    await stage.hold(2 * stage.timing.beat_interval)
    await asyncio.gather(_refuse(stage, refuser, rival), _lose(stage, doubter, sparse, lost), _echo(stage, echo))
    await stage.hold(stage.timing.node_event().latest)


async def _refuse(stage: Stage, node: SimulatedNode, rival: SimulatedNode) -> None:
    timing = stage.timing
    await node.post(Ready="False")
    await _tainted(stage, "refuser", NOT_READY)
    await rival.fall_silent()
    await stage.hold(1.5 * timing.node_monitor_period)
    await node.fall_silent()
    if not await _unknown(stage, "refuser"):
        return
    await _tainted(stage, "refuser", UNREACHABLE)
    await node.recover()
    await _tainted(stage, "refuser", NOT_READY)
    await node.post(Ready="True")
    await stage.until(
        lambda: (
            not any(taints.has(stage.current(NODE, "refuser"), NOT_READY, each) for each in (NO_SCHEDULE, NO_EXECUTE))
        ),
        within=_freed(timing),
    )


async def _lose(stage: Stage, *nodes: SimulatedNode) -> None:
    """They fall silent together, and stay so."""
    for node in nodes:
        await node.fall_silent()
    await asyncio.gather(*(_unknown(stage, node.role) for node in nodes if node.role != "doubter"))
    await stage.hold(2 * stage.timing.node_monitor_period)


async def _echo(stage: Stage, node: SimulatedNode) -> None:
    await node.fall_silent()
    if not await _unknown(stage, "echo"):
        return
    await _tainted(stage, "echo", UNREACHABLE)
    await node.repost()
    await stage.until(lambda: ready(stage, "echo") == "True", within=stage.timing.slack)
    await stage.until(lambda: ready(stage, "echo") == "Unknown", within=stage.timing.unknown_again().latest)


async def _unknown(stage: Stage, role: str) -> bool:
    within = stage.timing.unknown_after_silence().latest + stage.timing.slack
    return await stage.until(lambda: ready(stage, role) == "Unknown", within=within)


async def _tainted(stage: Stage, role: str, key: str) -> None:
    """Waits for both taints of that key, and for those of its opposite to go."""
    opposite = UNREACHABLE if key == NOT_READY else NOT_READY

    def swapped() -> bool:
        node = stage.current(NODE, role)
        effects = (NO_SCHEDULE, NO_EXECUTE)
        return all(taints.has(node, key, each) and not taints.has(node, opposite, each) for each in effects)

    await stage.until(swapped, within=stage.timing.no_execute_taint(2).latest)
