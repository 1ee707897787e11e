"""Local control: what tests turn on a node. Off unless the configuration asks for it.

The same operations are offered by the kubelet's server under `/control`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from refimpl.kubelet.machine.stats import PodUsage, SettableStats, Signal
from refimpl.kubelet.node.capacity import Device
from refimpl.kubelet.node.selfcheck import SelfCheck
from refimpl.kubelet.runtime.base import Container, RuntimeStatus
from refimpl.kubelet.runtime.controlled import RuntimeLevers


class NotControllable(Exception):
    """The operation needs a runtime or statistics with levers, and this node has the real ones."""


class Control:
    """The levers of one node.

    Args:
        check: its self-check.
        runtime: its runtime, where it has levers.
        stats: its statistics, where they can be set.
        find: the uid of a pod by namespace and name.
        containers: every run on the node.
        shut_down: begins a graceful shutdown of the node.
    """

    def __init__(
        self,
        check: SelfCheck,
        runtime: RuntimeLevers | None,
        stats: SettableStats | None,
        find: Callable[[str, str], str],
        containers: Callable[[], Iterable[Container]],
        shut_down: Callable[[], None],
    ) -> None:
        self._check = check
        self._runtime = runtime
        self._stats = stats
        self._find = find
        self._containers = containers
        self.shut_down = shut_down

    def set_available(self, signal: Signal, available: int) -> None:
        """Says how much memory (bytes), disk or how many process ids are free."""
        self._settable.set_available(signal, available)

    def reset(self, signal: Signal) -> None:
        """Everything of a signal is free again."""
        self._settable.reset(signal)

    def set_devices(self, resource: str, healthy: int, unhealthy: int = 0) -> None:
        """Says how many devices of a resource a plugin manages."""
        self._check.devices[resource] = Device(healthy, unhealthy)

    def remove_plugin(self, resource: str) -> None:
        """The plugin of a resource goes away: none is left, but the resource stays known."""
        self._check.devices[resource] = Device(0)

    def withhold(self, resource: str, *, on: bool) -> None:
        """The machine does not tell how much of a resource it has, or tells it again."""
        if on:
            self._check.withheld.add(resource)
        else:
            self._check.withheld.discard(resource)

    async def exit_container(self, namespace: str, pod: str, container: str, exit_code: int, reason: str = "") -> None:
        """Ends a container's process with an exit code."""
        await self._levers.end_container(self._find(namespace, pod), container, exit_code, reason=reason)

    def set_usage(self, namespace: str, pod: str, usage: PodUsage) -> None:
        """Says what a pod uses."""
        self._levers.set_usage(self._find(namespace, pod), usage)

    def set_runtime_down(self, *, down: bool) -> None:
        """The runtime stops or resumes answering."""
        self._levers.set_down(down=down)

    def set_network(self, error: str) -> None:
        """The pod network fails for a reason, or works again when that is empty."""
        self._levers.set_status(RuntimeStatus(network_error=error))

    def containers(self) -> list[Container]:
        """Every run that the node remembers, the ended ones included."""
        return list(self._containers())

    @property
    def _levers(self) -> RuntimeLevers:
        if self._runtime is None:
            raise NotControllable("the container runtime has no levers")
        return self._runtime

    @property
    def _settable(self) -> SettableStats:
        if self._stats is None:
            raise NotControllable("the statistics are those of the machine")
        return self._stats
