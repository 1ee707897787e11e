"""Probes: readiness, liveness and startup of running containers.

Source: kubelet 1.36 `prober/worker.go`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Literal

import attrs

from refimpl.api.errors import Object
from refimpl.clock import Clock
from refimpl.kubelet import podspec
from refimpl.kubelet.runtime.base import Container, Runtime, RuntimeUnavailable

log = logging.getLogger(__name__)

ProbeKind = Literal["startup", "readiness", "liveness"]

KINDS: Final[tuple[ProbeKind, ...]] = ("startup", "readiness", "liveness")


@attrs.frozen
class ProbeState:
    """What a probe has found so far.

    Attributes:
        verdict: success, failure, or nothing yet.
        last: the last single result.
        run: how often that result has come in a row.
    """

    verdict: bool | None
    last: bool | None = None
    run: int = 0


def initial(kind: ProbeKind) -> ProbeState:
    """Before the first result: not ready, alive, not started."""
    return ProbeState({"readiness": False, "liveness": True, "startup": None}[kind])


def observed(state: ProbeState, spec: Object, *, success: bool) -> ProbeState:
    """The state after one more result: the verdict turns when a threshold of equal results is reached."""
    run = state.run + 1 if state.last == success else 1
    threshold = spec.get("successThreshold", 1) if success else spec.get("failureThreshold", 3)
    return ProbeState(success if run >= threshold else state.verdict, success, run)


@attrs.define(eq=False)
class ContainerProbes:
    """The verdicts about one running container; absent where there is no such probe.

    Attributes:
        ready: of the readiness probe.
        started: of the startup probe.
        unhealthy: why the container must be killed; empty while it need not.
        tasks: the running probes.
    """

    ready: bool | None = None
    started: bool | None = None
    unhealthy: str = ""
    tasks: list[asyncio.Task[None]] = attrs.field(factory=list)


class Prober:
    """Runs the probes of all containers of a node.

    Args:
        runtime: carries probes out.
        clock: time.
        changed: told the pod's uid when a verdict turned.
        unhealthy: told pod, container name and text of every failed probe.
    """

    def __init__(
        self,
        runtime: Runtime,
        clock: Clock,
        *,
        changed: Callable[[str], None],
        unhealthy: Callable[[Object, str, str], None],
    ) -> None:
        self._runtime = runtime
        self._clock = clock
        self._changed = changed
        self._unhealthy = unhealthy
        self._containers: dict[str, ContainerProbes] = {}

    def verdicts(self, container_id: str) -> ContainerProbes | None:
        """What is known of a container with probes."""
        return self._containers.get(container_id)

    def ensure(self, group: asyncio.TaskGroup, pod: Object, spec: Object, run: Container, host: str) -> None:
        """Starts the probes of a running container, once."""
        kinds = [kind for kind in KINDS if spec.get(f"{kind}Probe")]
        if not kinds or run.id in self._containers:
            return
        probes = ContainerProbes(
            ready=False if "readiness" in kinds else None, started=False if "startup" in kinds else None
        )
        self._containers[run.id] = probes
        for kind in kinds:
            name = f"{kind} {podspec.describe(pod)} {run.name}"
            probes.tasks.append(group.create_task(self._probe(kind, pod, spec, run, host, probes), name=name))

    def stop(self, container_id: str) -> None:
        """Ends the probes of a container."""
        probes = self._containers.pop(container_id, None)
        for task in probes.tasks if probes else ():
            task.cancel()

    async def _probe(
        self, kind: ProbeKind, pod: Object, spec: Object, run: Container, host: str, probes: ContainerProbes
    ) -> None:
        """One probe, from its initial delay to the end of the container."""
        probe = spec[f"{kind}Probe"]
        state = initial(kind)
        since_start = (self._clock.now() - run.started_at).total_seconds()
        await self._clock.sleep(max(0.0, probe.get("initialDelaySeconds", 0) - since_start))
        while True:
            if kind == "startup" or probes.started is not False:
                problem = await self.attempt(probe, spec, run, host)
                if problem:
                    self._unhealthy(pod, run.name, f"{kind.capitalize()} probe failed: {problem}")
                state = observed(state, probe, success=not problem)
                if self._conclude(kind, state, probes, run):
                    return
            await self._clock.sleep(probe.get("periodSeconds", 10))

    async def attempt(self, probe: Object, spec: Object, run: Container, host: str) -> str:
        """Carries a probe out once; what went wrong, empty for success."""
        try:
            async with asyncio.timeout(probe.get("timeoutSeconds", 1)):
                return await self._carry_out(probe, spec, run, host)
        except TimeoutError:
            return f"command timed out: context deadline exceeded after {probe.get('timeoutSeconds', 1)}s"
        except RuntimeUnavailable as error:
            return str(error)

    async def _carry_out(self, probe: Object, spec: Object, run: Container, host: str) -> str:
        if "exec" in probe:
            result = await self._runtime.exec(run.id, probe["exec"]["command"])
            output = result.output.decode(errors="replace").strip()
            return "" if result.exit_code == 0 else output or f"command exited with {result.exit_code}"
        return await self._runtime.connect(run.id, with_port(probe, spec), host)

    def _conclude(self, kind: ProbeKind, state: ProbeState, probes: ContainerProbes, run: Container) -> bool:
        """Publishes a verdict; True when the probe has done its work."""
        if kind == "readiness":
            if probes.ready != state.verdict:
                probes.ready = state.verdict
                self._changed(run.pod_uid)
            return False
        if state.verdict is False:
            probes.unhealthy = f"Container {run.name} failed {kind} probe"
            self._changed(run.pod_uid)
            return True
        if kind == "startup" and state.verdict:
            probes.started = True
            self._changed(run.pod_uid)
            return True
        return False


def with_port(action: Object, spec: Object) -> Object:
    """An `httpGet` or `tcpSocket` action with its port as a number, looked up by name in the container."""
    kind = "httpGet" if "httpGet" in action else "tcpSocket"
    details = action.get(kind) or {"port": 0}
    port = details["port"]
    if isinstance(port, str):
        named = [listed["containerPort"] for listed in spec.get("ports") or () if listed.get("name") == port]
        port = named[0] if named else int(port) if port.isdigit() else 0
    return {kind: {**details, "port": port}}
