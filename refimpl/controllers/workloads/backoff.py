"""Back-off for what fails again and again on one spot.

Source: client-go 1.36 `flowcontrol.Backoff`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs


@attrs.define
class _Failure:
    delay: float
    last: datetime


class Backoff:
    """Doubling delays per key.

    Args:
        first: seconds after the first failure.
        longest: the most seconds; a key that was quiet for twice as long starts anew.
    """

    def __init__(self, first: float = 1.0, longest: float = 900.0) -> None:
        self._first = first
        self._longest = longest
        self._failures: dict[str, _Failure] = {}

    def remaining(self, key: str, now: datetime) -> float:
        """Seconds until the key may be tried again; 0 when it may be now."""
        failure = self._failures.get(key)
        if failure is None:
            return 0.0
        return max(0.0, failure.delay - (now - failure.last).total_seconds())

    def failed(self, key: str, now: datetime) -> None:
        """Notes one more failure of a key."""
        failure = self._failures.get(key)
        if failure is None or now - failure.last > timedelta(seconds=2 * self._longest):
            self._failures[key] = _Failure(self._first, now)
        else:
            self._failures[key] = _Failure(min(failure.delay * 2, self._longest), now)

    def forget(self, prefix: str) -> None:
        """Drops all keys that begin so."""
        self._failures = {key: failure for key, failure in self._failures.items() if not key.startswith(prefix)}
