"""Stopping containers: preStop hook, TERM, the grace period, KILL.

The grace period covers the hook; after it every container still gets two seconds. App containers stop together, then
the sidecars, the last started first.

Source: kubelet 1.36 `killContainer`, `killContainersWithSyncResult`, `lifecycle/handlers.go`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from refimpl.api.errors import Object
from refimpl.clock import Clock
from refimpl.kubelet import podspec, resources
from refimpl.kubelet.pods.podrecord import Countdown, PodRecord, StopOrder
from refimpl.kubelet.pods.probes import with_port
from refimpl.kubelet.runtime.base import Container, Runtime, RuntimeUnavailable, Sandbox

log = logging.getLogger(__name__)

ContainerEvent = Callable[[Object, str, str, str, str], None]
"""Records an event about a container: pod, container name, type, reason, message."""


def stop_waves(pod: Object, sandbox: Sandbox) -> list[list[Container]]:
    """Running containers in the groups in which they stop: all but sidecars together, then sidecars one by one."""
    sidecars = [spec["name"] for spec in podspec.init_containers_of(pod) if resources.is_sidecar(spec)]
    first = [run for run in sandbox.running if run.name not in sidecars]
    later = [[run] for name in reversed(sidecars) for run in sandbox.running if run.name == name]
    return [wave for wave in [first, *later] if wave]


class Stopper:
    """Stops containers.

    Args:
        runtime: where they run.
        clock: time.
        event: records events.
    """

    def __init__(self, runtime: Runtime, clock: Clock, event: ContainerEvent) -> None:
        self._runtime = runtime
        self._clock = clock
        self._event = event

    async def stop_pod(self, record: PodRecord, order: StopOrder) -> None:
        """Stops everything that runs of a pod; returns when nothing does."""
        started = self._clock.monotonic()
        while (sandbox := self._runtime.sandbox(record.uid)) is not None and sandbox.running:
            wave = stop_waves(record.pod, sandbox)[0]
            current = record.stop or order
            left = max(0.0, started + current.grace - self._clock.monotonic())
            await self._stop_together(record, wave, left, order.minimum)

    async def stop_container(
        self, record: PodRecord, run: Container, grace: float, *, minimum: float, message: str
    ) -> None:
        """Stops one container; returns when it has ended.

        Args:
            record: the pod.
            run: the container.
            grace: seconds until KILL, the hook included.
            minimum: seconds that it gets between TERM and KILL in any case.
            message: of the Killing event.
        """
        self._event(record.pod, run.name, "Normal", "Killing", message)
        countdown = Countdown(self._clock.monotonic() + grace)
        record.countdowns.append(countdown)
        try:
            spec = podspec.container_named(record.pod, run.name) or {}
            hook = (spec.get("lifecycle") or {}).get("preStop")
            if hook and grace > 0:
                await self.run_hook(record, run, spec, hook, countdown)
            countdown.deadline = max(countdown.deadline, self._clock.monotonic() + minimum)
            if countdown.deadline > self._clock.monotonic():
                await self._runtime.signal(run.id, "TERM")
                if await self._ended_in_time(record, run, countdown):
                    return
            await self._runtime.signal(run.id, "KILL")
            await self._ended(record, run)
        finally:
            record.countdowns.remove(countdown)

    async def run_hook(
        self, record: PodRecord, run: Container, spec: Object, hook: Object, countdown: Countdown
    ) -> None:
        """Runs a preStop hook, at most until the countdown ends; its failure is an event and nothing more."""
        try:
            async with asyncio.timeout(countdown.deadline - self._clock.monotonic()):
                problem = await self._carry_out(record, run, spec, hook)
        except TimeoutError:
            problem = "the hook did not end within the grace period"
        except RuntimeUnavailable as error:
            problem = str(error)
        if problem:
            self._event(record.pod, run.name, "Warning", "FailedPreStopHook", f"PreStopHook failed: {problem}")

    async def _carry_out(self, record: PodRecord, run: Container, spec: Object, hook: Object) -> str:
        """What went wrong with a hook; empty when nothing did."""
        if "exec" in hook:
            result = await self._runtime.exec(run.id, hook["exec"]["command"])
            return "" if result.exit_code == 0 else f"command exited with {result.exit_code}"
        if "sleep" in hook:
            await self._clock.sleep(hook["sleep"]["seconds"])
            return ""
        sandbox = self._runtime.sandbox(record.uid)
        host = next(iter(sandbox.ips), "") if sandbox else ""
        return await self._runtime.connect(run.id, with_port(hook, spec), host)

    async def _stop_together(self, record: PodRecord, wave: Sequence[Container], grace: float, minimum: float) -> None:
        async with asyncio.TaskGroup() as group:
            for run in wave:
                group.create_task(
                    self.stop_container(record, run, grace, minimum=minimum, message=f"Stopping container {run.name}"),
                    name=f"stop {record.namespace}/{record.name} {run.name}",
                )

    async def _ended_in_time(self, record: PodRecord, run: Container, countdown: Countdown) -> bool:
        """Waits for the end of a container; False when the countdown ended first."""
        while not self._has_ended(record, run):
            left = countdown.deadline - self._clock.monotonic()
            if left <= 0:
                return False
            try:
                async with asyncio.timeout(left):
                    await record.pulse.wait()
            except TimeoutError:
                continue
        return True

    async def _ended(self, record: PodRecord, run: Container) -> None:
        while not self._has_ended(record, run):
            await record.pulse.wait()

    def _has_ended(self, record: PodRecord, run: Container) -> bool:
        sandbox = self._runtime.sandbox(record.uid)
        return sandbox is None or not any(known.id == run.id and known.running for known in sandbox.containers)
