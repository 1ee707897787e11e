"""How long and how often a request is tried again while the network or the server has a passing trouble."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

_FIRST = 0.1
_STEP = 2
_LONGEST = 2.0
_LONGEST_ASKED_FOR = 5.0
"""Seconds that a server may ask for with Retry-After."""
_ATTEMPTS = 5


class Patience:
    """The pauses between the attempts of one request.

    Args:
        seconds: for how long to go on at least; never fewer than five attempts.
    """

    def __init__(self, seconds: float = 0) -> None:
        self._until = asyncio.get_running_loop().time() + seconds
        self._attempts = 0
        self._pause = _FIRST

    async def lasts(self, headers: Mapping[str, str] | None = None) -> bool:
        """Waits before the next attempt; false, at once, when it was the last.

        Args:
            headers: of the answer, which may say how long to wait.
        """
        self._attempts += 1
        if self._attempts >= _ATTEMPTS and asyncio.get_running_loop().time() >= self._until:
            return False
        asked_for = min(_seconds((headers or {}).get("retry-after")), _LONGEST_ASKED_FOR)
        await asyncio.sleep(max(self._pause, asked_for))
        self._pause = min(self._pause * _STEP, _LONGEST)
        return True


def _seconds(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0
