"""Graceful node shutdown: pods are ended before the machine is, critical ones last.

What tells that the machine goes down (systemd's inhibitor on a real kubelet) is outside; here it is a call.

Source: kubelet 1.36 `nodeshutdown_manager_linux.go`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from refimpl.api.errors import Object
from refimpl.clock import Clock
from refimpl.kubelet import podspec, resources
from refimpl.kubelet.era import Era
from refimpl.kubelet.pods.admission import Rejection
from refimpl.kubelet.pods.podmanager import PodManager

_LOOK_AGAIN: Final = 1.0
REJECTED: Final = Rejection("NodeShutdown", "Pod was rejected as the node is shutting down.")


def grace_of(pod: Object, period: float) -> float:
    """Seconds a pod gets to stop within its part of the shutdown."""
    return min(float(podspec.spec_grace(pod)), period)


def phases(pods: Iterable[Object], total: float, critical: float) -> list[tuple[list[Object], float]]:
    """Which pods stop together, and the seconds that each group has: all others first, then the critical ones.

    Args:
        pods: pods of the node.
        total: `--shutdown-grace-period`.
        critical: the part of it that is kept for critical pods.
    """
    listed = list(pods)
    last = [pod for pod in listed if resources.is_critical(pod)]
    first = [pod for pod in listed if not resources.is_critical(pod)]
    return [(first, total - critical), (last, critical)]


class Shutdown:
    """One node's way down.

    Args:
        clock: time.
        manager: ends pods.
        era: rules of the kubelet's generation.
        total: seconds until the machine goes down.
        critical: the part of them that is kept for critical pods.
    """

    def __init__(self, clock: Clock, manager: PodManager, era: Era, total: float, critical: float) -> None:
        self._clock = clock
        self._manager = manager
        self._era = era
        self._total = total
        self._critical = critical

    async def run(self) -> None:
        """Ends the pods of the node, group by group; returns when all have ended or the time is up."""
        for pods, period in phases(self._manager.active(), self._total, self._critical):
            for pod in pods:
                self._manager.end(
                    podspec.uid_of(pod),
                    self._era.shutdown_reason,
                    self._era.shutdown_message,
                    grace=grace_of(pod, period),
                )
            await self._ended({podspec.uid_of(pod) for pod in pods}, period)

    async def _ended(self, uids: set[str], period: float) -> None:
        """Waits until pods have ended, or their period has."""
        end = self._clock.monotonic() + period
        while (left := end - self._clock.monotonic()) > 0:
            if not self._era.waits_out_shutdown and not any(
                podspec.uid_of(pod) in uids for pod in self._manager.active()
            ):
                return
            await self._clock.sleep(min(left, _LOOK_AGAIN))
