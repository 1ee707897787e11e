"""The loop that keeps Endpoints objects.

Source: kube-controller-manager 1.36 `endpoints_controller.go`.
"""

from __future__ import annotations

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import ENDPOINTS
from refimpl.client.informer import Key
from refimpl.controllers.endpoints import subsets
from refimpl.controllers.endpoints.config import EndpointsConfig
from refimpl.controllers.endpoints.loop import ServiceLoop
from refimpl.controllers.runner import ControllerContext
from refimpl.controllers.workloads.changes import keyed
from refimpl.controllers.workloads.podcontrol import namespace_is_going

LEADER_ANNOTATION = "control-plane.alpha.kubernetes.io/leader"


class EndpointsController(ServiceLoop):
    """Keeps the Endpoints object of every Service that has a selector.

    Args:
        context: of the manager.
        config: batch period.
        concurrent_syncs: how many Services are worked on at a time.
    """

    name = "endpoints-controller"

    def __init__(
        self, context: ControllerContext, config: EndpointsConfig | None = None, *, concurrent_syncs: int = 5
    ) -> None:
        config = config or EndpointsConfig()
        super().__init__(context, config.endpoint_updates_batch_period, concurrent_syncs)
        self._recorder = context.recorder("endpoint-controller")
        self._endpoints = context.informers.informer(ENDPOINTS)
        self._endpoints.add_handler(keyed(self._queue.add))

    async def sync(self, key: Key) -> None:
        """Writes the Endpoints of one Service if they differ; deletes those of a Service that is gone.

        Raises:
            ApiError, Unreachable: refused; the key is to be tried again.
        """
        service = self._services.get(key[1], key[0])
        present = self._endpoints.get(key[1], key[0])
        if service is None:
            if present is not None and self._is_ours(present):
                await self._delete(present)
            return
        if not service["spec"].get("selector"):
            return
        wanted = subsets.endpoints(service, self.pods_of(service))
        if present is None:
            await self._create(service, wanted)
        elif _differs(present, wanted):
            await self._update(present, wanted)

    def _is_ours(self, endpoints: Object) -> bool:
        """Objects that somebody else made for an election or for a Service without selector are left alone."""
        metadata = endpoints["metadata"]
        if LEADER_ANNOTATION in (metadata.get("annotations") or {}):
            return False
        return (metadata.get("labels") or {}).get(subsets.MANAGED_BY) == subsets.MANAGER

    async def _create(self, service: Object, wanted: Object) -> None:
        try:
            await self._client.create(ENDPOINTS, wanted)
        except ApiError as error:
            if namespace_is_going(error):
                return
            name = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
            message = f"Failed to create endpoint for service {name}: {error}"
            self._recorder.event(wanted, "Warning", "FailedToCreateEndpoint", message)
            raise

    async def _update(self, present: Object, wanted: Object) -> None:
        metadata = {**present["metadata"], "labels": wanted["metadata"]["labels"]}
        annotations = dict(metadata.get("annotations") or {})
        annotations.pop(subsets.CAPACITY_ANNOTATION, None)
        metadata["annotations"] = annotations | wanted["metadata"].get("annotations", {})
        body = {**wanted, "metadata": metadata}
        try:
            await self._client.update(ENDPOINTS, body)
        except ApiError as error:
            name = f"{metadata['namespace']}/{metadata['name']}"
            if error.code != 409:
                message = f"Failed to update endpoint {name}: {error}"
                self._recorder.event(present, "Warning", "FailedToUpdateEndpoint", message)
            raise

    async def _delete(self, present: Object) -> None:
        metadata = present["metadata"]
        try:
            await self._client.delete(ENDPOINTS, metadata["name"], namespace=metadata["namespace"], uid=metadata["uid"])
        except ApiError as error:
            if error.code not in {404, 409}:
                raise


def _differs(present: Object, wanted: Object) -> bool:
    if (present.get("subsets") or []) != wanted.get("subsets", []):
        return True
    if (present["metadata"].get("labels") or {}) != wanted["metadata"]["labels"]:
        return True
    had = subsets.CAPACITY_ANNOTATION in (present["metadata"].get("annotations") or {})
    return bool(had != ("annotations" in wanted["metadata"]))
