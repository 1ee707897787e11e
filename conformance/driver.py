"""The seam to a node agent under test: how it is started and disturbed, and the master the suite plays for it.

`fixtures` provides both. A driver declares what it can do; a case that needs more is `unsupported`, never failed.
"""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

import attrs

from conformance.clock import SuiteClock
from conformance.record.history import Exchange
from conformance.verdict import Unsupported
from conformance.wire import Wire

ABILITIES = frozenset({
    "has_lease",
    "has_admission",
    "runs_containers",
    "lists_containers",
    "can_exit_containers",
    "can_pressure",
    "can_use",
    "can_runtime",
    "can_network",
    "can_devices",
    "can_withhold",
    "can_shut_down",
    "can_pause",
    "only_watched",
    "has_manifests",
    "can_proxy",
    "registers_itself",
    "reregisters_after_delete",
    "sends_events",
    "takes_labels",
    "takes_taints",
    "takes_register_node",
    "kubelet_flags",
    "kubelet_config",
})  # fmt: skip
"""What a driver can declare; the requirement pages and the methods of `Driver` say what each means.

`runs_containers`: commands of containers are really run and end as they say, or simulated so that nobody can tell."""

PROFILES = ("core", "kubelet", "rt", "proxy")
"""Roles a requirement can bind: any agent; kubelet-compatible ones; those with real containers; the service proxy."""


@attrs.frozen
class AgentFacts:
    """What is known of an agent before it runs.

    Attributes:
        version: Kubernetes version it claims, e.g. `v1.20.2`.
        minor: the 20 of 1.20.
        profiles: of `PROFILES`, those it claims.
        abilities: of `ABILITIES`, those its driver has.
        expected: what the node ought to report, as far as the driver knows: `cpu`, `memory`, `pods`, `hostname`,
            `address`, `bootID`, `machineID`, `hugepages-2Mi` and the like; `attach-detach` is `false` for an agent that
            attaches volumes itself, `images` is `none` for one whose containers need none, `reserved` is `nothing` for
            one that leaves all its capacity to pods.
        node: name of the node of an agent that runs already (`only_watched`); empty where the suite gives names.
    """

    version: str
    minor: int
    profiles: frozenset[str]
    abilities: frozenset[str]
    expected: Mapping[str, Any] = attrs.field(factory=dict)
    node: str = ""


@attrs.frozen
class AgentOptions:
    """How an agent is to be started.

    Attributes:
        node_name: name of its node.
        labels: labels to register with.
        taints: taints to register with.
        register_node: whether it creates its Node itself.
        more: settings of this kind of agent, by flag name without dashes in front.
        config: settings of its configuration file (`kubelet_config`), by field of KubeletConfiguration.
    """

    node_name: str
    labels: Mapping[str, str] = attrs.field(factory=dict)
    taints: tuple[Mapping[str, str], ...] = ()
    register_node: bool = True
    more: Mapping[str, str] = attrs.field(factory=dict)
    config: Mapping[str, str] = attrs.field(factory=dict)


class Driver(abc.ABC):
    """One agent, tied to one master. What it cannot do it leaves to the methods here, which say so."""

    @abc.abstractmethod
    async def start(self, options: AgentOptions) -> None:
        """Starts the agent; returns when it exists, and never waits for its node to be ready."""

    @abc.abstractmethod
    async def stop(self, *, kill: bool = False) -> None:
        """Ends it: as an administrator would, or with `kill` at once."""

    @abc.abstractmethod
    async def restart(self) -> None:
        """Starts it again as before; its containers, if any, went on."""

    @abc.abstractmethod
    def is_alive(self) -> bool:
        """Whether it runs."""

    async def logs(self) -> str:
        """The end of what it wrote; may be empty."""
        return ""

    def waited(self) -> float:
        """Seconds for which it was ready to run and got no processor, since it was started; 0 if nobody knows."""
        return 0.0

    async def pause(self) -> None:
        """Freezes the agent, not its containers."""
        raise _cannot("be paused")

    async def resume(self) -> None:
        """Ends a pause."""
        raise _cannot("be paused")

    async def pressure(self, resource: str, *, on: bool) -> None:
        """Puts the node under pressure of `memory`, `disk` or `pid`, or ends it."""
        raise _cannot("be put under pressure")

    async def runtime(self, *, up: bool) -> None:
        """Takes the container runtime away, or gives it back."""
        raise _cannot("lose its container runtime")

    async def network(self, *, up: bool) -> None:
        """Takes the pods' network away from the runtime (`can_network`), or gives it back."""
        raise _cannot("lose its pod network")

    async def exit_container(self, pod_uid: str, container: str, code: int) -> None:
        """Lets a container end by itself."""
        raise _cannot("let containers exit")

    async def containers(self) -> list[Mapping[str, Any]]:
        """Containers on the node (`lists_containers`), each with `pod_uid`, `name`, `id`, `state` (running, exited)."""
        raise _cannot("list its containers")

    async def use(self, pod_uid: str, memory: int) -> None:
        """Lets a pod use so many bytes of memory (`can_use`)."""
        raise _cannot("let pods use memory")

    async def devices(self, resource: str, healthy: int, unhealthy: int = 0, *, plugin: bool = True) -> None:
        """Says how many devices a plugin manages (`can_devices`), or that there is no plugin any more."""
        raise _cannot("have devices")

    async def withhold(self, resource: str, *, on: bool) -> None:
        """Keeps the agent from finding out how much of a resource there is (`can_withhold`), or lets it."""
        raise _cannot("miss a resource")

    async def shut_down(self) -> None:
        """Tells the agent that its machine goes down (`can_shut_down`)."""
        raise _cannot("see its machine go down")

    async def manifest(self, name: str, pod: Mapping[str, Any] | None) -> None:
        """Gives the agent the manifest of a static pod (`has_manifests`), or takes it away; before the start, too."""
        raise _cannot("run static pods")

    async def start_proxy(self, node_name: str) -> None:
        """Starts the service proxy of a node (`can_proxy`); returns when it exists, the agent need not run."""
        raise _cannot("have a service proxy")

    async def stop_proxy(self) -> None:
        """Ends the service proxy."""
        raise _cannot("have a service proxy")

    async def backend(self, name: str) -> tuple[str, int]:
        """Starts what says its name to whoever connects (`can_proxy`); where it listens, for EndpointSlices."""
        raise _cannot("have a service proxy")

    async def dial(self, address: str, port: int, *, client: str) -> str:
        """Opens a connection on the proxy's node (`can_proxy`), from an address in 127.0.0.0/8; what was said there.

        Without an address it is to the node itself, at a node port.

        Raises:
            ConnectionRefusedError: nobody takes it.
            TimeoutError: nothing answers for long.
        """
        raise _cannot("have a service proxy")

    async def proxy_health(self, page: str) -> int:
        """The HTTP status with which the proxy answers for itself (`can_proxy`), at page `healthz` or `livez`."""
        raise _cannot("have a service proxy")

    async def service_health(self, port: int) -> int:
        """The HTTP status at the health check port of a Service (`can_proxy`); 0 or 404 where nobody answers for it."""
        raise _cannot("have a service proxy")


