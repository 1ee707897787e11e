"""The kubelet's server: health, pods, logs, and local control, as a function from request to response.

    GET  /healthz
    GET  /pods
    GET  /containerLogs/NAMESPACE/POD/CONTAINER?follow&previous&tailLines&sinceSeconds&sinceTime&timestamps&limitBytes
    GET  /exec/NAMESPACE/POD/CONTAINER?command&input&output&error&tty    websocket, see `streaming`
    GET  /attach/NAMESPACE/POD/CONTAINER?input&output&error&tty          websocket
    GET  /portForward/NAMESPACE/POD                                      websocket, see `portforward`
    POST /control/OPERATION    only with local control; the body has the operation's arguments

`serving` puts it on the network. Errors are plain text, as in kubelet 1.36 (`server.go`); the API server makes Status
objects of them.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Protocol

import msgspec

from refimpl.api.errors import Object
from refimpl.api.http import Request, Response
from refimpl.clock import Clock, parse_time
from refimpl.kubelet.control import Control, NotControllable
from refimpl.kubelet.http import portforward
from refimpl.kubelet.http.streaming import Refusal, Socket, agreed, converse, fail_to_start, open_session
from refimpl.kubelet.machine.stats import PodUsage
from refimpl.kubelet.runtime.base import LogOptions, Runtime, StartFailure

log = logging.getLogger(__name__)

_TEXT = (("content-type", "text/plain; charset=utf-8"),)


class Node(Protocol):
    """The part of a kubelet that its server shows."""

    runtime: Runtime

    @property
    def control(self) -> Control | None:
        """The levers; None when local control is off."""
        ...

    def pod_objects(self) -> list[Object]:
        """The pods of this node with their current statuses."""
        ...


class KubeletServer:
    """Answers requests about one node.

    Args:
        node: the kubelet.
        clock: for `sinceSeconds`.
    """

    def __init__(self, node: Node, clock: Clock) -> None:
        self._node = node
        self._clock = clock

    async def handle(self, request: Request) -> Response:
        """Answers one request."""
        try:
            parts = [part for part in request.path.split("/") if part]
            if request.method == "POST" and len(parts) == 2 and parts[0] == "control":
                return await self._control(parts[1], request.body)
            return self._serve(request, parts)
        except Refusal as refusal:
            return Response(refusal.code, f"{refusal}\n".encode(), _TEXT)

    async def handle_socket(self, request: Request, socket: Socket) -> None:
        """Serves one websocket."""
        parts = [part for part in request.path.split("/") if part]
        try:
            await self._serve_socket(request, parts, socket)
        except Refusal as refusal:
            await socket.refuse(refusal.code, str(refusal))

    async def _serve_socket(self, request: Request, parts: list[str], socket: Socket) -> None:
        match parts:
            case ["exec" | "attach" as kind, namespace, pod, container]:
                found = self._running(namespace, pod, container)
                await self._converse(request, socket, found, attach=kind == "attach")
            case ["portForward", namespace, pod]:
                host = self._port_host(namespace, pod)
                await socket.accept(agreed(request, (portforward.PROTOCOL,)))
                await portforward.PortForward(socket, host, f"{namespace}/{pod}").run()
            case _:
                raise Refusal(404, "404 page not found")

    async def _converse(self, request: Request, socket: Socket, container_id: str, *, attach: bool) -> None:
        protocol = agreed(request)
        try:
            session = await open_session(self._node.runtime, container_id, request, attach=attach)
        except StartFailure as failure:
            await socket.accept(protocol)
            await fail_to_start(failure, socket)
            return
        await socket.accept(protocol)
        await converse(session, socket)

    def _port_host(self, namespace: str, name: str) -> str:
        """Where the ports of a pod are reached: its own address, or this machine for pods that share the node's."""
        pod = self._find(namespace, name)
        sandbox = self._node.runtime.sandbox(pod["metadata"]["uid"])
        if sandbox is None or not sandbox.running:
            raise Refusal(400, f"unable to forward port because pod is not running: {namespace}/{name}")
        address = next(iter(sandbox.ips), "")
        return "127.0.0.1" if not address or address == (pod.get("status") or {}).get("hostIP") else address

    def _running(self, namespace: str, pod: str, container: str) -> str:
        """The id of a running container."""
        uid = self._find(namespace, pod)["metadata"]["uid"]
        sandbox = self._node.runtime.sandbox(uid)
        latest = sandbox.latest(container) if sandbox else None
        if latest is None or not latest.running:
            raise Refusal(500, f'container not found ("{container}")')
        return latest.id

    def _serve(self, request: Request, parts: list[str]) -> Response:
        match request.method, parts:
            case "GET", ["healthz"]:
                return Response(200, b"ok", _TEXT)
            case "GET", ["pods"]:
                return self._pods()
            case "GET", ["containerLogs", namespace, pod, container]:
                return self._logs(request, namespace, pod, container)
            case _:
                raise Refusal(404, "404 page not found")

    def _pods(self) -> Response:
        listed = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": self._node.pod_objects()}
        return Response(200, msgspec.json.encode(listed))

    def _logs(self, request: Request, namespace: str, name: str, container: str) -> Response:
        pod = self._find(namespace, name)
        options = log_options(request, self._clock)
        previous = _flag(request, "previous")
        container_id = log_source(pod.get("status") or {}, name, container, previous=previous)
        lines = self._node.runtime.logs(container_id, options)
        return Response(200, limited(lines, options.limit_bytes), _TEXT)

    def _find(self, namespace: str, name: str) -> Object:
        for pod in self._node.pod_objects():
            if (pod["metadata"]["namespace"], pod["metadata"]["name"]) == (namespace, name):
                return pod
        raise Refusal(404, f'pod "{name}" does not exist')

    async def _control(self, operation: str, body: bytes) -> Response:
        control = self._node.control
        if control is None:
            raise Refusal(404, "local control is off")
        lever = levers(control).get(operation)
        if lever is None:
            raise Refusal(404, f"no such operation: {operation}")
        try:
            going_on = lever(msgspec.json.decode(body or b"{}"))
            if going_on is not None:
                await going_on
        except NotControllable as error:
            raise Refusal(409, str(error)) from None
        except (KeyError, TypeError, msgspec.DecodeError) as error:
            raise Refusal(400, f"{operation}: {error}") from None
        return Response(200, b"ok\n", _TEXT)


