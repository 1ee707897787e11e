"""What the two controllers of Services share: which Service to look at when something changed.

Source: kube-controller-manager 1.36 `endpointslice_controller.go`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from refimpl.api.errors import Object
from refimpl.api.meta import labels
from refimpl.api.resources import PODS, SERVICES
from refimpl.client.informer import Key, key_of
from refimpl.client.workqueue import WorkQueue
from refimpl.controllers.endpoints import backends
from refimpl.controllers.runner import ControllerContext
from refimpl.controllers.workloads.changes import keyed, split
from refimpl.controllers.workloads.owners import BY_NAMESPACE, by_namespace
from refimpl.controllers.workloads.workers import run_workers

BY_LABEL = "label"
"""Name of the index that `by_label` makes."""


def by_label(obj: Object) -> Iterable[str]:
    """Index function: every label of the object, within its namespace."""
    namespace = obj["metadata"].get("namespace", "")
    return [f"{namespace}/{key}={value}" for key, value in labels(obj).items()]


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
        self._batch_period = batch_period
        self._concurrent_syncs = concurrent_syncs
        self._queue: WorkQueue[Key] = WorkQueue(context.clock)
        self._services = context.informers.informer(SERVICES, {BY_NAMESPACE: by_namespace})
        self._pods = context.informers.informer(PODS, {BY_LABEL: by_label})
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
        namespace = service["metadata"]["namespace"]
        pairs = (service["spec"].get("selector") or {}).items()
        narrowed = [list(self._pods.by_index(BY_LABEL, f"{namespace}/{key}={value}")) for key, value in pairs]
        fewest = min(narrowed, key=len, default=[])
        return [pod for pod in fewest if backends.selects(service, pod)]

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and backends.standing(old) == backends.standing(new):
            return
        pod = new if new is not None else old
        assert pod is not None
        for service in self._services.by_index(BY_NAMESPACE, pod["metadata"]["namespace"]):
            if any(one is not None and backends.selects(service, one) for one in (old, new)):
                self._queue.add_after(key_of(service), self._batch_period)
