"""Many nodes of a zone fall silent: how fast they are tainted, and when that stops."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from conformance.drive.node import SimulatedNode
from conformance.drive.stage import Stage
from conformance.drive.waits import ready
from conformance.judge import taints
from conformance.judge.taints import NO_EXECUTE, UNREACHABLE
from conformance.kinds import NODE
from conformance.scenario import scenario
from conformance.timing import Timing

REGION_LABEL = "failure-domain.beta.kubernetes.io/region"
EXCLUDED = {"node.kubernetes.io/exclude-disruption": "true"}

RATE = ("rate-1", "rate-2")
"""Two of three nodes of a zone: it counts as healthy."""
WHOLE = ("whole-1", "whole-2", "whole-3")
"""All nodes of a zone."""
EXEMPT = ("exempt-1", "exempt-2", "exempt-3")
"""Three of four nodes of a zone; the first two do not count."""
HALF = ("half-1", "half-2", "half-3")
"""Three of six nodes of a zone: many, but not most of it."""
EARLY = "early"
LATE = ("late-1", "late-2")
"""Three of four nodes of a zone, the first well before the others."""
PART = 4
"""The size of that zone."""
UNBORN = ("unborn-1", "unborn-2")
"""Two of five nodes of a zone; two others never had a Ready condition: so the first silence is one too many."""
REGIONS = {"north": ("north-1", "north-2"), "south": ("south-1", "south-2")}
"""Nodes whose zones have the same name, by the regions they are in."""
BORDER = (*REGIONS["north"], *REGIONS["south"])
"""All of them."""
SILENT = (*RATE, *WHOLE, *EXEMPT, *HALF, EARLY, *LATE, *UNBORN, *BORDER)


def _longest(timing: Timing) -> float:
    flipped = timing.unknown_after_silence().latest + timing.slack
    waits = 1 / timing.node_eviction_rate + timing.no_execute_taint(2).latest
    held = held_back(timing) + timing.no_execute_taint_resumed(len(LATE)).latest
    return 2 * timing.beat_interval + 2 * flipped + waits + held + timing.taints_removed().latest


def held_back(timing: Timing) -> float:
    """Seconds for which a zone that is mostly down is watched: a healthy one would have given the next taint."""
    slow = timing.rate_when_mostly_down(PART)
    return timing.no_execute_taint_in_turn(2).latest + timing.slack + (2 / slow if slow else 0)


@scenario(watches=(NODE,), longest=_longest)
async def zones(stage: Stage) -> None:
    """Zones lose two nodes of three, three of six, all of three, three of four; one of the last gets one back.

    At the same moment fall silent: two nodes of zone `rate`, which keeps one; all three of zone `whole`; three of zone
    `exempt`, of which two are excluded from the counts; three of six of zone `half`; two of zone `unborn`, of which
    two more never had a Ready condition, and which keeps one; the only nodes of zone `border` in two regions; and one
    of zone `part`. Once that one has its taint two more of its zone fall silent, and after a while it comes back. Each
    zone but `whole` and `border` has a keeper.
    """
    await stage.node("keeper-r", zone="rate")
    rate = await stage.nodes(*RATE, zone="rate")
    whole = await stage.nodes(*WHOLE, zone="whole")
    await stage.node("keeper-e", zone="exempt")
    exempt = [
        *await stage.nodes(*EXEMPT[:2], zone="exempt", labels=EXCLUDED),
        await stage.node(EXEMPT[2], zone="exempt"),
    ]
    await stage.nodes("keeper-h1", "keeper-h2", "keeper-h3", zone="half")
    half = await stage.nodes(*HALF, zone="half")
    await stage.node("keeper-u", zone="unborn")
    await stage.nodes("blank-1", "blank-2", zone="unborn", ready=None, beats=("lease",))
    unborn = await stage.nodes(*UNBORN, zone="unborn")
    border = [
        node
        for region, roles in REGIONS.items()
        for node in await stage.nodes(*roles, zone="border", labels={REGION_LABEL: region})
    ]
    await stage.node("keeper-p", zone="part")
    early, *late = await stage.nodes(EARLY, *LATE, zone="part")
    await stage.hold(2 * stage.timing.beat_interval)
    await silence((*rate, *whole, *exempt, *half, *unborn, *border, early))
    await asyncio.gather(
        _until_tainted(stage, *RATE),
        _until_tainted(stage, *WHOLE),
        _until_tainted(stage, *EXEMPT),
        _until_tainted(stage, *HALF),
        *(_until_tainted(stage, *roles) for roles in REGIONS.values()),
        _part(stage, early, late),
    )


async def silence(nodes: Sequence[SimulatedNode]) -> None:
    """They fall silent together."""
    await asyncio.gather(*(node.fall_silent() for node in nodes))


async def _part(stage: Stage, early: SimulatedNode, late: Sequence[SimulatedNode]) -> None:
    """A zone loses most of its nodes, the first of which was tainted before; then that one comes back."""
    timing = stage.timing
    await _until_tainted(stage, EARLY)
    await silence(late)
    await _until_unknown(stage, *LATE)
    stage.mark("part is mostly down")
    await stage.hold(held_back(timing))
    await early.recover()
    await stage.until(lambda: not _tainted(stage, EARLY), within=timing.taints_removed().latest)
    resumed = timing.no_execute_taint_resumed(len(LATE)).latest
    await stage.until(lambda: all(_tainted(stage, role) for role in LATE), within=resumed)


async def _until_unknown(stage: Stage, *roles: str) -> None:
    within = stage.timing.unknown_after_silence().latest + stage.timing.slack
    await stage.until(lambda: all(ready(stage, role) == "Unknown" for role in roles), within=within)


async def _until_tainted(stage: Stage, *roles: str) -> None:
    """Waits until nodes of a zone are Unknown and have their NoExecute taints."""
    await _until_unknown(stage, *roles)
    within = stage.timing.no_execute_taint(len(roles)).latest + stage.timing.slack
    await stage.until(lambda: all(_tainted(stage, role) for role in roles), within=within)


def _tainted(stage: Stage, role: str) -> bool:
    return taints.has(stage.current(NODE, role), UNREACHABLE, NO_EXECUTE)
