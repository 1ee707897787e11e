"""The loop that keeps EndpointSlices.

Source: kube-controller-manager 1.36 `endpointslice_controller.go`.
"""

from __future__ import annotations

from collections.abc import Iterable

from refimpl.api.errors import Object
from refimpl.api.meta import is_terminating, labels
from refimpl.api.resources import ENDPOINTSLICES, NODES
from refimpl.client.informer import Key
from refimpl.controllers.endpoints import EndpointsConfig, backends
from refimpl.controllers.endpoints.loop import ServiceLoop
from refimpl.controllers.endpointslice import endpoint, slices
from refimpl.controllers.endpointslice.slices import MANAGED_BY, MANAGER, SERVICE_NAME, Changes
from refimpl.controllers.runner import ControllerContext
from refimpl.controllers.workloads.actions import delete
from refimpl.controllers.workloads.changes import any_of, split
from refimpl.controllers.workloads.expectations import TIMEOUT_SECONDS, Expectations
from refimpl.controllers.workloads.owners import controller_uid
from refimpl.controllers.workloads.podcontrol import Failure, namespace_is_going, side_by_side

BY_SERVICE = "service"
"""Name of the index that `by_service` makes."""

HOMELESS_RETRY_SECONDS = 5.0
"""After this long a Service with pods on missing nodes is looked at again."""


def by_service(endpoint_slice: Object) -> Iterable[str]:
    """Index function: namespace and name of the Service, of slices that this controller manages."""
    marks = labels(endpoint_slice)
    if marks.get(MANAGED_BY) != MANAGER or SERVICE_NAME not in marks:
        return ()
    return (f"{endpoint_slice['metadata']['namespace']}/{marks[SERVICE_NAME]}",)


class EndpointSliceController(ServiceLoop):
    """Keeps the slices of every Service that has a selector.

    Args:
        context: of the manager.
        config: batch period, size of slices.
        concurrent_syncs: how many Services are worked on at a time.
    """

    name = "endpointslice-controller"

    def __init__(
        self, context: ControllerContext, config: EndpointsConfig | None = None, *, concurrent_syncs: int = 5
    ) -> None:
        config = config or EndpointsConfig()
        super().__init__(context, config.endpointslice_updates_batch_period, concurrent_syncs)
        self._max_endpoints = config.max_endpoints_per_slice
        self._recorder = context.recorder("endpoint-slice-controller")
        self._expectations = Expectations(context.clock)
        self._nodes = context.informers.informer(NODES)
        self._slices = context.informers.informer(ENDPOINTSLICES, {BY_SERVICE: by_service})
        self._slices.add_handler(split(self._slice_changed))
        self._services.add_handler(split(self._service_changed))

    async def sync(self, key: Key) -> None:
        """Writes what differs in the slices of one Service. Those of a deleted Service go with their owner.

        Raises:
            ApiError, Unreachable: refused; the key is to be tried again.
        """
        service = self._services.get(key[1], key[0])
        if service is None or not service["spec"].get("selector") or is_terminating(service):
            return
        uid = service["metadata"]["uid"]
        if not self._expectations.met(uid):
            self._queue.add_after(key, TIMEOUT_SECONDS)
            return
        stored = list(self._slices.by_index(BY_SERVICE, f"{key[0]}/{key[1]}"))
        families = backends.families(service)
        members = self.pods_of(service)
        plans: list[Changes] = []
        for family in families:
            wanted, homeless = endpoint.publish(service, members, self._nodes.get, family)
            same_family = [one for one in stored if one["addressType"] == family]
            plans.append(slices.reconcile(service, family, wanted, same_family, self._max_endpoints))
            if homeless:
                self._queue.add_after(key, HOMELESS_RETRY_SECONDS)
        plans.append(Changes(delete=tuple(one for one in stored if one["addressType"] not in families)))
        await self._carry_out(service, plans)

    async def _carry_out(self, service: Object, plans: list[Changes]) -> None:
        uid = service["metadata"]["uid"]
        fresh = [one for plan in plans for one in plan.create]
        failures: list[Failure] = []
        if fresh:
            self._expectations.expect(uid, creations=len(fresh))
            refused = await side_by_side([self._client.create(ENDPOINTSLICES, one) for one in fresh])
            self._expectations.created(uid, len(refused))
            failures += [failure for failure in refused if not namespace_is_going(failure)]
        updates = [self._client.update(ENDPOINTSLICES, one) for plan in plans for one in plan.update]
        deletions = [delete(self._client, ENDPOINTSLICES, one) for plan in plans for one in plan.delete]
        failures += await side_by_side([*updates, *deletions])
        if failures:
            name = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
            message = f"Error updating Endpoint Slices for Service {name}: {failures[0]}"
            self._recorder.event(service, "Warning", "FailedToUpdateEndpointSlices", message)
            raise failures[0]

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None and new is not None:
            self._expectations.created(controller_uid(new))
        for service in by_service(any_of(old, new)):
            namespace, _, name = service.partition("/")
            self._queue.add((namespace, name))

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._expectations.forget(old["metadata"]["uid"])
