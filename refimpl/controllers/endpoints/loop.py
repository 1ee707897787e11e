"""What the two controllers of Services share: which Service to look at when something changed.

Source: kube-controller-manager 1.36 `endpointslice_controller.go`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from refimpl.api.errors import Object
from refimpl.api.resources import PODS, SERVICES
from refimpl.api.selectors import from_map
from refimpl.client.informer import Key, key_of
from refimpl.client.workqueue import WorkQueue
from refimpl.controllers.endpoints import backends
from refimpl.controllers.runner import ControllerContext
from refimpl.controllers.workloads.changes import any_of, keyed, split
from refimpl.controllers.workloads.owners import BY_NAMESPACE, by_namespace
from refimpl.controllers.workloads.selection import SELECTABLE, selected
from refimpl.controllers.workloads.workers import run_workers

SETTLE_SECONDS = 0.01
"""Pods change in crowds, and what is published about a crowd is one large object: a moment's patience saves writes.

kube-controller-manager has the same effect from the limit on its request rate.
"""


class ServiceLoop(ABC):
    """Looks at a Service whenever it or one of its pods changed.

    Args:
        context: of the manager.
        batch_period: seconds to wait for more changes of pods before a Service is looked at.
        concurrent_syncs: how many Services are worked on at a time.
    """

    name: str

    def __init__(self, context: ControllerContext, batch_period: float, concurrent_syncs: int) -> None:
        self._client = context.client
        self._batch_period = max(batch_period, SETTLE_SECONDS)
        self._concurrent_syncs = concurrent_syncs
        self._queue: WorkQueue[Key] = WorkQueue(context.clock)
        self._services = context.informers.informer(SERVICES, {BY_NAMESPACE: by_namespace})
        self._pods = context.informers.informer(PODS, SELECTABLE)
        self._services.add_handler(keyed(self._queue.add))
        self._pods.add_handler(split(self._pod_changed))

    async def run(self) -> None:
        """Works until cancelled."""
        await run_workers(self._queue, self.sync, self.name, self._concurrent_syncs)

    @abstractmethod
    async def sync(self, key: Key) -> None:
        """Brings what is published about one Service up to date."""

    def pods_of(self, service: Object) -> Sequence[Object]:
        """The pods that the Service selects."""
        selector = from_map(service["spec"].get("selector"))
        return selected(self._pods, service["metadata"]["namespace"], selector)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        inhabitants = self._services.by_index(BY_NAMESPACE, any_of(old, new)["metadata"]["namespace"])
        services = [service for service in inhabitants if service["spec"].get("selector")]
        if not services:
            return
        if old is not None and new is not None and backends.standing(old) == backends.standing(new):
            return
        for service in services:
            if any(one is not None and backends.selects(service, one) for one in (old, new)):
                self._queue.add_after(key_of(service), self._batch_period)
