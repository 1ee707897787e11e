"""What every cluster has from its first moment: system namespaces, system priority classes, the API's own Service.

Source: kube-apiserver 1.36, `controlplane/controller/systemnamespaces`, `apis/scheduling/helpers.go`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from refimpl.api.errors import Object
from refimpl.api.http import Request, Response
from refimpl.api.resources import NAMESPACES, PRIORITYCLASSES, SERVICES, Resource
from refimpl.apiserver import encoding
from refimpl.apiserver.registry import Registry

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
SERVICE_ADDRESS = "10.96.0.1"
"""First address of the service range: that of the Service `kubernetes`."""

_PRIORITY_CLASSES: tuple[Object, ...] = (
    {
        "metadata": {"name": "system-node-critical"},
        "value": 2000001000,
        "description": ("Used for system critical pods that must not be moved from their current node."),
    },
    {
        "metadata": {"name": "system-cluster-critical"},
        "value": 2000000000,
        "description": (
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary."
        ),
    },
)
_SERVICE: Object = {
    "metadata": {
        "name": "kubernetes",
        "namespace": "default",
        "labels": {"component": "apiserver", "provider": "kubernetes"},
    },
    "spec": {
        "clusterIP": SERVICE_ADDRESS,
        "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": 6443}],
        "type": "ClusterIP",
        "sessionAffinity": "None",
    },
}

Handle = Callable[[Request], Awaitable[Response]]


async def fill(registry: Registry, handle: Handle) -> None:
    """Creates what is missing, through the server itself."""
    objects: list[tuple[Resource, Object]] = [(NAMESPACES, {"metadata": {"name": name}}) for name in SYSTEM_NAMESPACES]
    objects += [(PRIORITYCLASSES, body) for body in _PRIORITY_CLASSES]
    objects.append((SERVICES, _SERVICE))
    for resource, body in objects:
        metadata = body["metadata"]
        namespace = metadata.get("namespace", "")
        if registry.entry(resource, metadata["name"], namespace) is not None:
            continue
        response = await handle(Request("POST", resource.path(namespace), body=encoding.encode(body)))
        if response.status not in {201, 409}:
            raise RuntimeError(f"{resource.plural}/{metadata['name']} cannot be created: {response.body!r}")