def levers(control: Control) -> dict[str, Callable[[Any], Awaitable[None] | None]]:
    """The operations of local control; each takes the decoded body."""
    return {
        "available": lambda given: control.set_available(given["signal"], int(given["available"])),
        "reset": lambda given: control.reset(given["signal"]),
        "devices": lambda given: control.set_devices(given["resource"], given["healthy"], given.get("unhealthy", 0)),
        "remove-plugin": lambda given: control.remove_plugin(given["resource"]),
        "exit": lambda given: control.exit_container(
            given["namespace"], given["pod"], given["container"], given["exitCode"], given.get("reason", "")
        ),
        "usage": lambda given: control.set_usage(given["namespace"], given["pod"], PodUsage(**given["usage"])),
        "runtime": lambda given: control.set_runtime_down(down=given["down"]),
        "withhold": lambda given: control.withhold(given["resource"], on=given["on"]),
        "shutdown": lambda _: control.shut_down(),
        "network": lambda given: control.set_network(given["error"]),
    }


def log_options(request: Request, clock: Clock) -> LogOptions:
    """The part of the log that a request asks for.

    Raises:
        Refusal: a parameter cannot be read.
    """
    seconds, since = _number(request, "sinceSeconds"), request.parameter("sinceTime")
    try:
        moment = parse_time(since) if since else None
    except ValueError:
        raise Refusal(400, f"sinceTime: {since!r} is not a time") from None
    if seconds is not None:
        moment = clock.now() - timedelta(seconds=seconds)
    return LogOptions(
        follow=_flag(request, "follow"),
        tail=_number(request, "tailLines"),
        since=moment,
        timestamps=_flag(request, "timestamps"),
        limit_bytes=_number(request, "limitBytes"),
    )


def log_source(status: Object, pod: str, container: str, *, previous: bool) -> str:
    """The id of the run whose log is meant: the current one, or the last one where none runs.

    Raises:
        Refusal: there is no such run.
    """
    found = _container_status(status, container)
    if found is None:
        raise Refusal(400, f'container "{container}" in pod "{pod}" is not available')
    last = (found.get("lastState") or {}).get("terminated") or {}
    if previous:
        if not last.get("containerID"):
            raise Refusal(400, f'previous terminated container "{container}" in pod "{pod}" not found')
        return _bare(last["containerID"])
    state = found.get("state") or {}
    current = (state.get("terminated") or {}).get("containerID") or ("running" in state and found.get("containerID"))
    if current:
        return _bare(current)
    if last.get("containerID"):
        return _bare(last["containerID"])
    raise Refusal(400, f'container "{container}" in pod "{pod}" is waiting to start: {_why(state)}')


async def limited(lines: AsyncGenerator[bytes, None], most: int | None) -> AsyncGenerator[bytes, None]:
    """A stream of bytes, cut after `most` of them."""
    left = most
    async with aclosing(lines) as stream:
        async for chunk in stream:
            if left is not None and len(chunk) >= left:
                yield chunk[:left]
                return
            if left is not None:
                left -= len(chunk)
            if chunk:
                yield chunk


def _container_status(status: Object, name: str) -> Object | None:
    for kind in ("containerStatuses", "initContainerStatuses"):
        for entry in status.get(kind) or ():
            if entry["name"] == name:
                found: Object = entry
                return found
    return None


def _why(state: Object) -> str:
    reason = (state.get("waiting") or {}).get("reason", "")
    if reason == "ErrImagePull":
        return "image can't be pulled"
    if reason == "ImagePullBackOff":
        return "trying and failing to pull image"
    return reason or "no logs yet"


def _bare(container_id: str) -> str:
    return container_id.rpartition("//")[2]


def _flag(request: Request, name: str) -> bool:
    return request.parameter(name) in {"true", "1", ""}


def _number(request: Request, name: str) -> int | None:
    text = request.parameter(name)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise Refusal(400, f"{name}: {text!r} is not a number") from None
