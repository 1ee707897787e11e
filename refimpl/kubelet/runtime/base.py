"""The container runtime as the kubelet sees it.

The kubelet asks for sandboxes and containers to be made, signalled and removed, and hears through a callback that
something changed; when to start, how long to wait between TERM and KILL, when to restart, is the kubelet's decision. A
runtime keeps an up-to-date table of what exists, so that reading it needs no I/O; one without events of its own
(Docker) fills that table by listing.

Source of the shape: the Container Runtime Interface 1.36, reduced to what the contract between master and node shows.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

import attrs

from refimpl.api.errors import Object
from refimpl.kubelet.machine.stats import PodUsage

ContainerState = Literal["running", "exited"]
Signal = Literal["TERM", "KILL"]
Stream = Literal["stdout", "stderr"]
Changed = Callable[[str], None]
"""Told the uid of a pod of which something changed."""


class RuntimeUnavailable(Exception):
    """The runtime does not answer."""


class StartFailure(Exception):
    """A container could not be started.

    Attributes:
        reason: what the container's waiting state says, e.g. `ErrImagePull`, `CreateContainerError`.
        message: the sentence.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@attrs.frozen
class RuntimeStatus:
    """How the runtime says it is.

    Attributes:
        error: why it cannot run containers; empty when it can.
        network_error: why pods have no network; empty when they have.
    """

    error: str = ""
    network_error: str = ""


@attrs.frozen
class Image:
    """A container image on the node.

    Attributes:
        names: digests first, then tags.
        size: bytes.
    """

    names: tuple[str, ...]
    size: int


@attrs.frozen(kw_only=True)
class Container:
    """One run of one container.

    Attributes:
        id: unique within the runtime, without its scheme.
        pod_uid: whose it is.
        name: the container's name in the pod's spec.
        attempt: 0 for the first run, one more for each restart.
        image: as in the spec.
        state: running or exited.
        started_at: when its process started.
        finished_at: when it ended; None while it runs.
        exit_code: of its main process, 128 plus the signal's number where one ended it.
        reason: why it ended, where the runtime knows better than `Completed` or `Error`: `OOMKilled`.
        message: details of the end.
        pulled: whether its image was fetched for it; told by who started it, not remembered.
    """

    id: str
    pod_uid: str
    name: str
    attempt: int
    image: str
    state: ContainerState
    started_at: datetime
    finished_at: datetime | None = None
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    pulled: bool = False

    @property
    def running(self) -> bool:
        """Whether its main process runs."""
        return self.state == "running"


@attrs.frozen(kw_only=True)
class Sandbox:
    """One pod as the runtime knows it.

    Attributes:
        uid: the pod's uid.
        namespace: its namespace.
        name: its name.
        ips: addresses of the pod, empty while it has none.
        grace: seconds its containers get to stop when nobody knows the pod's spec any more.
        containers: every run that is remembered, the newest first.
    """

    uid: str
    namespace: str
    name: str
    ips: tuple[str, ...] = ()
    grace: int = 30
    containers: tuple[Container, ...] = ()

    def latest(self, name: str) -> Container | None:
        """The newest run of a container."""
        return next((container for container in self.containers if container.name == name), None)

    def runs(self, name: str) -> list[Container]:
        """All remembered runs of a container, the newest first."""
        return [container for container in self.containers if container.name == name]

    @property
    def running(self) -> list[Container]:
        """The containers that run."""
        return [container for container in self.containers if container.running]


@attrs.frozen
class ExecResult:
    """What a command in a container came to.

    Attributes:
        exit_code: of the command.
        output: of both streams.
    """

    exit_code: int
    output: bytes


@attrs.frozen(kw_only=True)
class SessionOptions:
    """Which streams of a command, or of a container, are wanted.

    Attributes:
        stdin: something may be written to it.
        tty: it has a terminal; then there is one output stream, and the terminal has a size.
    """

    stdin: bool = False
    tty: bool = False


class Session(Protocol):
    """The open streams of a command in a container, or of the container itself."""

    def output(self) -> AsyncGenerator[tuple[Stream, bytes], None]:
        """What comes out, as it comes, until the streams end; read once."""
        ...

    async def write(self, data: bytes) -> None:
        """Writes to its standard input; nothing happens when nobody reads it any more."""
        ...

    async def close_input(self) -> None:
        """Ends its standard input."""
        ...

    async def resize(self, width: int, height: int) -> None:
        """Tells its terminal a new size, in characters."""
        ...

    async def exit_code(self) -> int:
        """Waits for its end; 128 plus the signal's number where one ended it."""
        ...

    async def close(self) -> None:
        """Lets go of the streams; a command that still runs is ended, a container is left alone."""
        ...


