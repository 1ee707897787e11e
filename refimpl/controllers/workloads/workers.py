"""Workers: several keys of one queue are worked on at a time, never one key twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar

from refimpl.client.workqueue import WorkQueue, work

K = TypeVar("K", bound=Hashable)


async def run_workers(queue: WorkQueue[K], sync: Callable[[K], Awaitable[None]], name: str, count: int) -> None:
    """Runs `count` workers until cancelled."""
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(work(queue, sync, name=name), name=f"{name} {number}")
