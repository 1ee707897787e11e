"""The self-check: everything a node asks itself before it says how it is.

Disk, memory and process ids through the eviction thresholds; runtime and network by asking the runtime.

Source: kubelet 1.36 `runtime.go` (`runtimeState`), `updateRuntimeUp`, `eviction_manager`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from refimpl.clock import Clock
from refimpl.kubelet import eviction
from refimpl.kubelet.eviction import EvictionState, Observations
from refimpl.kubelet.machine.stats import StatsProvider
from refimpl.kubelet.node.capacity import Device
from refimpl.kubelet.node.nodestatus import Identity, SelfView
from refimpl.kubelet.runtime.base import Runtime, RuntimeUnavailable

RUNTIME_LIMIT: Final = 30.0
"""Seconds without an answer after which the runtime counts as down."""

PLEG_LIMIT: Final = 180.0
"""Seconds without a look at all containers after which they count as unwatched."""

SHUTTING_DOWN: Final = "node is shutting down"
NOT_CHECKED: Final = "container runtime status check may not have completed yet"


_NO_DEVICES: Final[Mapping[str, Device]] = {}
_NOTHING: Final[frozenset[str]] = frozenset()
_NO_PRESSURE: Final = EvictionState()


def runtime_errors(checked: float | None, now: float, error: str) -> list[str]:
    """What is wrong with the runtime.

    Args:
        checked: when it last said that it is well, in monotonic seconds; None before the first time.
        now: monotonic seconds.
        error: what it says about itself; empty when it is well.
    """
    if checked is None:
        return [NOT_CHECKED] if not error else [error]
    silent = now - checked
    found = ["container runtime is down"] if silent > RUNTIME_LIMIT else []
    if silent > PLEG_LIMIT:
        found.append(f"PLEG is not healthy: pleg was last seen active {go_duration(silent)} ago; threshold is 3m0s")
    return found or ([error] if error else [])


def go_duration(seconds: float) -> str:
    """Seconds as Go prints a duration: `3m5.25s`."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    shown = f"{rest:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{hours}h{minutes}m{shown}" if hours else f"{minutes}m{shown}" if minutes else shown


class SelfCheck:
    """What the node knows about itself.

    Args:
        identity: who this kubelet is.
        clock: time.
        runtime: its container runtime.
        stats: how much of the machine is in use.
        devices: what device plugins manage; may change.
    """

    def __init__(
        self, identity: Identity, clock: Clock, runtime: Runtime, stats: StatsProvider, devices: dict[str, Device]
    ) -> None:
        self._identity = identity
        self._clock = clock
        self._runtime = runtime
        self._stats = stats
        self._checked: float | None = None
        self._runtime_error = ""
        self._network_error = ""
        self.eviction = _NO_PRESSURE
        self.observations: Observations = {}
        self.devices = devices
        config = identity.config
        self.withheld = set(config.local_control_withhold) if config.local_control else set[str]()
        self.port = config.port
        self.shutting_down = False

    def sample(self) -> None:
        """Looks at disk, memory and process ids, and updates the pressures in force."""
        before, self.observations = self.observations, self._stats.node()
        if self.observations is before and self.eviction == _NO_PRESSURE:
            return
        self.eviction = eviction.observe(
            self.eviction,
            self._identity.thresholds,
            self.observations,
            self._clock.monotonic(),
            transition_period=self._identity.config.eviction_pressure_transition_period,
        )

    async def check_runtime(self) -> None:
        """Asks the runtime how it is."""
        try:
            status = await self._runtime.status()
        except RuntimeUnavailable:
            return
        self._runtime_error = f"container runtime not ready: {status.error}" if status.error else ""
        words = self._identity.config.rules.runtime_network_words
        self._network_error = f"{words}{status.network_error}" if status.network_error else ""
        if not status.error:
            self._checked = self._clock.monotonic()

    def runtime_errors(self) -> list[str]:
        """Why no pod can be worked on; empty when the runtime is well."""
        return runtime_errors(self._checked, self._clock.monotonic(), self._runtime_error)

    def network_errors(self) -> list[str]:
        """Why pods have no network; empty when they have."""
        return [self._network_error] if self._network_error else []

    def view(self) -> SelfView:
        """Everything that goes into the Node's status."""
        return SelfView(
            pressures=self.eviction.conditions,
            errors=(*self.runtime_errors(), *self.network_errors(), *([SHUTTING_DOWN] if self.shutting_down else ())),
            devices=dict(self.devices) if self.devices else _NO_DEVICES,
            runtime_version=f"{self._runtime.name}://{self._runtime.version}",
            images=tuple(self._runtime.images()),
            withheld=frozenset(self.withheld) if self.withheld else _NOTHING,
            port=self.port,
        )
