"""The loop around the decision.

Source: kube-controller-manager 1.36 `stateful_set.go`, `stateful_pod_control.go`.
"""

from __future__ import annotations

from collections.abc import Iterable

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import CONTROLLERREVISIONS, PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS
from refimpl.api.selectors import LabelSelector, from_object
from refimpl.client.informer import Key
from refimpl.client.transport import Unreachable
from refimpl.client.workqueue import WorkQueue
from refimpl.controllers.runner import ControllerContext
from refimpl.controllers.statefulset import identity, reconcile
from refimpl.controllers.statefulset.reconcile import Decision, View
from refimpl.controllers.workloads import owners, pods
from refimpl.controllers.workloads.actions import delete
from refimpl.controllers.workloads.changes import keyed
from refimpl.controllers.workloads.owners import BY_CONTROLLER, BY_NAMESPACE, by_controller, by_namespace
from refimpl.controllers.workloads.podcontrol import namespace_is_going, take
from refimpl.controllers.workloads.podwatch import PodWatch
from refimpl.controllers.workloads.revisions import History, expendable, hash_of, history_of
from refimpl.controllers.workloads.workers import run_workers

REVISION_HASH_LABEL = "controller.kubernetes.io/hash"


class StatefulSetController:
    """Keeps the pods of StatefulSets.

    Args:
        context: of the manager.
        concurrent_syncs: how many StatefulSets are worked on at a time.
    """

    name = "statefulset-controller"

    def __init__(self, context: ControllerContext, *, concurrent_syncs: int = 5) -> None:
        self._client = context.client
        self._clock = context.clock
        self._concurrent_syncs = concurrent_syncs
        self._recorder = context.recorder("statefulset-controller")
        self._queue: WorkQueue[Key] = WorkQueue(context.clock)
        informers = context.informers
        self._sets = informers.informer(STATEFULSETS, {BY_NAMESPACE: by_namespace})
        self._pods = informers.informer(PODS, {BY_CONTROLLER: by_controller})
        self._claims = informers.informer(PERSISTENTVOLUMECLAIMS)
        self._revisions = informers.informer(CONTROLLERREVISIONS, {BY_CONTROLLER: by_controller})
        self._sets.add_handler(keyed(self._queue.add))
        self._pods.add_handler(PodWatch(STATEFULSETS, self._sets, self._queue, _selector))

    async def run(self) -> None:
        """Works until cancelled."""
        await run_workers(self._queue, self.sync, self.name, self._concurrent_syncs)

    async def sync(self, key: Key) -> None:
        """Makes the next step of one StatefulSet.

        Raises:
            ApiError, Unreachable: a step was refused; the key is to be tried again.
        """
        statefulset = self._sets.get(key[1], key[0])
        if statefulset is None:
            return
        history = await history_of(self._client, STATEFULSETS, statefulset, self._revisions, REVISION_HASH_LABEL)
        current = self._current(statefulset, history)
        mine = await self._mine(statefulset)
        update = history.current["metadata"]["name"]
        view = View(statefulset, mine, current["metadata"]["name"], update, self._clock.now())
        decision = reconcile.reconcile(view)
        try:
            await self._carry_out(view, decision, current, history.current)
        finally:
            await self._report(key, view)
        live = [view.current, view.update, *map(hash_of, mine)]
        limit = int(statefulset["spec"].get("revisionHistoryLimit", 10))
        for revision in expendable(history, limit, live):
            await delete(self._client, CONTROLLERREVISIONS, revision)

    def _current(self, statefulset: Object, history: History) -> Object:
        name = (statefulset.get("status") or {}).get("currentRevision")
        known = (revision for revision in history.old if revision["metadata"]["name"] == name)
        return next(known, history.current)

    async def _mine(self, statefulset: Object) -> tuple[Object, ...]:
        named = (self._named(statefulset, found) for found in owners.held_and_orphans(self._pods, statefulset))
        claims = owners.claim(statefulset, _selector(statefulset), *named)
        return await take(self._client, STATEFULSETS, PODS, statefulset, claims)

    def _named(self, statefulset: Object, found: Iterable[Object]) -> list[Object]:
        """The pods whose name makes them one of the set's."""
        return [pod for pod in found if identity.ordinal_of(statefulset, pod) is not None]

    async def _carry_out(self, view: View, decision: Decision, current: Object, update: Object) -> None:
        for pod in decision.failed:
            name = f"{pod['metadata']['namespace']}/{view.statefulset['metadata']['name']}"
            message = f"StatefulSet {name} is recreating {pods.phase(pod)} Pod {pod['metadata']['name']}"
            reason = "RecreatingFailedPod" if pods.phase(pod) == "Failed" else "RecreatingTerminatedPod"
            kind = "Warning" if pods.phase(pod) == "Failed" else "Normal"
            self._recorder.event(view.statefulset, kind, reason, message)
        for pod in decision.delete:
            await self._delete(view.statefulset, pod)
        for ordinal, updated in decision.create:
            await self._create(view.statefulset, ordinal, update if updated else current)

    async def _create(self, statefulset: Object, ordinal: int, revision: Object) -> None:
        pod = identity.new_pod(statefulset, ordinal, revision)
        for body in identity.claims_of(statefulset, ordinal):
            await self._ensure_claim(statefulset, body, pod["metadata"]["name"])
        try:
            await self._client.create(PODS, pod)
        except (ApiError, Unreachable) as error:
            if isinstance(error, ApiError) and error.reason == "AlreadyExists":
                return
            if not namespace_is_going(error):
                self._tell(statefulset, "create", f"Pod {pod['metadata']['name']}", error)
            raise
        self._tell(statefulset, "create", f"Pod {pod['metadata']['name']}")

    async def _ensure_claim(self, statefulset: Object, body: Object, pod_name: str) -> None:
        metadata = body["metadata"]
        if self._claims.get(metadata["name"], metadata["namespace"]) is not None:
            return
        what = f"Claim {metadata['name']} Pod {pod_name} in StatefulSet {statefulset['metadata']['name']}"
        try:
            await self._client.create(PERSISTENTVOLUMECLAIMS, body)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                return
            message = f"create {what} failed error: {error}"
            self._recorder.event(statefulset, "Warning", "FailedCreate", message)
            raise
        self._recorder.event(statefulset, "Normal", "SuccessfulCreate", f"create {what} success")

    async def _delete(self, statefulset: Object, pod: Object) -> None:
        what = f"Pod {pod['metadata']['name']}"
        try:
            await delete(self._client, PODS, pod)
        except (ApiError, Unreachable) as error:
            self._tell(statefulset, "delete", what, error)
            raise
        self._tell(statefulset, "delete", what)

    def _tell(self, statefulset: Object, verb: str, what: str, error: ApiError | Unreachable | None = None) -> None:
        where = f"{what} in StatefulSet {statefulset['metadata']['name']}"
        if error is None:
            self._recorder.event(statefulset, "Normal", f"Successful{verb.title()}", f"{verb} {where} successful")
        else:
            self._recorder.event(
                statefulset, "Warning", f"Failed{verb.title()}", f"{verb} {where} failed error: {error}"
            )

    async def _report(self, key: Key, view: View) -> None:
        status = reconcile.calculate_status(view)
        if status != view.statefulset.get("status"):
            await self._client.update(STATEFULSETS, {**view.statefulset, "status": status}, subresource="status")
        seconds = int(view.statefulset["spec"].get("minReadySeconds") or 0)
        if seconds and status["availableReplicas"] != status.get("readyReplicas", 0):
            self._queue.add_after(key, seconds)


def _selector(statefulset: Object) -> LabelSelector:
    return from_object(statefulset["spec"]["selector"])
