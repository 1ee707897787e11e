"""A whole cluster in one process: API server, controllers, scheduler and any number of nodes on one event loop.

On a virtual loop this is the suite's default target: five minutes of toleration pass in no time, and one seed gives one
history. On a live loop it is a convenient small cluster. The components are exactly those `refimpl.commands` starts
as processes; here they reach the API server by a function call.

    async with Cluster(ClusterConfig(nodes=3), Clock.virtual(seed=1)) as cluster:
        await cluster.client().list(NODES)
        await cluster.lose_node("node-1")
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Final, Self

import attrs

from refimpl.api.http import ADMIN, User
from refimpl.apiserver.authorization.node import NODE_PREFIX, NODES_GROUP
from refimpl.apiserver.identity.authentication import AUTHENTICATED
from refimpl.apiserver.security import Security
from refimpl.apiserver.server import ApiServer
from refimpl.client.client import Client
from refimpl.client.events import EventRecorder
from refimpl.client.transport import DirectTransport
from refimpl.clock import Clock
from refimpl.controllers import permissions
from refimpl.controllers.initializers import ControllerManagerConfig, selected_controllers
from refimpl.controllers.permissions import CONTROLLER_MANAGER
from refimpl.controllers.runner import ControllerManager
from refimpl.kubelet import Kubelet, KubeletConfig
from refimpl.kubelet.machine.host import HostFacts, simulated_host
from refimpl.kubelet.runtime.simulated import SimulatedRuntime
from refimpl.scheduler import Scheduler, SchedulerConfig
from refimpl.storage.base import Store
from refimpl.storage.memory import MemoryStore

SCHEDULER: Final = User("system:kube-scheduler", (AUTHENTICATED,))
PROXY: Final = User("system:kube-proxy", (AUTHENTICATED,))


@attrs.frozen
class ClusterConfig:
    """What a cluster is made of.

    Attributes:
        nodes: how many nodes to start, named `node-1`, `node-2`, ...
        controllers: settings of the controllers; None runs no controller manager.
        scheduler: settings of the scheduler; None runs no scheduler.
        kubelet: settings that all nodes share.
        authorization: modes of the API server's authorization, by the names of `--authorization-mode`.
    """

    nodes: int = 0
    controllers: ControllerManagerConfig | None = attrs.field(factory=ControllerManagerConfig)
    scheduler: SchedulerConfig | None = attrs.field(factory=SchedulerConfig)
    kubelet: KubeletConfig = attrs.field(factory=KubeletConfig)
    authorization: tuple[str, ...] = ("AlwaysAllow",)


@attrs.define(eq=False)
class Node:
    """A node of the cluster: the machine, its containers, and the agent while it runs.

    Attributes:
        config: settings of its agent.
        host: the machine.
        runtime: keeps the containers, also while no agent runs.
        kubelet: the agent, or the last one there was.
        task: runs the agent.
    """

    config: KubeletConfig
    host: HostFacts
    runtime: SimulatedRuntime
    kubelet: Kubelet
    task: asyncio.Task[None]


class Cluster:
    """A running cluster; an async context manager.

    If a component fails, everything is stopped and leaving the context raises its error.

    Args:
        config: what to start.
        clock: time, randomness, uids; decides with the running loop whether the cluster is virtual.
        store: where objects are kept; a new memory store by default.
    """

    def __init__(self, config: ClusterConfig, clock: Clock, *, store: Store | None = None) -> None:
        self.config = config
        self.clock = clock
        self.server = ApiServer(store or MemoryStore(), clock, security=Security(modes=config.authorization))
        self.nodes: dict[str, Node] = {}
        self._group = asyncio.TaskGroup()
        self._owner: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._stop = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._owner = asyncio.create_task(self._run(), name="cluster")
        ready = asyncio.create_task(self._ready.wait(), name="cluster ready")
        await asyncio.wait({self._owner, ready}, return_when=asyncio.FIRST_COMPLETED)
        if not self._ready.is_set():
            ready.cancel()
            await self._owner
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._owner is not None
        self._stop.set()
        await self._owner

    async def ended(self) -> BaseException | None:
        """Waits until the cluster has stopped and returns what failed; None when nothing did."""
        assert self._owner is not None
        await asyncio.wait([self._owner])
        return None if self._owner.cancelled() else self._owner.exception()

    def client(self, user: User = ADMIN, *, user_agent: str = "node-contract") -> Client:
        """A client of the cluster's API in the same process."""
        return Client(DirectTransport(self.server.handle, user), user_agent=user_agent, timeout=None)

    def add_node(self, name: str, *, config: KubeletConfig | None = None, host: HostFacts | None = None) -> Node:
        """Starts a node with a simulated runtime; returns at once, before it has registered."""
        number = len(self.nodes) + 1
        config = attrs.evolve(config or self.config.kubelet, hostname_override=name)
        host = host or simulated_host(name, address=_address(number))
        runtime = SimulatedRuntime(self.clock, pod_cidr=_pod_cidr(number))
        node = self.nodes[name] = Node(config, host, runtime, *self._start_agent(config, host, runtime))
        return node

    async def lose_node(self, name: str) -> None:
        """Kills a node's agent: it writes nothing more. The Node object and the containers stay."""
        task = self.nodes[name].task
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    def restart_node(self, name: str) -> None:
        """Starts a new agent on a lost node; it finds the containers that are still there."""
        node = self.nodes[name]
        node.kubelet, node.task = self._start_agent(node.config, node.host, node.runtime)

    def _start_agent(
        self, config: KubeletConfig, host: HostFacts, runtime: SimulatedRuntime
    ) -> tuple[Kubelet, asyncio.Task[None]]:
        client = self.client(node_user(config.hostname_override), user_agent="kubelet")
        recorder = EventRecorder(client, self.clock, "kubelet", config.hostname_override)
        kubelet = Kubelet(client, self.clock, config, runtime, host, recorder)
        return kubelet, self._spawn(kubelet.name, kubelet.run)

    def _spawn(self, name: str, run: Callable[[], Coroutine[object, object, None]]) -> asyncio.Task[None]:
        return self._group.create_task(run(), name=name)

    async def _run(self) -> None:
        await self.server.start()
        if "RBAC" in self.config.authorization:
            await permissions.grant(self.client())
        try:
            async with self._group:
                components = self._start_components()
                for number in range(1, self.config.nodes + 1):
                    self.add_node(f"node-{number}")
                self._ready.set()
                await self._stop.wait()
                for task in (*components, *(node.task for node in self.nodes.values())):
                    task.cancel()
        finally:
            await self.server.close()

    def _start_components(self) -> list[asyncio.Task[None]]:
        tasks = []
        if self.config.controllers is not None:
            manager = ControllerManager(
                self.client(CONTROLLER_MANAGER, user_agent="kube-controller-manager"),
                self.clock,
                selected_controllers(self.config.controllers),
            )
            tasks.append(self._spawn("kube-controller-manager", manager.run))
        if self.config.scheduler is not None:
            client = self.client(SCHEDULER, user_agent="kube-scheduler")
            scheduler = Scheduler(client, self.clock, self.config.scheduler)
            tasks.append(self._spawn("kube-scheduler", scheduler.run))
        return tasks


def node_user(name: str) -> User:
    """The user that the agent of a node is."""
    return User(f"{NODE_PREFIX}{name}", (NODES_GROUP, AUTHENTICATED))


def _address(number: int) -> str:
    """The address of a node, from 10.0.0.0/8."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _pod_cidr(number: int) -> str:
    """The addresses of a node's pods, from 100.64.0.0/10: 256 a node, for at most 16384 nodes."""
    return f"100.{64 + (number >> 8 & 63)}.{number & 255}.0/24"
