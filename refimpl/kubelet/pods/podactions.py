"""What to start and what to kill next in a pod: `computePodActions`.

A pure function of the pod's spec, of what the runtime has, and of what the probes found.

Source: kubelet 1.36 `kuberuntime_manager.go` (`computePodActions`, `computeInitContainerActions`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import attrs

from refimpl.api.errors import Object
from refimpl.kubelet import podspec, resources
from refimpl.kubelet.runtime.base import Container, Sandbox


@attrs.frozen
class Start:
    """A container to start.

    Attributes:
        spec: its entry in the pod's spec.
        attempt: 0 the first time.
        previous: the run before, which decides the back-off.
    """

    spec: Object
    attempt: int
    previous: Container | None

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.spec["name"])


@attrs.frozen
class Kill:
    """A container to stop although its pod goes on.

    Attributes:
        container: the run to stop.
        message: why.
        restarts: whether it is started again afterwards, whatever its exit code.
    """

    container: Container
    message: str
    restarts: bool


@attrs.frozen
class Probed:
    """What probes and earlier kills say about a pod's containers.

    Attributes:
        unhealthy: by container id, why a running container must be killed.
        started: by container id, whether the startup probe has succeeded; absent where there is no such probe.
        killed: names of containers that were killed to be started again.
    """

    unhealthy: Mapping[str, str] = attrs.field(factory=dict)
    started: Mapping[str, bool] = attrs.field(factory=dict)
    killed: Collection[str] = ()


@attrs.frozen
class PodActions:
    """What is to be done for a pod now.

    Attributes:
        starts: containers to start, in order.
        kills: containers to stop first.
        ends: nothing will run any more: the pod is over.
    """

    starts: tuple[Start, ...] = ()
    kills: tuple[Kill, ...] = ()
    ends: bool = False


def compute_actions(pod: Object, sandbox: Sandbox | None, probed: Probed) -> PodActions:
    """What is to be done for a pod now.

    Args:
        pod: the pod, not being deleted.
        sandbox: what the runtime has of it.
        probed: what the probes found.
    """
    kills, starts = _sidecar_repairs(pod, sandbox, probed)
    if not has_initialized(pod, sandbox):
        step = _next_init(pod, sandbox, probed)
        if step is not None:
            return PodActions(_distinct([*starts, *step.starts]), tuple(kills), step.ends)
    alive = 0
    for spec in podspec.containers_of(pod):
        run = sandbox.latest(spec["name"]) if sandbox else None
        if run is not None and run.running:
            alive += 1
            if run.id in probed.unhealthy:
                kills.append(_kill(run, probed, restarts=podspec.restart_policy(pod) != "Never"))
        elif should_restart(pod, run) or spec["name"] in probed.killed:
            alive += 1
            starts.append(start_of(spec, run))
    if not alive:
        return PodActions(ends=True)
    return PodActions(_distinct(starts), tuple(kills))


def should_restart(pod: Object, run: Container | None) -> bool:
    """Whether a container that does not run is started: never run, or the restart policy asks for it."""
    if run is None:
        return True
    match podspec.restart_policy(pod):
        case "Never":
            return False
        case "OnFailure":
            return run.exit_code != 0
        case _:
            return True


def has_initialized(pod: Object, sandbox: Sandbox | None) -> bool:
    """Whether initialization is behind the pod: there is none, or an app container has run."""
    if not podspec.init_containers_of(pod):
        return True
    return sandbox is not None and any(sandbox.latest(spec["name"]) for spec in podspec.containers_of(pod))


def start_of(spec: Object, run: Container | None) -> Start:
    """The start of a container's next run."""
    return Start(spec, 0 if run is None else run.attempt + 1, run)


def _next_init(pod: Object, sandbox: Sandbox | None, probed: Probed) -> PodActions | None:
    """The next step of initialization; None when it is complete."""
    for spec in podspec.init_containers_of(pod):
        run = sandbox.latest(spec["name"]) if sandbox else None
        if run is None:
            return PodActions(starts=(start_of(spec, None),))
        if resources.is_sidecar(spec):
            if run.running and probed.started.get(run.id, True):
                continue
            return PodActions()
        if run.running:
            return PodActions()
        if run.exit_code != 0:
            if podspec.restart_policy(pod) == "Never":
                return PodActions(ends=True)
            return PodActions(starts=(start_of(spec, run),))
    return None


def _sidecar_repairs(pod: Object, sandbox: Sandbox | None, probed: Probed) -> tuple[list[Kill], list[Start]]:
    """Sidecars that ended are started again, unhealthy ones killed first, whatever the pod's restart policy."""
    kills: list[Kill] = []
    starts: list[Start] = []
    for spec in podspec.init_containers_of(pod):
        run = sandbox.latest(spec["name"]) if sandbox and resources.is_sidecar(spec) else None
        if run is None:
            continue
        if not run.running:
            starts.append(start_of(spec, run))
        elif run.id in probed.unhealthy:
            kills.append(_kill(run, probed, restarts=True))
    return kills, starts


def _kill(run: Container, probed: Probed, *, restarts: bool) -> Kill:
    why = probed.unhealthy[run.id]
    return Kill(run, f"{why}, will be restarted" if restarts else why, restarts)


def _distinct(starts: list[Start]) -> tuple[Start, ...]:
    return tuple({start.name: start for start in starts}.values())
