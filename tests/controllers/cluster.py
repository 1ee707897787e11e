"""A whole control plane in one process for the tests of controllers, with a kubelet that only pretends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs

from refimpl.api.errors import ApiError, Object
from refimpl.api.meta import condition
from refimpl.api.resources import EVENTS, NAMESPACES, NODES, PODS, Resource
from refimpl.apiserver.server import ApiServer
from refimpl.client.client import Client
from refimpl.client.transport import DirectTransport
from refimpl.client.workqueue import WorkQueue
from refimpl.clock import Clock
from refimpl.controllers.runner import Builder, ControllerManager, InformerFactory
from refimpl.controllers.workloads.workers import run_workers
from refimpl.storage.memory import MemoryStore


def template(labels: dict[str, str] | None = None, image: str = "nginx", **spec: Any) -> Object:
    return {
        "metadata": {"labels": labels or {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": image}], "restartPolicy": "Always", **spec},
    }


class PretendingKubelets:
    """Binds every pod to one of the nodes, says it runs and is ready, and ends what is to be deleted."""

    def __init__(self, client: Client, clock: Clock, nodes: Sequence[str] = ("n1", "n2", "n3")) -> None:
        self.nodes = list(nodes)
        self.silent: set[str] = set()
        self.unready: Callable[[Object], bool] = lambda _: False
        self.phase = "Running"
        self._client = client
        self._clock = clock
        self._queue: WorkQueue[tuple[str, str]] = WorkQueue(clock)
        self._informers = InformerFactory(client, clock)
        self._pods = self._informers.informer(PODS)
        self._pods.add_handler(lambda old, new: self._queue.add(_key(new or old)))
        self._turn = 0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._informers.run())
            group.create_task(run_workers(self._queue, self._sync, "kubelet", 4))

    def wake(self) -> None:
        for pod in self._pods.list():
            self._queue.add(_key(pod))

    async def _sync(self, key: tuple[str, str]) -> None:
        pod = self._pods.get(key[1], key[0])
        if pod is None or pod["spec"].get("nodeName") in self.silent:
            return
        metadata = pod["metadata"]
        try:
            if metadata.get("deletionTimestamp"):
                await self._client.delete(PODS, key[1], namespace=key[0], grace_period=0, uid=metadata["uid"])
            elif not pod["spec"].get("nodeName"):
                await self._bind(pod)
            else:
                await self._report(pod)
        except ApiError as error:
            if error.code not in {404, 409}:
                raise

    async def _bind(self, pod: Object) -> None:
        node = self._pinned(pod) or self._next()
        if node is None:
            return
        metadata = pod["metadata"]
        body = {"metadata": {"name": metadata["name"]}, "target": {"kind": "Node", "name": node}}
        await self._client.create(
            PODS, body, namespace=metadata["namespace"], name=metadata["name"], subresource="binding"
        )

    async def _report(self, pod: Object) -> None:
        ready = "False" if self.unready(pod) else "True"
        known = condition(pod, "Ready")
        settled = (pod.get("status") or {}).get("phase") in {self.phase, "Succeeded", "Failed"}
        if settled and known is not None and known["status"] == ready:
            return
        metadata = pod["metadata"]
        stamp = self._clock.timestamp()
        octet = int(metadata["uid"][:2], 16), int(metadata["uid"][2:4], 16)
        address = f"192.0.{octet[0]}.{octet[1]}"
        status = {
            "phase": self.phase,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": stamp}],
        }
        await self._client.patch(
            PODS,
            metadata["name"],
            {"status": status},
            namespace=metadata["namespace"],
            subresource="status",
            kind="merge",
        )

    def _pinned(self, pod: Object) -> str | None:
        affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
        required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
        for term in required.get("nodeSelectorTerms") or ():
            for field in term.get("matchFields") or ():
                return str(field["values"][0])
        return None

    def _next(self) -> str | None:
        usable = [node for node in self.nodes if node not in self.silent]
        if not usable:
            return None
        self._turn += 1
        return usable[self._turn % len(usable)]


def _key(pod: Object | None) -> tuple[str, str]:
    assert pod is not None
    return pod["metadata"]["namespace"], pod["metadata"]["name"]


@attrs.define
class Cluster:
    client: Client
    clock: Clock
    kubelets: PretendingKubelets
    manager: ControllerManager
    server: ApiServer
    tasks: asyncio.TaskGroup
    managing: asyncio.Task[None]

    async def restart_manager(self, builders: Sequence[Builder]) -> None:
        """Ends the manager and starts a new one, with empty caches and no memory."""
        self.managing.cancel()
        await asyncio.wait([self.managing])
        self.manager = ControllerManager(self.client, self.clock, builders)
        self.managing = self.tasks.create_task(self.manager.run())
        await self.manager.leading.wait()

    async def namespace(self, name: str) -> Object:
        return await self.client.create(NAMESPACES, {"metadata": {"name": name}})

    async def node(self, name: str, labels: dict[str, str] | None = None, **spec: Any) -> Object:
        metadata = {"name": name, "labels": labels or {}}
        node = await self.client.create(NODES, {"metadata": metadata, "spec": spec})
        taints = spec.get("taints") or []
        return await self.client.patch(NODES, node["metadata"]["name"], {"spec": {"taints": taints}}, kind="merge")

    async def create(self, resource: Resource, name: str, namespace: str = "default", **parts: Any) -> Object:
        metadata = {"name": name, **parts.pop("metadata", {})}
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **parts}
        return await self.client.create(resource, body, namespace=namespace if resource.namespaced else None)

    async def get(self, resource: Resource, name: str, namespace: str = "default") -> Object:
        return await self.client.get(resource, name, namespace=namespace if resource.namespaced else None)

    async def list(self, resource: Resource, namespace: str | None = "default", **query: Any) -> list[Object]:
        items = (await self.client.list(resource, namespace=namespace, **query))["items"]
        return list(items)

    async def patch(self, resource: Resource, name: str, patch: Any, namespace: str = "default", **more: Any) -> Object:
        return await self.client.patch(
            resource, name, patch, namespace=namespace if resource.namespaced else None, **{"kind": "merge", **more}
        )

    async def delete(self, resource: Resource, name: str, namespace: str = "default", **more: Any) -> Object:
        return await self.client.delete(resource, name, namespace=namespace if resource.namespaced else None, **more)

    async def gone(self, resource: Resource, name: str, namespace: str = "default") -> bool:
        try:
            await self.get(resource, name, namespace)
        except ApiError as error:
            if error.code == 404:
                return True
            raise
        return False

    async def settle(self, seconds: float = 5.0) -> None:
        await self.clock.sleep(seconds)

    async def reasons(self, name: str, namespace: str = "default") -> list[str]:
        events = await self.list(EVENTS, namespace)
        return [event["reason"] for event in events if event["involvedObject"]["name"] == name]

    async def messages(self, name: str, reason: str, namespace: str = "default") -> list[str]:
        events = await self.list(EVENTS, namespace)
        return [
            event["message"]
            for event in events
            if event["involvedObject"]["name"] == name and event["reason"] == reason
        ]


@asynccontextmanager
async def control_plane(clock: Clock, *builders: Builder, kubelets: bool = True) -> AsyncIterator[Cluster]:
    """An API server with the given controllers, on virtual time, until the block is left."""
    server = ApiServer(MemoryStore(), clock)
    await server.start()
    client = Client(DirectTransport(server.handle))
    pretending = PretendingKubelets(client, clock)
    manager = ControllerManager(client, clock, builders)
    async with asyncio.TaskGroup() as group:
        managing = group.create_task(manager.run())
        nodes = group.create_task(pretending.run()) if kubelets else None
        await manager.leading.wait()
        cluster = Cluster(client, clock, pretending, manager, server, group, managing)
        yield cluster
        cluster.managing.cancel()
        if nodes is not None:
            nodes.cancel()
    await server.close()
