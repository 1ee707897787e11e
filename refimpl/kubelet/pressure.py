"""The loop around the eviction manager's decisions: looks every ten seconds, and ends one pod a round.

Source: kubelet 1.36 `eviction_manager.Start`, `waitForPodsCleanup`.
"""

from __future__ import annotations

from typing import Final

from refimpl.api.errors import Object
from refimpl.clock import Clock
from refimpl.kubelet import eviction, podspec
from refimpl.kubelet.config import KubeletConfig
from refimpl.kubelet.machine.stats import PodUsage, Signal
from refimpl.kubelet.node.selfcheck import SelfCheck
from refimpl.kubelet.pods.podmanager import PodManager
from refimpl.kubelet.runtime.base import Runtime

ON_DISK: Final[frozenset[Signal]] = frozenset(
    {"nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree"}
)
"""Signals that the files of dead pods weigh on."""

CLEANUP_TIMEOUT: Final = 30.0
"""Seconds for which an evicted pod is waited for before the next one must go."""


class PressureRelief:
    """Ends pods while the node lacks something.

    Args:
        clock: time.
        config: grace of soft evictions, and the era.
        check: the self-check, which samples.
        manager: knows and ends pods.
        runtime: knows what they use.
    """

    def __init__(
        self, clock: Clock, config: KubeletConfig, check: SelfCheck, manager: PodManager, runtime: Runtime
    ) -> None:
        self._clock = clock
        self._config = config
        self._check = check
        self._manager = manager
        self._runtime = runtime
        self._evicted: str = ""
        self._evicted_at = 0.0

    def round(self) -> None:
        """One look at the machine; evicts a pod if a threshold asks for it and the last one is gone."""
        self._check.sample()
        now = self._clock.monotonic()
        due = eviction.threshold_to_reclaim(self._check.eviction, now)
        if due is None or self._still_waiting(now) or self._reclaims(due.signal):
            return
        pod = eviction.choose(due.signal, self._manager.unstopped(), self._usage)
        if pod is None:
            return
        rules = self._config.rules
        message = eviction.message(due, self._check.observations, pod, self._usage(pod), rules)
        grace = eviction.grace_period(due, self._config.eviction_max_pod_grace_period, rules)
        self._evicted, self._evicted_at = podspec.uid_of(pod), now
        self._manager.end(self._evicted, eviction.REASON, message, grace=grace)

    def _reclaims(self, signal: Signal) -> bool:
        """Whether there is room to be had without ending a pod: what is left of dead ones goes first."""
        return signal in ON_DISK and self._manager.reclaim()

    def _still_waiting(self, now: float) -> bool:
        """Whether something of the pod that was evicted last is still there, and it has not had its time."""
        return self._manager.holds(self._evicted) and now - self._evicted_at < CLEANUP_TIMEOUT

    def _usage(self, pod: Object) -> PodUsage | None:
        return self._runtime.usage(podspec.uid_of(pod))
