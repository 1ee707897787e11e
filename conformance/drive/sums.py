"""Sums to be found out by trial: pods that a node must take or refuse, one after the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from conformance.drive import placing
from conformance.judge.sums import Sum
from conformance.naming import DOMAIN

if TYPE_CHECKING:
    from conformance.drive.stage import Stage


def device(name: str) -> str:
    """An extended resource that no other node has."""
    return f"{DOMAIN}/{name}"


def devices(name: str, count: int) -> dict[str, str]:
    """So many pieces of it."""
    return {device(name): str(count)}


async def tried(stage: Stage, *sums: Sum) -> None:
    """Tries sums side by side; each pod is created when the one before it has its answer."""
    await asyncio.gather(*(_tried(stage, each) for each in sums))


async def _tried(stage: Stage, each: Sum) -> None:
    for ask in each.asks:
        await placing.offer(stage, ask.role, each.node, ask.resources, **ask.spec)
        await (placing.placed if ask.fits else placing.answered)(stage, ask.role)
