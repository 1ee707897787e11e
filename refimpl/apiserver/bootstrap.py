"""What every cluster has from its first moment: system namespaces and priority classes, the API's own Service, roles.

Source: kube-apiserver 1.36, `controlplane/controller/systemnamespaces`, `apis/scheduling/helpers.go`,
`registry/rbac/rest/storage_rbac.go`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from refimpl.api.errors import Object
from refimpl.api.http import Request, Response
from refimpl.api.resources import CONFIGMAPS, NAMESPACES, PRIORITYCLASSES, SERVICES, Resource
from refimpl.apiserver.authorization import policy
from refimpl.apiserver.content import encoding
from refimpl.apiserver.objects.registry import Registry

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
TRUST = "extension-apiserver-authentication"
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


async def fill(registry: Registry, handle: Handle, *, rights: bool) -> None:
    """Creates what is missing, through the server itself.

    Args:
        registry: what there is.
        handle: answers requests.
        rights: whether there are to be roles, and bindings of them.
    """
    await _create(registry, handle, [(NAMESPACES, {"metadata": {"name": name}}) for name in SYSTEM_NAMESPACES])
    objects = [(PRIORITYCLASSES, body) for body in _PRIORITY_CLASSES]
    objects.append((SERVICES, _SERVICE))
    if rights:
        objects += policy.objects()
    await _create(registry, handle, objects)


async def publish_trust(handle: Handle, client_ca: str) -> None:
    """Tells extensions of the API by which certificates clients are known.

    Args:
        handle: answers requests.
        client_ca: certificates, in PEM.

    Source: kube-apiserver 1.36 `controlplane/controller/clusterauthenticationtrust`.
    """
    metadata = {"name": TRUST, "namespace": "kube-system"}
    body = encoding.encode({"metadata": metadata, "data": {"client-ca-file": client_ca}})
    path, headers = CONFIGMAPS.path("kube-system"), {"content-type": "application/json"}
    if (await handle(Request("GET", f"{path}/{TRUST}"))).status == 200:  # found
        await handle(Request("PUT", f"{path}/{TRUST}", (), headers, body))
    else:
        await handle(Request("POST", path, (), headers, body))


async def _create(registry: Registry, handle: Handle, objects: Iterable[tuple[Resource, Object]]) -> None:
    """Creates objects at the same time: the store commits them together."""
    async with asyncio.TaskGroup() as group:
        for resource, body in objects:
            metadata = body["metadata"]
            if registry.entry(resource, metadata["name"], metadata.get("namespace", "")) is None:
                group.create_task(_create_one(handle, resource, body), name=f"create {metadata['name']}")


async def _create_one(handle: Handle, resource: Resource, body: Object) -> None:
    metadata = body["metadata"]
    path = resource.path(metadata.get("namespace", ""))
    response = await handle(Request("POST", path, body=encoding.encode(body)))
    if response.status not in {201, 409}:
        raise RuntimeError(f"{resource.plural}/{metadata['name']} cannot be created: {response.body!r}")
