"""Deleting everything that lives in a namespace.

Source: kube-controller-manager 1.36 `namespace/deletion/namespaced_resources_deleter.go`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from refimpl.api.errors import ApiError, Object
from refimpl.api.meta import finalizers
from refimpl.api.resources import PODS, TABLE, Resource
from refimpl.client.client import Client
from refimpl.client.transport import Unreachable
from refimpl.controllers.namespace.conditions import Remains
from refimpl.controllers.workloads import pods
from refimpl.controllers.workloads.actions import delete
from refimpl.controllers.workloads.podcontrol import side_by_side

FINALIZER_WAIT = 15.0
"""Seconds granted to whoever is to take off a finalizer."""


def in_namespaces() -> Sequence[Resource]:
    """The resources whose objects live in namespaces and can be deleted; pods first."""
    rows = [row for row in TABLE if row.namespaced and {"delete", "list"} <= set(row.verbs)]
    return sorted(rows, key=lambda row: row is not PODS)


async def delete_all(client: Client, namespace: str) -> Remains:
    """One round: asks for the deletion of everything, and looks at what is left.

    Pods go first: while any is left, what they may need on their way out (policies, secrets) stays.
    """
    remains = Remains()
    for resource in in_namespaces():
        remains = remains.plus(await _delete_one_kind(client, resource, namespace))
        if resource is PODS and (remains.objects or remains.failures):
            break
    return remains


async def _delete_one_kind(client: Client, resource: Resource, namespace: str) -> Remains:
    try:
        left = await _list(client, resource, namespace)
        if not left:
            return Remains()
        wait = grace(left) if resource is PODS else 0.0
        await _delete(client, resource, namespace, left)
        left = await _list(client, resource, namespace)
    except (ApiError, Unreachable) as error:
        return Remains(failures=(str(error),))
    return remaining(resource, left, wait)


async def _list(client: Client, resource: Resource, namespace: str) -> Sequence[Object]:
    return list((await client.list(resource, namespace=namespace))["items"])


async def _delete(client: Client, resource: Resource, namespace: str, left: Sequence[Object]) -> None:
    if "deletecollection" in resource.verbs:
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        await client.request("DELETE", resource.path(namespace), options)
        return
    failures = await side_by_side([delete(client, resource, obj, "Background") for obj in left])
    if failures:
        raise failures[0]


def grace(left: Sequence[Object]) -> float:
    """The longest grace period among pods that have not finished, in seconds."""
    periods = (pod["spec"].get("terminationGracePeriodSeconds") or 0 for pod in left if not pods.is_terminal(pod))
    return float(max(periods, default=0))


def remaining(resource: Resource, left: Sequence[Object], wait: float) -> Remains:
    """What is left of one kind.

    Without grace and without finalizers nothing has a reason to be left, and that is a failure.
    """
    if not left:
        return Remains()
    held = Counter(name for obj in left for name in finalizers(obj))
    failures: tuple[str, ...] = ()
    if not wait and not held:
        group = f"{resource.group}/{resource.version}, Resource={resource.plural}"
        failures = (f"unexpected items still remain in namespace: {left[0]['metadata']['namespace']} for gvr: {group}",)
    name = f"{resource.plural}.{resource.group}"
    return Remains({name: len(left)}, dict(held), failures, wait or (FINALIZER_WAIT if held else 0.0))
