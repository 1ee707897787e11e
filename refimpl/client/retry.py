"""Repeating a read-modify-write that lost against somebody else's write.

Source: client-go 1.36 `util/retry`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from refimpl.api.errors import ApiError
from refimpl.clock import Clock

T = TypeVar("T")


async def retry_on_conflict(
    attempt: Callable[[], Awaitable[T]], clock: Clock, *, steps: int = 5, delay: float = 0.1, jitter: float = 1.0
) -> T:
    """Repeats an attempt for as long as it ends in a 409 Conflict.

    Args:
        attempt: reads, changes and writes an object.
        clock: for waiting.
        steps: attempts at most.
        delay: seconds between attempts.
        jitter: fraction of the delay that is added at random.

    Raises:
        ApiError: any other failure, or the last conflict.
    """
    for _ in range(steps - 1):
        try:
            return await attempt()
        except ApiError as error:
            if error.reason != "Conflict":
                raise
        await clock.sleep(clock.jitter(delay, jitter))
    return await attempt()