@attrs.frozen(kw_only=True)
class LogOptions:
    """Which part of a container's log is asked for.

    Attributes:
        follow: keep reading until the container ends.
        tail: only the last lines, as many.
        since: only lines written at or after this moment.
        timestamps: put the time before every line.
        limit_bytes: stop after so many bytes.
    """

    follow: bool = False
    tail: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    limit_bytes: int | None = None


async def result_of(opening: Awaitable[Session]) -> ExecResult:
    """What a command says until it ends; cancelling ends the command.

    Args:
        opening: opens its streams; one that cannot be executed (`StartFailure`) is one that exits with 126.
    """
    try:
        session = await opening
    except StartFailure as failure:
        return ExecResult(126, f"{failure.message}\n".encode())
    try:
        output = b"".join([chunk async for _, chunk in session.output()])
        return ExecResult(await session.exit_code(), output)
    finally:
        await session.close()


class Runtime(Protocol):
    """A container runtime."""

    @property
    def name(self) -> str:
        """The scheme of container ids: `docker`, `process`, `simulated`."""
        ...

    @property
    def version(self) -> str:
        """Its version, without `v`; `Unknown` when it does not answer."""
        ...

    async def start(self, changed: Changed) -> None:
        """Connects, finds what runs already, and from now on tells of every change.

        Raises:
            RuntimeUnavailable: there is no runtime.
        """
        ...

    async def stop(self) -> None:
        """Disconnects; containers are left alone."""
        ...

    async def status(self) -> RuntimeStatus:
        """How it is.

        Raises:
            RuntimeUnavailable: it does not answer.
        """
        ...

    def images(self) -> Sequence[Image]:
        """The images on the node; the same object as long as there are no others."""
        ...

    def sandboxes(self) -> Iterable[Sandbox]:
        """Everything there is, whether the API knows it or not."""
        ...

    def sandbox(self, uid: str) -> Sandbox | None:
        """One pod's part."""
        ...

    async def run_sandbox(self, pod: Object, host_ip: str) -> Sandbox:
        """Makes the place for a pod's containers, and gives it its address.

        Args:
            pod: the pod.
            host_ip: the node's address, for pods on the host's network.

        Raises:
            StartFailure: it could not be made.
        """
        ...

    async def start_container(self, pod: Object, spec: Object, attempt: int, env: Mapping[str, str]) -> Container:
        """Pulls the image if need be, makes a container and starts it.

        Args:
            pod: the pod, whose sandbox exists.
            spec: the container's entry in the pod's spec.
            attempt: how often it has been restarted.
            env: its environment, resolved.

        Raises:
            StartFailure: it does not run.
        """
        ...

    async def signal(self, container_id: str, signal: Signal) -> None:
        """Sends a signal to a container's processes; nothing happens if it has ended."""
        ...

    async def remove_container(self, container_id: str) -> None:
        """Forgets an ended run, with its log."""
        ...

    async def remove_sandbox(self, uid: str) -> None:
        """Forgets a pod whose containers have ended, with all that belongs to it."""
        ...

    async def exec(self, container_id: str, command: list[str]) -> ExecResult:
        """Runs a command in a container; cancelling ends the command.

        Raises:
            RuntimeUnavailable: the container does not run.
        """
        ...

    async def open_exec(self, container_id: str, command: list[str], options: SessionOptions) -> Session:
        """Starts a command in a container and opens its streams.

        Raises:
            RuntimeUnavailable: the container does not run, or the runtime has no such streams.
            StartFailure: the command cannot be executed.
        """
        ...

    async def open_attach(self, container_id: str, options: SessionOptions) -> Session:
        """Opens the streams of a container's main process, from now on.

        Raises:
            RuntimeUnavailable: the container does not run, or the runtime has no such streams.
        """
        ...

    async def connect(self, container_id: str, action: Object, host: str) -> str:
        """Carries out an `httpGet` or `tcpSocket` action against a container.

        Args:
            container_id: the container.
            action: `{"httpGet": ...}` or `{"tcpSocket": ...}`, with the port as a number.
            host: the pod's address.

        Returns:
            What went wrong; empty when it succeeded.
        """
        ...

    def logs(self, container_id: str, options: LogOptions) -> AsyncGenerator[bytes, None]:
        """The container's output, both streams in order of time, in chunks of whole lines."""
        ...

    def usage(self, uid: str) -> PodUsage | None:
        """What a pod uses; None when that is unknown."""
        ...
