"""A master in this process for tests of the kubelet: the reference API server, with a record of what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import attrs
import msgspec

from refimpl.api.errors import ApiError
from refimpl.api.http import Request, Response
from refimpl.api.resources import LEASES, NODES, PODS
from refimpl.apiserver.server import ApiServer
from refimpl.client.client import Client
from refimpl.client.transport import DirectTransport, Unreachable
from refimpl.clock import Clock
from refimpl.kubelet import Kubelet, KubeletConfig
from refimpl.kubelet.machine.host import HostFacts, simulated_host
from refimpl.kubelet.runtime.simulated import SimulatedRuntime

Fault = Callable[[Request], Awaitable[Response | None]]


@attrs.frozen
class Asked:
    """One request: when, what, with which body, and the answer's code."""

    at: float
    method: str
    path: str
    query: dict[str, str]
    body: Any
    code: int
    headers: dict[str, str]


@attrs.define(eq=False)
class Master:
    server: ApiServer
    clock: Clock
    log: list[Asked] = attrs.field(factory=list)
    fault: Fault | None = None
    _asked: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def next_request(self) -> None:
        """Waits for the answer to the next request."""
        self._asked.clear()
        await self._asked.wait()

    async def handle(self, request: Request) -> Response:
        at = self.clock.monotonic()
        response = await self.fault(request) if self.fault is not None else None
        if response is None:
            response = await self.server.handle(request)
        body = msgspec.json.decode(request.body) if request.body else None
        headers = dict(request.headers)
        self.log.append(Asked(at, request.method, request.path, dict(request.query), body, response.status, headers))
        self._asked.set()
        return response

    def client(self) -> Client:
        """The administrator's client, whose requests are not recorded."""
        return Client(DirectTransport(self.server.handle))

    def node_client(self) -> Client:
        return Client(DirectTransport(self.handle), user_agent="kubelet")

    def asked(self, method: str, path: str = "", *, since: float = 0.0) -> list[Asked]:
        """Requests of a method whose path contains the text, watches left out."""
        return [
            asked
            for asked in self.log
            if asked.method == method and path in asked.path and asked.at >= since and "watch" not in asked.query
        ]

    async def node(self, name: str = "n1") -> Any:
        return await self.client().get(NODES, name)

    async def lease(self, name: str = "n1") -> Any:
        return await self.client().get(LEASES, name, namespace="kube-node-lease")

    async def pod(self, name: str = "p1") -> Any:
        return await self.client().get(PODS, name, namespace="default")

    async def find_pod(self, name: str = "p1") -> Any:
        try:
            return await self.pod(name)
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    async def bind(self, name: str = "p1", *, node: str = "n1", **spec: Any) -> Any:
        """Creates a pod that is bound to the node already."""
        annotations = spec.pop("annotations", {})
        body = {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"name": name, "namespace": "default", "annotations": annotations},
            "spec": {"nodeName": node, "containers": [{"name": "c1", "image": "pause"}], **spec},
        }
        return await self.client().create(PODS, body)

    async def patch_pod_status(self, name: str, status: Any) -> None:
        await self.client().patch(PODS, name, {"status": status}, namespace="default", subresource="status")

    async def patch_node_status(self, status: Any, name: str = "n1") -> None:
        await self.client().patch(NODES, name, {"status": status}, subresource="status")


@contextlib.asynccontextmanager
async def running(kubelet: Kubelet) -> AsyncIterator[Kubelet]:
    """A kubelet that runs inside the block and is killed at its end."""
    task = asyncio.create_task(kubelet.run())
    try:
        yield kubelet
        if task.done():
            task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def make_kubelet(master: Master, runtime: SimulatedRuntime | None = None, **options: Any) -> Kubelet:
    """A kubelet named n1 on a simulated machine of four CPUs and 8 GiB."""
    host: HostFacts = options.pop("host", simulated_host("n1", address="10.0.0.1"))
    recorder, stats = options.pop("recorder", None), options.pop("stats", None)
    config = KubeletConfig(**{"hostname_override": "n1", "local_control": True, **options})
    runtime = runtime or SimulatedRuntime(master.clock)
    return Kubelet(master.node_client(), master.clock, config, runtime, host, recorder, stats=stats)


def refusing(code: int, method: str = "", path: str = "") -> Fault:
    """A fault: matching requests are answered with an error."""

    async def fault(request: Request) -> Response | None:
        if method in request.method and path in request.path:
            body = b'{"kind":"Status","apiVersion":"v1","status":"Failure","code":%d,"message":"fault"}' % code
            return Response(code, body)
        return None

    return fault


async def unreachable(request: Request) -> Response | None:
    raise Unreachable("the master is away")


async def eventually(condition: Callable[[], Awaitable[Any]], *, within: float = 60.0) -> Any:
    """Waits on virtual time until a condition holds; its truthy value."""
    for _ in range(int(within * 10)):
        found = await condition()
        if found:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"did not come true within {within:g}s")


async def until(master: Master, condition: Callable[[], Any]) -> None:
    """Waits, request by request, until a condition on what was asked holds."""
    while not condition():
        await master.next_request()


def script(text: str, name: str = "c1", **more: Any) -> dict[str, Any]:
    """A container that runs a shell script."""
    return {"name": name, "image": "busybox", "command": ["sh", "-c", text], **more}


def state(pod: Mapping[str, Any], index: int = 0, field: str = "containerStatuses") -> Mapping[str, Any]:
    """The state of one container."""
    found: Mapping[str, Any] = pod["status"][field][index]["state"]
    return found
