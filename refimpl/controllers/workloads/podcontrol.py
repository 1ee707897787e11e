"""Creating, deleting and adopting pods for an owner, with the events that people look for.

Source: kube-controller-manager 1.36 `controller_utils.go` (`RealPodControl`, `slowStartBatch`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from refimpl.api.errors import ApiError, Object
from refimpl.api.meta import is_terminating
from refimpl.api.resources import PODS, Resource
from refimpl.client.client import Client
from refimpl.client.events import EventRecorder
from refimpl.client.transport import Unreachable
from refimpl.controllers.workloads.owners import (
    Claims,
    adoption_patch,
    controller_reference,
    release_patch,
)

Failure = ApiError | Unreachable


def pod_of(template: Object, owner: Object) -> Object:
    """The pod that a template describes, controlled by `owner`; its name is generated from the owner's."""
    metadata = template.get("metadata") or {}
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{owner['metadata']['name']}-",
            "namespace": owner["metadata"]["namespace"],
            "ownerReferences": [controller_reference(owner)],
        },
        "spec": template["spec"],
    }
    for field in ("labels", "annotations", "finalizers"):
        if metadata.get(field):
            pod["metadata"][field] = metadata[field]
    return pod


def namespace_is_going(error: Failure) -> bool:
    """Whether a creation was refused because the namespace is being deleted: nothing to tell, nothing to retry."""
    if not isinstance(error, ApiError):
        return False
    causes = (error.status.get("details") or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


class PodControl:
    """Writes pods on behalf of an owner and records what came of it on the owner.

    Args:
        client: the API.
        recorder: of the controller's component.
    """

    def __init__(self, client: Client, recorder: EventRecorder) -> None:
        self._client = client
        self._recorder = recorder

    async def create(self, owner: Object, pod: Object) -> Object:
        """Creates a pod; events SuccessfulCreate, FailedCreate.

        Raises:
            ApiError, Unreachable: it was not created.
        """
        try:
            created = await self._client.create(PODS, pod)
        except (ApiError, Unreachable) as error:
            if not namespace_is_going(error):
                self._recorder.event(owner, "Warning", "FailedCreate", f"Error creating: {error}")
            raise
        self._recorder.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")
        return created

    async def delete(self, owner: Object, pod: Object) -> None:
        """Deletes a pod gracefully; events SuccessfulDelete, FailedDelete. A pod already gone is fine.

        Raises:
            ApiError, Unreachable: it was not deleted.
        """
        metadata = pod["metadata"]
        name = metadata["name"]
        try:
            await self._client.delete(PODS, name, namespace=metadata["namespace"], uid=metadata["uid"])
        except (ApiError, Unreachable) as error:
            if isinstance(error, ApiError) and error.code in {404, 409}:
                return
            self._recorder.event(owner, "Warning", "FailedDelete", f"Error deleting: {error}")
            raise
        self._recorder.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {name}")


async def take(
    client: Client, owners: Resource, resource: Resource, owner: Object, claims: Claims
) -> tuple[Object, ...]:
    """Carries out claims: adopts and releases. Returns what belongs to the owner afterwards.

    Args:
        client: the API.
        owners: the owner's resource, read live before anything is adopted: the cache may not know yet that the owner
            is being deleted or was replaced.
        resource: of the claimed objects.
        owner: who claims.
        claims: what `owners.claim` found.
    """
    adopted: list[Object] = []
    if claims.adopt and await _may_adopt(client, owners, owner):
        for obj in claims.adopt:
            taken = await _patch(client, resource, obj, adoption_patch(owner, obj))
            if taken is not None:
                adopted.append(taken)
    for obj in claims.release:
        await _patch(client, resource, obj, release_patch(owner, obj))
    return (*claims.mine, *adopted)


async def _may_adopt(client: Client, owners: Resource, owner: Object) -> bool:
    metadata = owner["metadata"]
    try:
        fresh = await client.get(owners, metadata["name"], namespace=metadata["namespace"])
    except ApiError as error:
        if error.code == 404:
            return False
        raise
    return fresh["metadata"]["uid"] == metadata["uid"] and not is_terminating(fresh)


async def _patch(client: Client, resource: Resource, obj: Object, patch: Object) -> Object | None:
    """Patches; None when the object is gone or is another one of that name."""
    metadata = obj["metadata"]
    try:
        return await client.patch(resource, metadata["name"], patch, namespace=metadata["namespace"])
    except ApiError as error:
        if error.code in {404, 409, 422}:
            return None
        raise


async def slow_start(count: int, attempt: Callable[[int], Awaitable[object]]) -> tuple[int, Failure | None]:
    """Makes `count` attempts in batches of 1, 2, 4, ... side by side, and stops after the first batch with a failure.

    A quota or a broken webhook that refuses every pod is so met once, and not `count` times.

    Args:
        count: how many attempts.
        attempt: called with 0, 1, 2, ...

    Returns:
        How many succeeded, and the first failure.
    """
    done = 0
    batch = 1
    while done < count:
        size = min(batch, count - done)
        failures = await side_by_side([attempt(done + offset) for offset in range(size)])
        done += size
        if failures:
            return done - len(failures), failures[0]
        batch *= 2
    return done, None


async def side_by_side(attempts: Iterable[Awaitable[object]]) -> Sequence[Failure]:
    """Awaits all; returns the refusals and lost connections, raises anything else."""
    results = await asyncio.gather(*attempts, return_exceptions=True)
    failures: list[Failure] = []
    for result in results:
        if isinstance(result, (ApiError, Unreachable)):
            failures.append(result)
        elif isinstance(result, BaseException):
            raise result
    return failures
