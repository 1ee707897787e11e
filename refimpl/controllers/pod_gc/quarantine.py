"""Missing nodes wait before they are believed to be gone: the cache may only be late.

Source: kube-controller-manager 1.36 `podgc` (its delaying queue of node names).
"""

from __future__ import annotations


class Quarantine:
    """Names that wait, and names that have waited long enough.

    As in Kubernetes, a name that is still missing when its wait ends starts another wait at once. A pod that is bound
    to the same missing node soon after the first ones were removed is therefore removed earlier than they were.

    Args:
        seconds: length of the wait.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: dict[str, float] = {}
        self._over: dict[str, None] = {}

    def put(self, name: str, now: float) -> None:
        """Makes a name wait; one that waits already keeps its time."""
        self._end_waits(now)
        self._ends.setdefault(name, now + self._seconds)

    def release(self, now: float) -> list[str]:
        """Takes out the names that have waited long enough."""
        self._end_waits(now)
        over = list(self._over)
        self._over.clear()
        return over

    def _end_waits(self, now: float) -> None:
        for name in [name for name, end in self._ends.items() if end <= now]:
            del self._ends[name]
            self._over[name] = None
