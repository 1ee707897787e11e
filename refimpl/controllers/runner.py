"""What all controllers share: one informer a resource, event recorders, and the manager that runs them.

A controller is built from a `ControllerContext`: in its constructor it asks for the informers and recorders it needs
and registers its handlers; its `run` is called when every cache is in sync, and runs until it is cancelled.

    class EndpointsController:
        name = "endpoints-controller"

        def __init__(self, context: ControllerContext) -> None:
            self._services = context.informers.informer(SERVICES)
            self._services.add_handler(self._service_changed)
            self._recorder = context.recorder("endpoint-controller")

        async def run(self) -> None: ...

    await ControllerManager(client, clock, [EndpointsController, partial(PodGarbage, config=config)]).run()

Source of the shape: kube-controller-manager 1.36 (`ControllerContext`, shared informers, leader election).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import attrs

from refimpl.api.resources import Resource
from refimpl.client.client import Client
from refimpl.client.events import EventRecorder
from refimpl.client.informer import Index, Informer
from refimpl.client.leaderelection import LeaderElector
from refimpl.clock import Clock

log = logging.getLogger(__name__)


class Controller(Protocol):
    """One controller of the manager."""

    @property
    def name(self) -> str:
        """The name it has in kube-controller-manager's `--controllers`, e.g. `node-lifecycle-controller`."""
        ...

    async def run(self) -> None:
        """Works until cancelled; called when the caches are in sync."""
        ...


class InformerFactory:
    """One informer a resource, shared by all who ask before the start.

    Args:
        client: where to list and watch.
        clock: for back-off.
    """

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._informers: dict[Resource, Informer] = {}
        self._started = False

    def informer(self, resource: Resource, indexes: Mapping[str, Index] | None = None) -> Informer:
        """The informer of a resource over all namespaces; created at the first call.

        Args:
            resource: the row of the table.
            indexes: index functions to add. A name must always stand for the same function.

        Raises:
            RuntimeError: the informers already run, and this resource is not among them.
            ValueError: an index of that name but of another function exists.
        """
        informer = self._informers.get(resource)
        if informer is None:
            if self._started:
                raise RuntimeError(f"informer for {resource.plural} requested after the start")
            informer = self._informers[resource] = Informer(self._client, resource, self._clock)
        for name, function in (indexes or {}).items():
            informer.add_index(name, function)
        return informer

    async def run(self) -> None:
        """Keeps all caches current until cancelled; the failure of one ends all."""
        self._started = True
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                group.create_task(informer.run(), name=f"informer {informer.resource.plural}")

    async def wait_synced(self) -> None:
        """Returns when every cache has been filled."""
        for informer in self._informers.values():
            await informer.synced.wait()


@attrs.define(eq=False)
class ControllerContext:
    """What a controller is built from.

    Attributes:
        client: the API.
        clock: time, randomness, uids.
        informers: shared caches.
    """

    client: Client
    clock: Clock
    informers: InformerFactory
    _recorders: dict[str, EventRecorder] = attrs.field(factory=dict, init=False)

    def recorder(self, component: str) -> EventRecorder:
        """The event recorder of a component, e.g. `node-controller`; to be asked for in the constructor."""
        recorder = self._recorders.get(component)
        if recorder is None:
            recorder = self._recorders[component] = EventRecorder(self.client, self.clock, component)
        return recorder

    @property
    def recorders(self) -> Mapping[str, EventRecorder]:
        """All recorders asked for, by component."""
        return self._recorders


Builder = Callable[[ControllerContext], Controller]
"""Makes a controller: usually its class, or a `functools.partial` of it with its configuration."""


class ControllerManager:
    """Runs a set of controllers with their informers, after winning the election where there is one.

    Nothing is built before the election is won: a standby holds no state, and every term starts with fresh caches and
    fresh memory, as a restarted kube-controller-manager does.

    Args:
        client: the API.
        clock: time, randomness, uids.
        builders: one for each controller, started in this order.
        elector: leader election; None means that this is the only manager.
    """

    def __init__(
        self, client: Client, clock: Clock, builders: Sequence[Builder], *, elector: LeaderElector | None = None
    ) -> None:
        self._client = client
        self._clock = clock
        self._builders = tuple(builders)
        self._elector = elector
        self.leading = asyncio.Event()

    async def run(self) -> None:
        """Works until cancelled.

        Raises:
            LeadershipLost: the lease could not be renewed; the process should end.
            ExceptionGroup: a controller, informer or recorder failed; all others were stopped.
        """
        if self._elector is None:
            await self._lead()
        else:
            await self._elector.run(self._lead)

    async def _lead(self) -> None:
        context = ControllerContext(self._client, self._clock, InformerFactory(self._client, self._clock))
        controllers = [build(context) for build in self._builders]
        async with asyncio.TaskGroup() as group:
            group.create_task(supervised("informers", context.informers.run), name="informers")
            for component, recorder in context.recorders.items():
                group.create_task(supervised(f"events of {component}", recorder.run), name=f"events {component}")
            await context.informers.wait_synced()
            for controller in controllers:
                group.create_task(supervised(controller.name, controller.run), name=controller.name)
            self.leading.set()
            log.info("running %s", ", ".join(controller.name for controller in controllers))


async def supervised(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Runs what should run until it is cancelled, and says so loudly when it does not.

    Raises:
        RuntimeError: it returned by itself.
        Exception: whatever it raised, after it was logged.
    """
    try:
        await run()
    except Exception:
        log.critical("%s failed; the process must end", name, exc_info=True)
        raise
    log.critical("%s ended by itself; the process must end", name)
    raise RuntimeError(f"{name} ended by itself")
