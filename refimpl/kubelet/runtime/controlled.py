"""A runtime that tests can meddle with, whatever is beneath: for local control, and for nothing else.

It can stop to answer, lose its network, let containers end with a code of one's choice, and say what pods use. Nothing
of this is remembered by a kubelet that starts anew.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Protocol

import attrs

from refimpl.api.errors import Object
from refimpl.kubelet.machine.stats import PodUsage
from refimpl.kubelet.runtime.base import (
    Changed,
    Container,
    ExecResult,
    Image,
    LogOptions,
    Runtime,
    RuntimeStatus,
    RuntimeUnavailable,
    Sandbox,
    Session,
    SessionOptions,
    Signal,
    StartFailure,
)

_DOWN = "local control has taken the container runtime down"


class RuntimeLevers(Protocol):
    """What local control does to a runtime; the simulated one has these levers by nature."""

    async def end_container(self, uid: str, name: str, exit_code: int, *, reason: str = "") -> None:
        """Lets a container of a pod end.

        Raises:
            KeyError: it does not run.
        """
        ...

    def set_usage(self, uid: str, usage: PodUsage) -> None:
        """Says what a pod uses."""
        ...

    def set_down(self, *, down: bool) -> None:
        """The runtime stops or resumes answering."""
        ...

    def set_status(self, status: RuntimeStatus) -> None:
        """Says how the runtime is."""
        ...


class ControlledRuntime:
    """See `refimpl.kubelet.runtime.base.Runtime`.

    Args:
        beneath: where containers really live.
    """

    def __init__(self, beneath: Runtime) -> None:
        self._beneath = beneath
        self._down = False
        self._said: RuntimeStatus | None = None
        self._usage: dict[str, PodUsage] = {}
        self._ends: dict[str, tuple[int, str]] = {}

    async def end_container(self, uid: str, name: str, exit_code: int, *, reason: str = "") -> None:
        """See `RuntimeLevers`: it is killed, and told to have ended with that code."""
        sandbox = self._beneath.sandbox(uid)
        latest = sandbox.latest(name) if sandbox is not None else None
        if latest is None or not latest.running:
            raise KeyError(f"container {name} does not run")
        self._ends[latest.id] = (exit_code, reason)
        await self._beneath.signal(latest.id, "KILL")

    def set_usage(self, uid: str, usage: PodUsage) -> None:
        """See `RuntimeLevers`."""
        self._usage[uid] = usage

    def set_down(self, *, down: bool) -> None:
        """See `RuntimeLevers`."""
        self._down = down

    def set_status(self, status: RuntimeStatus) -> None:
        """See `RuntimeLevers`; a status without any trouble is left to the runtime itself."""
        self._said = None if status == RuntimeStatus() else status

    @property
    def name(self) -> str:
        """See `Runtime`."""
        return self._beneath.name

    @property
    def version(self) -> str:
        """See `Runtime`."""
        return "Unknown" if self._down else self._beneath.version

    async def start(self, changed: Changed) -> None:
        """See `Runtime`."""
        if self._down:
            raise RuntimeUnavailable(_DOWN)
        await self._beneath.start(changed)

    async def stop(self) -> None:
        """See `Runtime`."""
        await self._beneath.stop()

    async def status(self) -> RuntimeStatus:
        """See `Runtime`."""
        if self._down:
            raise RuntimeUnavailable(_DOWN)
        return self._said or await self._beneath.status()

    def images(self) -> Sequence[Image]:
        """See `Runtime`."""
        return self._beneath.images()

    def sandboxes(self) -> Iterable[Sandbox]:
        """See `Runtime`."""
        return [self._told(sandbox) for sandbox in self._beneath.sandboxes()]

    def sandbox(self, uid: str) -> Sandbox | None:
        """See `Runtime`."""
        found = self._beneath.sandbox(uid)
        return None if found is None else self._told(found)

    async def run_sandbox(self, pod: Object, host_ip: str) -> Sandbox:
        """See `Runtime`."""
        self._check_up()
        return await self._beneath.run_sandbox(pod, host_ip)

    async def start_container(self, pod: Object, spec: Object, attempt: int, env: Mapping[str, str]) -> Container:
        """See `Runtime`."""
        self._check_up()
        return await self._beneath.start_container(pod, spec, attempt, env)

    async def signal(self, container_id: str, signal: Signal) -> None:
        """See `Runtime`."""
        await self._beneath.signal(container_id, signal)

    async def remove_container(self, container_id: str) -> None:
        """See `Runtime`."""
        self._ends.pop(container_id, None)
        await self._beneath.remove_container(container_id)

    async def remove_sandbox(self, uid: str) -> None:
        """See `Runtime`."""
        self._usage.pop(uid, None)
        await self._beneath.remove_sandbox(uid)

    async def exec(self, container_id: str, command: list[str]) -> ExecResult:
        """See `Runtime`."""
        return await self._beneath.exec(container_id, command)

    async def open_exec(self, container_id: str, command: list[str], options: SessionOptions) -> Session:
        """See `Runtime`."""
        return await self._beneath.open_exec(container_id, command, options)

    async def open_attach(self, container_id: str, options: SessionOptions) -> Session:
        """See `Runtime`."""
        return await self._beneath.open_attach(container_id, options)

    async def connect(self, container_id: str, action: Object, host: str) -> str:
        """See `Runtime`."""
        return await self._beneath.connect(container_id, action, host)

    def logs(self, container_id: str, options: LogOptions) -> AsyncGenerator[bytes, None]:
        """See `Runtime`."""
        return self._beneath.logs(container_id, options)

    def usage(self, uid: str) -> PodUsage | None:
        """See `Runtime`."""
        return self._usage.get(uid) or self._beneath.usage(uid)

    def _told(self, sandbox: Sandbox) -> Sandbox:
        """A sandbox whose containers ended as they were told to."""
        if self._ends.keys().isdisjoint(run.id for run in sandbox.containers):
            return sandbox
        return attrs.evolve(sandbox, containers=tuple(map(self._ended, sandbox.containers)))

    def _ended(self, run: Container) -> Container:
        if run.running or run.id not in self._ends:
            return run
        code, reason = self._ends[run.id]
        return attrs.evolve(run, exit_code=code, reason=reason)

    def _check_up(self) -> None:
        if self._down:
            raise StartFailure("CreateContainerError", _DOWN)