@attrs.frozen
class Disturbance:
    """What the recording master does to some requests of the agent.

    Attributes:
        kind: `status` (answer with that code), `refuse` (break the connection when the request has come), `down`
            (nobody listens, so nothing is recorded, either), `hang` (accept and never answer), `blackhole` (the same,
            while streams stay open and silent and new connections are never taken), `half-dead` (the same for what
            comes over connections that are open already, and for nothing else), `delay` (answer late), `slow` (answer
            piece by piece), `drop` (work, but close the connection instead of answering), `truncate` (break off in the
            middle of the answer, of a watch in the middle of an event), `stale` (read as when it was first read),
            `expire` (watches learn that they are too old), `end` (watches that are open end in good order, once),
            `embellish` (answer as always, with fields that nobody knows in every object).
        method: HTTP method it applies to; empty for all.
        path: regular expression the path must match from its beginning; empty for all.
        status: code for `status`.
        seconds: for `delay` and `slow`; for `hang`, how long at most.
        times: how many requests; None for all until it is lifted.
    """

    kind: str
    method: str = ""
    path: str = ""
    status: int = 503
    seconds: float = 0
    times: int | None = None


class RecordingMaster(Protocol):
    """A master that writes down what the agent sends, and that can be told to misbehave.

    Attributes:
        address: where the agent finds it.
    """

    address: str

    def new_wire(self) -> Wire:
        """A way in for the suite, as an administrator; not recorded and never disturbed."""
        ...

    def disturb(self, disturbance: Disturbance) -> Callable[[], None]:
        """Begins a disturbance; the answer lifts it."""
        ...


@attrs.frozen
class Rig:
    """A master and an agent for it, both of one scenario alone."""

    master: RecordingMaster
    driver: Driver


NewRig = Callable[[SuiteClock, Callable[[Exchange], None]], AbstractAsyncContextManager[Rig]]


@attrs.frozen
class AgentConnection:
    """A way to make rigs.

    Attributes:
        facts: of the agents.
        new_rig: makes one; leaving the context ends agent and master. Each of the agent's requests is told to the
            callback, stamped with the clock's moments, with `who` being `agent` and the whole request body.
        timing: settings the agents are started with, by field of `AgentTiming`.
        epoch: wall-clock time of the loop's second zero when time is virtual.
    """

    facts: AgentFacts
    new_rig: NewRig
    timing: Mapping[str, float] = attrs.field(factory=dict)
    epoch: datetime | None = None


@attrs.frozen
class Guest:
    """A kind of agent that joins a master which is not played for it: the master under test.

    Attributes:
        facts: of the agents.
        join: makes the driver of one agent; leaving the context ends the agent and everything it started.
        timing: settings the agents are started with, by field of `AgentTiming`.
    """

    facts: AgentFacts
    join: Callable[[], AbstractAsyncContextManager[Driver]]
    timing: Mapping[str, float] = attrs.field(factory=dict)


class AgentTarget(Protocol):
    """A kind of node agent to be tested.

    Attributes:
        name: for people.
        repeat: the pytest options that select it again.
        virtual: whether their time only jumps, and all of it is in one process: then it may be any process.
    """

    name: str
    repeat: tuple[str, ...]
    virtual: bool

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop a run against it lives on."""
        ...

    def open(self, seed: int) -> AbstractAsyncContextManager[AgentConnection]:
        """Makes ready for rigs.

        Raises:
            TargetError: agents of this kind cannot be run here.
        """
        ...


def _cannot(what: str) -> Unsupported:
    return Unsupported(f"the agent's driver declares no way for it to {what}")
