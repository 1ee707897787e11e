"""The loop that keeps the status of disruption budgets.

Source: kube-controller-manager 1.36 `disruption.go`.
"""

from __future__ import annotations

from collections.abc import Sequence

from refimpl.api.errors import Object
from refimpl.api.meta import controller_of, labels
from refimpl.api.resources import (
    DEPLOYMENTS,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    STATEFULSETS,
)
from refimpl.api.selectors import from_object
from refimpl.client.informer import Informer, Key, key_of
from refimpl.client.workqueue import WorkQueue
from refimpl.controllers.disruption import budget
from refimpl.controllers.disruption.budget import DELETION_TIMEOUT
from refimpl.controllers.runner import ControllerContext
from refimpl.controllers.workloads import pods
from refimpl.controllers.workloads.changes import any_of, keyed, split
from refimpl.controllers.workloads.owners import BY_NAMESPACE, by_namespace, controller_uid
from refimpl.controllers.workloads.selection import SELECTABLE, selected
from refimpl.controllers.workloads.workers import run_workers


class Unscalable(Exception):
    """A pod's controller does not say how many pods it wants."""


class DisruptionController:
    """Keeps the status of PodDisruptionBudgets.

    Args:
        context: of the manager.
    """

    name = "disruption-controller"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._recorder = context.recorder("controllermanager")
        self._queue: WorkQueue[Key] = WorkQueue(context.clock)
        informers = context.informers
        self._budgets = informers.informer(PODDISRUPTIONBUDGETS, {BY_NAMESPACE: by_namespace})
        self._pods = informers.informer(PODS, SELECTABLE)
        scalable = (REPLICATIONCONTROLLERS, REPLICASETS, DEPLOYMENTS, STATEFULSETS)
        self._owners: dict[str, Informer] = {row.kind: informers.informer(row) for row in scalable}
        self._budgets.add_handler(keyed(self._queue.add))
        self._pods.add_handler(split(self._pod_changed))
        for informer in self._owners.values():
            informer.add_handler(self._owner_changed)

    async def run(self) -> None:
        """Works until cancelled."""
        await run_workers(self._queue, self.sync, self.name, 1)

    async def sync(self, key: Key) -> None:
        """Recalculates one budget.

        Raises:
            ApiError, Unreachable: the status was not written; to be tried again.
        """
        found = self._budgets.get(key[1], key[0])
        if found is None:
            return
        matching = selected(self._pods, key[0], from_object(found["spec"].get("selector")))
        if not matching:
            self._recorder.event(found, "Normal", "NoPods", "No matching pods found")
        now = self._clock.now()
        try:
            scale = self._scale(matching) if budget.needs_scale(found) else 0
        except Unscalable as error:
            message = f"Failed to calculate the number of expected pods: {error}"
            self._recorder.event(found, "Warning", "CalculateExpectedPodCountFailed", message)
            status = budget.failed_status(found, str(error), now)
        else:
            status = budget.calculate_status(found, matching, budget.need(found, len(matching), scale), now)
            if status.get("disruptedPods"):
                self._queue.add_after(key, DELETION_TIMEOUT.total_seconds())
        if status != found.get("status"):
            await self._client.update(PODDISRUPTIONBUDGETS, {**found, "status": status}, subresource="status")

    def _scale(self, matching: Sequence[Object]) -> int:
        """How many pods the controllers of these pods want together; pods without one do not count.

        Raises:
            Unscalable: a controller does not say.
        """
        wanted: dict[str, int] = {}
        for pod in matching:
            if controller_uid(pod):
                owner = self._top_owner(pod)
                wanted[owner["metadata"]["uid"]] = int(owner["spec"].get("replicas", 1))
        return sum(wanted.values())

    def _top_owner(self, pod: Object) -> Object:
        owner = self._controller(pod)
        if owner["kind"] == REPLICASETS.kind and controller_uid(owner):
            return self._controller(owner)
        return owner

    def _controller(self, obj: Object) -> Object:
        reference = controller_of(obj)
        assert reference is not None
        informer = self._owners.get(reference["kind"])
        if informer is None:
            group = reference["apiVersion"].rpartition("/")[0]
            kind = f"{reference['kind']}.{group}" if group else reference["kind"]
            raise Unscalable(f"{kind} does not implement the scale subresource")
        owner = informer.get(reference["name"], obj["metadata"]["namespace"])
        if owner is None or owner["metadata"]["uid"] != reference["uid"]:
            raise Unscalable(f"found no controllers for pod {obj['metadata']['name']!r}")
        return owner

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        namespace = any_of(old, new)["metadata"]["namespace"]
        if not any(True for _ in self._budgets.by_index(BY_NAMESPACE, namespace)):
            return
        if old is not None and new is not None and pods.standing(old) == pods.standing(new):
            return
        for pod in (old, new):
            if pod is not None:
                self._wake_budgets(namespace, pod)

    def _owner_changed(self, old: Object | None, new: Object | None) -> None:
        """A controller that was scaled changes what its pods' budgets demand."""
        if old is None or new is None or old["spec"].get("replicas") == new["spec"].get("replicas"):
            return
        self._wake_budgets(new["metadata"]["namespace"], new["spec"]["template"])

    def _wake_budgets(self, namespace: str, labelled: Object) -> None:
        present = labels(labelled)
        for found in self._budgets.by_index(BY_NAMESPACE, namespace):
            if from_object(found["spec"].get("selector")).matches(present):
                self._queue.add(key_of(found))
