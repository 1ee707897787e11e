"""An API server and a scheduler in one process, and a test's hands on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs

from refimpl.api import meta
from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import EVENTS_V1, NODES, PODS
from refimpl.apiserver.server import ApiServer
from refimpl.client.client import Client
from refimpl.client.transport import DirectTransport
from refimpl.clock import Clock
from refimpl.scheduler import Scheduler, SchedulerConfig
from refimpl.storage.memory import MemoryStore
from tests.scheduler import objects


@attrs.define(eq=False)
class Cluster:
    """What a test does to the cluster, and sees of it."""

    client: Client
    clock: Clock
    make_scheduler: Callable[[], Scheduler]
    _running: asyncio.Task[None] | None = None

    async def start_scheduler(self) -> None:
        """Starts a scheduler and waits until it works."""
        scheduler = self.make_scheduler()
        self._running = asyncio.create_task(scheduler.run())
        leading = asyncio.create_task(scheduler.leading.wait())
        await asyncio.wait({self._running, leading}, return_when="FIRST_COMPLETED")
        leading.cancel()
        if self._running.done():
            self._running.result()

    async def stop_scheduler(self) -> None:
        """Stops it, and raises what it died of if it was dead already."""
        assert self._running is not None
        if self._running.done():
            self._running.result()
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def restart_scheduler(self) -> None:
        """Another one takes over."""
        await self.stop_scheduler()
        await self.start_scheduler()

    async def node(self, name: str = "n1", *, ready: bool = True, **kwargs: Any) -> Object:
        """Registers a node; its allocatable is what `objects.node` gives it."""
        wanted = objects.node(name, **kwargs)
        conditions = [{"type": "Ready", "status": str(ready), "reason": "Test", "message": ""}]
        await self.client.create(NODES, {**wanted, "status": {**wanted["status"], "conditions": conditions}})
        # The admission's not-ready taint is the node lifecycle controller's to remove, which does not run here.
        taints = wanted["spec"].get("taints") or []
        return await self.patch_node(name, {"spec": {"taints": taints or None}}, kind="merge")

    async def patch_node(self, name: str, patch: Object, **kwargs: Any) -> Object:
        """Patches a node."""
        return await self.client.patch(NODES, name, patch, **kwargs)

    async def offer(self, node: str, **allocatable: str) -> None:
        """Changes a node's allocatable."""
        patch = {"status": {"allocatable": allocatable, "capacity": allocatable}}
        await self.client.patch(NODES, node, patch, subresource="status")

    async def pod(self, name: str, *, namespace: str = "default", **kwargs: Any) -> Object:
        """Creates a pod."""
        wanted = objects.pod(name, namespace=namespace, **kwargs)
        for field in ("uid", "resourceVersion"):
            del wanted["metadata"][field]
        if "priority" not in kwargs:
            del wanted["spec"]["priority"]
        return await self.client.create(PODS, wanted)

    async def get(self, name: str, namespace: str = "default") -> Object:
        """Reads a pod."""
        return await self.client.get(PODS, name, namespace=namespace)

    async def delete(self, name: str, grace: int | None = 0, namespace: str = "default") -> None:
        """Deletes a pod, at once unless told otherwise."""
        await self.client.delete(PODS, name, namespace=namespace, grace_period=grace)

    async def finish(self, name: str, phase: str) -> None:
        """Writes a pod's last phase, as a kubelet does."""
        await self.client.patch(PODS, name, {"status": {"phase": phase}}, namespace="default", subresource="status")

    async def until(self, name: str, holds: Callable[[Object], Any], within: float = 5.0) -> Object:
        """Waits until something holds of a pod.

        Raises:
            AssertionError: it did not in time.
        """
        end = self.clock.monotonic() + within
        while True:
            found = await self.get(name)
            if holds(found):
                return found
            assert self.clock.monotonic() < end, (
                f"{name} after {within}s: {found['spec'].get('nodeName')} {found['status']}"
            )
            await asyncio.sleep(0.05)

    async def bound(self, name: str, within: float = 5.0) -> str:
        """Waits until a pod is bound; its node."""
        node: str = (await self.until(name, node_of, within))["spec"]["nodeName"]
        return node

    async def refused(self, name: str, within: float = 5.0) -> Object:
        """Waits until the scheduler has said that no node can take a pod; that condition."""
        found = meta.condition(await self.until(name, is_refused, within), "PodScheduled")
        assert found is not None
        return found

    async def events(self, name: str, reason: str) -> list[Object]:
        """The events about a pod with a reason, after those under way have been written."""
        await asyncio.sleep(1)
        listed = await self.client.list(EVENTS_V1, namespace="default")
        return [one for one in listed["items"] if one["regarding"]["name"] == name and one["reason"] == reason]


def node_of(pod: Object) -> str:
    """The node a pod is bound to, or empty."""
    return pod["spec"].get("nodeName") or ""


def is_refused(pod: Object) -> bool:
    """Whether the scheduler has said that no node can take the pod."""
    found = meta.condition(pod, "PodScheduled")
    return found is not None and (found["status"], found.get("reason")) == ("False", "Unschedulable")


@asynccontextmanager
async def scheduling(
    clock: Clock, config: SchedulerConfig | None = None, *, transport: Callable[[ApiServer], Any] | None = None
) -> AsyncIterator[Cluster]:
    """Runs an API server and a scheduler.

    Args:
        clock: time of both.
        config: the scheduler's.
        transport: the scheduler's way to the server, where it is to be a bad one.
    """
    server = ApiServer(MemoryStore(), clock)
    await server.start()
    way = transport(server) if transport else DirectTransport(server.handle)
    cluster = Cluster(Client(DirectTransport(server.handle)), clock, lambda: Scheduler(Client(way), clock, config))
    try:
        await cluster.start_scheduler()
        yield cluster
    finally:
        await cluster.stop_scheduler()
        await server.close()


async def gone(cluster: Cluster, name: str) -> bool:
    """Whether a pod does not exist."""
    try:
        await cluster.get(name)
    except ApiError as error:
        return error.code == 404
    return False
