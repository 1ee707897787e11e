"""The loop that empties terminating namespaces.

Source: kube-controller-manager 1.36 `namespace_controller.go`.
"""

from __future__ import annotations

from refimpl.api.errors import ApiError, Object, internal
from refimpl.api.meta import is_terminating
from refimpl.api.resources import NAMESPACES
from refimpl.client.workqueue import WorkQueue
from refimpl.controllers.namespace import conditions, content
from refimpl.controllers.namespace.conditions import Remains
from refimpl.controllers.runner import ControllerContext
from refimpl.controllers.workloads.workers import run_workers

FINALIZER = "kubernetes"

GRACE_SECONDS = 5.0
"""So long other API servers may take to see that the namespace is terminating, and still create things in it."""


class NamespaceController:
    """Deletes the content of terminating namespaces, then lets them go.

    Args:
        context: of the manager.
        concurrent_syncs: how many namespaces are worked on at a time.
    """

    name = "namespace-controller"

    def __init__(self, context: ControllerContext, *, concurrent_syncs: int = 10) -> None:
        self._client = context.client
        self._clock = context.clock
        self._concurrent_syncs = concurrent_syncs
        self._queue: WorkQueue[str] = WorkQueue(context.clock, base_delay=5.0, max_delay=60.0)
        self._namespaces = context.informers.informer(NAMESPACES)
        self._namespaces.add_handler(self._changed)

    async def run(self) -> None:
        """Works until cancelled."""
        await run_workers(self._queue, self.sync, self.name, self._concurrent_syncs)

    async def sync(self, name: str) -> None:
        """One round over one namespace.

        Raises:
            ApiError, Unreachable: something was refused; the namespace is to be tried again.
        """
        namespace = await self._read(name)
        if namespace is None or not is_terminating(namespace) or not _ours(namespace):
            return
        remains = await content.delete_all(self._client, name)
        namespace = await self._tell(namespace, remains)
        if remains.failures:
            raise internal(remains.failures[0])
        if remains.objects:
            # Half the time that may be needed, and one second: as a rule the second look finds nothing left.
            self._queue.add_after(name, remains.wait // 2 + 1)
            return
        await self._finalize(namespace)

    async def _read(self, name: str) -> Object | None:
        try:
            return await self._client.get(NAMESPACES, name)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def _tell(self, namespace: Object, remains: Remains) -> Object:
        status = namespace.get("status") or {}
        listed = conditions.report(status.get("conditions") or [], remains, self._clock.now())
        if listed == status.get("conditions"):
            return namespace
        changed = {**namespace, "status": {**status, "phase": "Terminating", "conditions": listed}}
        return await self._client.update(NAMESPACES, changed, subresource="status")

    async def _finalize(self, namespace: Object) -> None:
        others = [one for one in namespace["spec"].get("finalizers") or () if one != FINALIZER]
        finalized = {**namespace, "spec": {**namespace["spec"], "finalizers": others}}
        try:
            await self._client.update(NAMESPACES, finalized, subresource="finalize")
        except ApiError as error:
            if error.code != 404:
                raise

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and is_terminating(new) and _ours(new):
            self._queue.add_after(new["metadata"]["name"], GRACE_SECONDS)


def _ours(namespace: Object) -> bool:
    return FINALIZER in ((namespace.get("spec") or {}).get("finalizers") or ())
