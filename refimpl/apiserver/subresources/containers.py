"""`log`, `exec`, `attach` and `portforward` of a pod, `proxy` of a node: found here, served by the node's kubelet.

Source: kube-apiserver 1.36, `registry/core/pod/strategy.go` (`LogLocation`, `ExecLocation`).
"""

from __future__ import annotations

from urllib.parse import urlencode

from refimpl.api.errors import ApiError, Cause, Object, bad_request, invalid, method_not_allowed, not_found
from refimpl.api.http import Response
from refimpl.api.resources import NODES, PODS, Resource
from refimpl.apiserver.nodeproxy import kubelets, tunnels
from refimpl.apiserver.nodeproxy.kubelets import Location
from refimpl.apiserver.verbs.call import Call

_LOG_OPTIONS = Resource("", "v1", "PodLogOptions", "podlogoptions")
_LOG_PARAMETERS = (
    "follow",
    "previous",
    "timestamps",
    "sinceSeconds",
    "sinceTime",
    "tailLines",
    "limitBytes",
    "stream",
    "insecureSkipTLSVerifyBackend",
)
_LEAST = {"tailLines": 0, "sinceSeconds": 1, "limitBytes": 1}
_KUBELET_FLAGS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
_KINDS = ("containers", "initContainers", "ephemeralContainers")


async def log(call: Call) -> Response:
    """A container's output, as the kubelet has it.

    Raises:
        ApiError: 400, 404, 422, 500.
    """
    pod = _pod(call)
    causes = [cause for name in _LEAST for cause in _too_small(call, name)] + _two_beginnings(call)
    if causes:
        raise invalid(_LOG_OPTIONS, call.target.name, causes)
    container = chosen_container(pod, call.request.parameter("container") or "")
    node = (pod.get("spec") or {}).get("nodeName", "")
    if not node:
        return Response(204, b"", (("cache-control", "no-cache, private"),))
    query = [(key, value) for key, value in call.request.query if key in _LOG_PARAMETERS]
    location = _location(call, node, f"/containerLogs/{_path(call)}/{container}", query)
    return await call.kubelets(location, call.request)


def _two_beginnings(call: Call) -> list[Cause]:
    if not (call.request.parameter("sinceSeconds") and call.request.parameter("sinceTime")):
        return []
    why = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
    return [Cause("FieldValueForbidden", why, "[]")]


async def stream(call: Call) -> Response:
    """An interactive stream into a pod: exec, attach, portforward.

    Raises:
        ApiError: 400, 404, 500.
    """
    location = stream_location(call)
    tunnels.offered(call.request)
    return await call.kubelets(location, call.request)


async def node_proxy(call: Call) -> Response:
    """Anything the kubelet of a node serves; pods and services are not proxied.

    Raises:
        ApiError: 404, 405, 500.
    """
    target = call.target
    if target.resource is not NODES:
        raise method_not_allowed()
    if call.registry.entry(NODES, target.name) is None:
        raise not_found(NODES, target.name)
    location = _location(call, target.name, f"/{target.rest}", list(call.request.query))
    return await call.kubelets(location, call.request)


def stream_location(call: Call) -> Location:
    """Where the kubelet serves the stream that the request asks for.

    Raises:
        ApiError: 400, 404.
    """
    pod, kind = _pod(call), call.target.subresource
    path = {"exec": "/exec", "attach": "/attach", "portforward": "/portForward"}[kind] + f"/{_path(call)}"
    if kind != "portforward":
        path += f"/{chosen_container(pod, call.request.parameter('container') or '')}"
    node = (pod.get("spec") or {}).get("nodeName", "")
    if not node:
        raise bad_request(f"pod {call.target.name} does not have a host assigned")
    query = [(_KUBELET_FLAGS[key], "1") for key in _KUBELET_FLAGS if call.flag(key)]
    query += [pair for pair in call.request.query if pair[0] == "command"]
    if kind == "portforward":
        query = [pair for pair in call.request.query if pair[0] == "ports"]
    return _location(call, node, path, query)


def chosen_container(pod: Object, wanted: str) -> str:
    """The name of the container that is meant.

    Raises:
        ApiError: 400, there is no such container, or several and none was named.
    """
    name, spec = pod["metadata"]["name"], pod.get("spec") or {}
    listed = [container["name"] for container in spec.get("containers") or ()]
    if not wanted:
        if len(listed) == 1:
            return str(listed[0])
        raise _must_choose(name, listed, [one["name"] for one in spec.get("initContainers") or ()])
    if all(container["name"] != wanted for kind in _KINDS for container in spec.get(kind) or ()):
        raise bad_request(f"container {wanted} is not valid for pod {name}")
    return wanted


def _must_choose(pod: str, containers: list[str], init: list[str]) -> ApiError:
    text = f"a container name must be specified for pod {pod}, choose one of: [{' '.join(containers)}]"
    return bad_request(text + (f" or one of the init containers: [{' '.join(init)}]" if init else ""))


def _too_small(call: Call, name: str) -> list[Cause]:
    value, least = call.integer(name), _LEAST[name]
    if value is None or value >= least:
        return []
    bound = "must be greater than or equal to 0" if least == 0 else "must be greater than 0"
    return [Cause("FieldValueInvalid", f"Invalid value: {value}: {bound}", name)]


def _pod(call: Call) -> Object:
    pod = call.registry.get(PODS, call.target.name, call.target.namespace)
    if pod is None:
        raise not_found(PODS, call.target.name)
    return pod


def _path(call: Call) -> str:
    return f"{call.target.namespace}/{call.target.name}"


def _location(call: Call, node: str, path: str, query: list[tuple[str, str]]) -> Location:
    types = call.settings.kubelet_preferred_address_types
    return kubelets.locate(call.registry, node, f"{path}?{urlencode(query)}" if query else path, types)
