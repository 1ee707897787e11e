"""Doing the same to many objects, a few at a time.

Source: client-go 1.36 `workqueue.ParallelizeUntil`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def in_parallel(items: Iterable[T], act: Callable[[T], Awaitable[None]], *, workers: int = 8) -> None:
    """Works on all items, at most `workers` of them at the same time; the first failure ends all.

    Raises:
        ExceptionGroup: what `act` raised.
    """
    waiting = list(items)
    remaining = iter(waiting)

    async def worker() -> None:
        for item in remaining:
            await act(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(workers, len(waiting))):
            group.create_task(worker())
