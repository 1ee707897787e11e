"""An API server and some controllers in one process, with nodes and pods that do only what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import attrs

from refimpl.api import meta
from refimpl.api.errors import ApiError, Object
from refimpl.api.http import Request, Response
from refimpl.api.resources import EVENTS, LEASES, NODES, PODS, Resource
from refimpl.apiserver.server import ApiServer
from refimpl.client.client import Client
from refimpl.client.transport import DirectTransport
from refimpl.clock import Clock, format_micro_time, parse_time
from refimpl.controllers.runner import Builder, ControllerManager
from refimpl.storage.memory import MemoryStore

LEASE_NAMESPACE = "kube-node-lease"
PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")


@attrs.define
class NodeCluster:
    client: Client
    clock: Clock
    beating: dict[str, asyncio.Task[None]] = attrs.field(factory=dict)
    requests: list[tuple[str, str]] = attrs.field(factory=list)
    refusals: list[Callable[[Request], Awaitable[ApiError | None]]] = attrs.field(factory=list)

    async def add_node(
        self,
        name: str,
        *,
        ready: str | None = "True",
        zone: str = "",
        labels: dict[str, str] | None = None,
        **spec: Any,
    ) -> Object:
        labels = dict(labels or {})
        if zone:
            labels["failure-domain.beta.kubernetes.io/zone"] = zone
        conditions = [] if ready is None else [self.condition("Ready", ready)]
        conditions += [] if ready is None else [self.condition(kind, "False") for kind in PRESSURES]
        body = {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": {"conditions": conditions}}
        return await self.client.create(NODES, body)

    def condition(self, kind: str, status: str, **more: Any) -> Object:
        now = self.clock.timestamp()
        times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
        return {"type": kind, "status": status, "reason": "Said", "message": "so", **times, **more}

    async def beat(self, name: str, status: str = "True", kind: str = "Ready", **more: Any) -> None:
        """Posts one condition as the node does: only the heartbeat moves unless the status changes."""
        posted = {"type": kind, "status": status, "lastHeartbeatTime": self.clock.timestamp(), **more}
        await self.client.patch(NODES, name, {"status": {"conditions": [posted]}}, subresource="status")

    async def renew(self, name: str, *, namespace: str = LEASE_NAMESPACE, skew: float = 0.0, **spec: Any) -> None:
        """Creates or renews a Lease."""
        renewed = format_micro_time(self.clock.now() + timedelta(seconds=skew))
        spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": renewed, **spec}
        try:
            await self.client.patch(LEASES, name, {"spec": spec}, namespace=namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            await self.client.create(LEASES, {"metadata": {"name": name, "namespace": namespace}, "spec": spec})

    def keep(self, *names: str, every: float = 10.0) -> None:
        """Lets nodes beat until `silence`."""

        async def beats(name: str) -> None:
            while True:
                await self.beat(name)
                await self.clock.sleep(every)

        for name in names:
            self.beating[name] = asyncio.create_task(beats(name))

    def silence(self, *names: str) -> None:
        for name in names:
            self.beating.pop(name).cancel()

    async def add_pod(self, name: str, node: str = "", *, ready: str | None = "True", **spec: Any) -> Object:
        """Creates a pod, bound if a node is named; with `ready`, its kubelet said so."""
        containers = [{"name": "c", "image": "i", "terminationMessagePath": "/dev/termination-log"}]
        spec = {"containers": containers, "terminationGracePeriodSeconds": 30, **spec}
        if node:
            spec["nodeName"] = node
        finalizers = spec.pop("finalizers", [])
        body = {"metadata": {"name": name, "namespace": "default", "finalizers": finalizers}, "spec": spec}
        pod = await self.client.create(PODS, body)
        status: Object = {"phase": "Running" if node else "Pending"}
        if ready is not None:
            status["conditions"] = [
                {"type": "Ready", "status": ready, "reason": "Kept", "message": "kept"},
                {"type": "ContainersReady", "status": ready},
            ]
        return await self.client.patch(PODS, name, {"status": status}, namespace="default", subresource="status") or pod

    async def node(self, name: str) -> Object:
        return await self.client.get(NODES, name)

    async def pod(self, name: str) -> Object:
        return await self.client.get(PODS, name, namespace="default")

    async def exists(self, resource: Resource, name: str, namespace: str | None = None) -> bool:
        try:
            await self.client.get(resource, name, namespace=namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            return False
        return True

    async def ready(self, name: str) -> str:
        return meta.condition_status(await self.node(name), "Ready")

    async def taints(self, name: str) -> set[tuple[str, str]]:
        """Key (without the common prefix) and effect."""
        found = (await self.node(name))["spec"].get("taints") or ()
        return {(taint["key"].removeprefix("node.kubernetes.io/"), taint["effect"]) for taint in found}

    async def time_added(self, name: str, effect: str = "NoExecute") -> str | None:
        found = (await self.node(name))["spec"].get("taints") or ()
        return next((taint.get("timeAdded") for taint in found if taint["effect"] == effect), None)

    async def set_taints(self, name: str, *taints: tuple[str, str]) -> None:
        wanted = [{"key": key, "effect": effect} for key, effect in taints]
        await self.client.patch(NODES, name, {"spec": {"taints": wanted}}, kind="merge")

    async def deletion(self, name: str) -> float | None:
        """When the pod's deletion was asked for, on the loop's clock; NaN when gone; None when it was not."""
        if not await self.exists(PODS, name, "default"):
            return float("nan")
        metadata = (await self.pod(name))["metadata"]
        if "deletionTimestamp" not in metadata:
            return None
        asked = parse_time(metadata["deletionTimestamp"]) - timedelta(seconds=metadata["deletionGracePeriodSeconds"])
        return self.seconds(asked)

    def seconds(self, moment: datetime | str) -> float:
        """A wall-clock time on the loop's clock."""
        moment = parse_time(moment) if isinstance(moment, str) else moment
        return (moment - self.clock.now()).total_seconds() + self.clock.monotonic()

    async def until(self, holds: Callable[[], Any], *, within: float, step: float = 0.25) -> float:
        """Waits until an async condition holds; the time on the loop's clock."""
        end = self.clock.monotonic() + within
        while not await holds():
            assert self.clock.monotonic() < end, f"did not happen within {within}s"
            await self.clock.sleep(step)
        return self.clock.monotonic()

    async def until_ready_is(self, name: str, status: str, *, within: float = 100.0) -> float:
        async def holds() -> bool:
            return await self.ready(name) == status

        return await self.until(holds, within=within)

    async def until_tainted(self, name: str, taint: tuple[str, str], *, within: float = 100.0) -> float:
        async def holds() -> bool:
            return taint in await self.taints(name)

        return await self.until(holds, within=within)

    def refuse(self, method: str, path: str, error: ApiError, times: int = 1) -> list[float]:
        """Refuses the controllers' next requests of that method to paths that begin so; the times when it did."""
        refused: list[float] = []

        async def refusal(request: Request) -> ApiError | None:
            if request.method != method or not request.path.startswith(path) or len(refused) >= times:
                return None
            refused.append(self.clock.monotonic())
            return error

        self.refusals.append(refusal)
        return refused

    async def events(self, about: str) -> list[Object]:
        found = (await self.client.list(EVENTS))["items"]
        mine = [event for event in found if event["involvedObject"]["name"] == about]
        return sorted(mine, key=lambda event: event["lastTimestamp"])

    async def reasons(self, about: str) -> list[str]:
        return [event["reason"] for event in await self.events(about)]


@asynccontextmanager
async def node_cluster(clock: Clock, *builders: Builder) -> AsyncIterator[NodeCluster]:
    """An API server with the given controllers, on virtual time, until the block is left."""
    server = ApiServer(MemoryStore(), clock)
    await server.start()
    cluster = NodeCluster(Client(DirectTransport(server.handle)), clock)

    async def counted(request):
        cluster.requests.append((request.method, request.path))
        for refuse in list(cluster.refusals):
            error = await refuse(request)
            if error is not None:
                return Response(error.code, error.to_wire())
        return await server.handle(request)

    manager = ControllerManager(Client(DirectTransport(counted)), clock, builders)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(manager.run())
        await manager.leading.wait()
        try:
            yield cluster
        finally:
            for name in list(cluster.beating):
                cluster.silence(name)
            running.cancel()
    await server.close()
