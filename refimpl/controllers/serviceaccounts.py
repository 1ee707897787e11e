"""Every namespace has a ServiceAccount named `default`.

Source: kube-controller-manager 1.36 `serviceaccounts_controller.go`.
"""

from __future__ import annotations

from refimpl.api.errors import ApiError, Object
from refimpl.api.meta import is_terminating
from refimpl.api.resources import NAMESPACES, SERVICEACCOUNTS
from refimpl.client.workqueue import WorkQueue
from refimpl.controllers.runner import ControllerContext
from refimpl.controllers.workloads.podcontrol import namespace_is_going
from refimpl.controllers.workloads.workers import run_workers

DEFAULT = "default"


class ServiceAccountController:
    """Creates the `default` ServiceAccount of every namespace, again if it is deleted.

    Args:
        context: of the manager.
    """

    name = "serviceaccount-controller"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._queue: WorkQueue[str] = WorkQueue(context.clock)
        self._namespaces = context.informers.informer(NAMESPACES)
        self._accounts = context.informers.informer(SERVICEACCOUNTS)
        self._namespaces.add_handler(self._namespace_changed)
        self._accounts.add_handler(self._account_changed)

    async def run(self) -> None:
        """Works until cancelled."""
        await run_workers(self._queue, self.sync, self.name, 1)

    async def sync(self, name: str) -> None:
        """Creates the ServiceAccount of one namespace if it is missing.

        Raises:
            ApiError, Unreachable: refused; to be tried again.
        """
        namespace = self._namespaces.get(name)
        if namespace is None or is_terminating(namespace) or self._accounts.get(DEFAULT, name) is not None:
            return
        body: Object = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": DEFAULT, "namespace": name}}
        try:
            await self._client.create(SERVICEACCOUNTS, body)
        except ApiError as error:
            if error.reason != "AlreadyExists" and not namespace_is_going(error):
                raise

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and old is None:
            self._queue.add(new["metadata"]["name"])

    def _account_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is None and old["metadata"]["name"] == DEFAULT:
            self._queue.add(old["metadata"]["namespace"])
