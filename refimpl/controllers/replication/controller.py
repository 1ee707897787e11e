"""The loop around the decision: caches in, API calls out.

Source: kube-controller-manager 1.36 `replica_set.go`, which serves ReplicationControllers through an adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import attrs

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import PODS, REPLICASETS, REPLICATIONCONTROLLERS, Resource
from refimpl.api.selectors import NOTHING, LabelSelector, from_map, from_object
from refimpl.client.informer import Key, key_of
from refimpl.client.transport import Unreachable
from refimpl.client.workqueue import WorkQueue
from refimpl.controllers.replication import reconcile, status
from refimpl.controllers.replication.census import Census, Replica
from refimpl.controllers.replication.reconcile import Decision, View
from refimpl.controllers.replication.status import Trouble
from refimpl.controllers.runner import ControllerContext
from refimpl.controllers.workloads import owners
from refimpl.controllers.workloads.changes import any_of, split
from refimpl.controllers.workloads.expectations import TIMEOUT_SECONDS, Expectations
from refimpl.controllers.workloads.owners import (
    BY_CONTROLLER,
    BY_NAMESPACE,
    Claims,
    by_controller,
    by_namespace,
    controller_uid,
)
from refimpl.controllers.workloads.podcontrol import (
    PodControl,
    namespace_is_going,
    pod_of,
    side_by_side,
    slow_start,
    take,
)
from refimpl.controllers.workloads.podwatch import PodWatch
from refimpl.controllers.workloads.workers import run_workers


@attrs.frozen
class Replicated:
    """One of the two kinds.

    Attributes:
        name: the controller's name.
        component: in its events.
        resource: the row of the table.
        selector: the selector of an owner.
        terminating: whether its status has `terminatingReplicas`.
    """

    name: str
    component: str
    resource: Resource
    selector: Callable[[Object], LabelSelector]
    terminating: bool


REPLICASET = Replicated(
    "replicaset-controller",
    "replicaset-controller",
    REPLICASETS,
    lambda owner: from_object(owner["spec"]["selector"]),
    terminating=True,
)
REPLICATIONCONTROLLER = Replicated(
    "replicationcontroller-controller",
    "replication-controller",
    REPLICATIONCONTROLLERS,
    lambda owner: from_map(owner["spec"]["selector"]) if owner["spec"].get("selector") else NOTHING,
    terminating=False,
)


class ReplicaController:
    """Keeps the number of pods of each owner of one kind.

    Args:
        context: of the manager.
        kind: ReplicaSets or ReplicationControllers.
        concurrent_syncs: how many owners are worked on at a time.
    """

    def __init__(self, context: ControllerContext, kind: Replicated, *, concurrent_syncs: int = 5) -> None:
        self.name = kind.name
        self._kind = kind
        self._client = context.client
        self._clock = context.clock
        self._concurrent_syncs = concurrent_syncs
        self._control = PodControl(context.client, context.recorder(kind.component))
        self._expectations = Expectations(context.clock)
        self._queue: WorkQueue[Key] = WorkQueue(context.clock)
        self._reported: dict[str, Object] = {}
        self._census = Census()
        indexes = {BY_CONTROLLER: by_controller, BY_NAMESPACE: by_namespace}
        self._owners = context.informers.informer(kind.resource, indexes)
        self._pods = context.informers.informer(PODS, {BY_CONTROLLER: by_controller})
        self._owners.add_handler(split(self._owner_changed))
        watch = PodWatch(kind.resource, self._owners, self._queue, kind.selector, expectations=self._expectations)
        self._pods.add_handler(watch)

    async def run(self) -> None:
        """Works until cancelled."""
        await run_workers(self._queue, self.sync, self.name, self._concurrent_syncs)

    async def sync(self, key: Key) -> None:
        """Brings one owner's pods and status to what they should be.

        Raises:
            ApiError, Unreachable: something was refused; the status says so, and the key is to be tried again.
        """
        owner = self._owners.get(key[1], key[0])
        if owner is None:
            return
        uid = owner["metadata"]["uid"]
        caught_up = self._expectations.met(uid)
        mine = await take(self._client, self._kind.resource, PODS, owner, self._claim(owner))
        replicas = self._census.count(uid, mine)
        trouble = None
        if caught_up:
            decision = reconcile.reconcile(View(owner, replicas, partial(self._related, owner), self._clock.now()))
            trouble = await self._carry_out(owner, decision)
        else:
            self._queue.add_after(key, TIMEOUT_SECONDS)
        await self._report(owner, replicas, trouble)
        self._revisit(key, owner, replicas)
        if trouble is not None:
            raise trouble.failure

    def _claim(self, owner: Object) -> Claims:
        return owners.claim(owner, self._kind.selector(owner), *owners.held_and_orphans(self._pods, owner))

    def _related(self, owner: Object) -> Iterable[Object]:
        holder = controller_uid(owner)
        siblings = self._owners.by_index(BY_CONTROLLER, holder) if holder else [owner]
        for sibling in siblings:
            yield from self._pods.by_index(BY_CONTROLLER, sibling["metadata"]["uid"])

    async def _carry_out(self, owner: Object, decision: Decision) -> Trouble | None:
        if decision.create:
            return await self._create(owner, decision.create)
        if decision.delete:
            return await self._delete(owner, decision.delete)
        return None

    async def _create(self, owner: Object, count: int) -> Trouble | None:
        uid = owner["metadata"]["uid"]
        pod = pod_of(owner["spec"]["template"], owner)
        self._expectations.expect(uid, creations=count)
        created, failure = await slow_start(count, lambda _: self._control.create(owner, pod))
        self._expectations.created(uid, count - created)
        if failure is None or namespace_is_going(failure):
            return None
        return Trouble("FailedCreate", str(failure), failure)

    async def _delete(self, owner: Object, doomed: tuple[Object, ...]) -> Trouble | None:
        uid = owner["metadata"]["uid"]
        self._expectations.expect(uid, deletions=[pod["metadata"]["uid"] for pod in doomed])
        failures = await side_by_side([self._delete_one(owner, pod) for pod in doomed])
        return Trouble("FailedDelete", str(failures[0]), failures[0]) if failures else None

    async def _delete_one(self, owner: Object, pod: Object) -> None:
        try:
            await self._control.delete(owner, pod)
        except (ApiError, Unreachable):
            self._expectations.deleted(owner["metadata"]["uid"], pod["metadata"]["uid"])
            raise

    async def _report(self, owner: Object, replicas: Sequence[Replica], trouble: Trouble | None) -> None:
        now = self._clock.now()
        fresh = status.calculate(owner, replicas, trouble, now, terminating=self._kind.terminating)
        if fresh != owner.get("status"):
            self._reported[owner["metadata"]["uid"]] = fresh
            await self._client.update(self._kind.resource, {**owner, "status": fresh}, subresource="status")

    def _revisit(self, key: Key, owner: Object, replicas: Sequence[Replica]) -> None:
        wait = status.next_availability(owner, replicas, self._clock.now())
        if wait is not None:
            self._queue.add_after(key, wait)

    def _owner_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._expectations.forget(old["metadata"]["uid"])
            self._reported.pop(old["metadata"]["uid"], None)
            self._census.forget(old["metadata"]["uid"])
        if not self._is_own_report(old, new):
            self._queue.add(key_of(any_of(old, new)))

    def _is_own_report(self, old: Object | None, new: Object | None) -> bool:
        """Whether all that happened to an owner is that it got the status this controller wrote."""
        if old is None or new is None or new.get("status") != self._reported.get(new["metadata"]["uid"]):
            return False
        return all(_without_version(old.get(part)) == _without_version(new.get(part)) for part in ("metadata", "spec"))


def _without_version(part: Object | None) -> Object:
    return {key: value for key, value in (part or {}).items() if key not in {"resourceVersion", "managedFields"}}


def replica_sets(context: ControllerContext) -> ReplicaController:
    """Builds the controller of ReplicaSets."""
    return ReplicaController(context, REPLICASET)


def replication_controllers(context: ControllerContext) -> ReplicaController:
    """Builds the controller of ReplicationControllers."""
    return ReplicaController(context, REPLICATIONCONTROLLER)
