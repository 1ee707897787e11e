"""One timer for each pod that has been given notice.

Source: kube-controller-manager 1.36 `tainteviction/timed_workers`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from refimpl.client.informer import Key


class EvictionTimers:
    """Timers by pod; a pod whose time has come keeps its place, so that it is not evicted twice.

    Args:
        fire: called when a pod's time has come.
    """

    def __init__(self, fire: Callable[[Key], None]) -> None:
        self._fire = fire
        self._timers: dict[Key, asyncio.TimerHandle | None] = {}

    def __len__(self) -> int:
        return sum(1 for timer in self._timers.values() if timer is not None)

    def is_running(self, pod: Key) -> bool:
        """Whether the pod's time runs."""
        return self._timers.get(pod) is not None

    def start(self, pod: Key, seconds: float) -> None:
        """Starts a pod's time, unless it runs already or is over."""
        if pod in self._timers:
            return
        if seconds <= 0:
            self._expired(pod)
        else:
            self._timers[pod] = asyncio.get_running_loop().call_later(seconds, self._expired, pod)

    def cancel(self, pod: Key) -> bool:
        """Forgets a pod; True when its time was still running."""
        timer = self._timers.pop(pod, None)
        if timer is None:
            return False
        timer.cancel()
        return True

    def cancel_all(self) -> None:
        """Forgets all pods."""
        for pod in list(self._timers):
            self.cancel(pod)

    def _expired(self, pod: Key) -> None:
        self._timers[pod] = None
        self._fire(pod)
