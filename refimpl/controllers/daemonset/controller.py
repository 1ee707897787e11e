"""The loop around the decision.

Source: kube-controller-manager 1.36 `daemon_controller.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from refimpl.api.errors import ApiError, Object
from refimpl.api.meta import is_terminating
from refimpl.api.resources import CONTROLLERREVISIONS, DAEMONSETS, NODES, PODS
from refimpl.api.selectors import LabelSelector, from_object
from refimpl.api.taints import taints_of
from refimpl.client.informer import Key, key_of
from refimpl.client.transport import Unreachable
from refimpl.client.workqueue import WorkQueue
from refimpl.controllers.daemonset import placement, reconcile
from refimpl.controllers.daemonset.placement import Verdict
from refimpl.controllers.daemonset.reconcile import Decision, View
from refimpl.controllers.runner import ControllerContext
from refimpl.controllers.workloads import owners, pods
from refimpl.controllers.workloads.actions import delete
from refimpl.controllers.workloads.backoff import Backoff
from refimpl.controllers.workloads.changes import keyed, split
from refimpl.controllers.workloads.expectations import TIMEOUT_SECONDS, Expectations
from refimpl.controllers.workloads.owners import BY_CONTROLLER, BY_NAMESPACE, by_controller, by_namespace
from refimpl.controllers.workloads.podcontrol import PodControl, namespace_is_going, side_by_side, slow_start, take
from refimpl.controllers.workloads.podwatch import PodWatch
from refimpl.controllers.workloads.revisions import expendable, hash_of, history_of
from refimpl.controllers.workloads.workers import run_workers


class DaemonSetController:
    """Keeps a pod on every node that suits a DaemonSet.

    Args:
        context: of the manager.
        concurrent_syncs: how many DaemonSets are worked on at a time.
    """

    name = "daemonset-controller"

    def __init__(self, context: ControllerContext, *, concurrent_syncs: int = 2) -> None:
        self._client = context.client
        self._clock = context.clock
        self._concurrent_syncs = concurrent_syncs
        self._recorder = context.recorder("daemonset-controller")
        self._control = PodControl(context.client, self._recorder)
        self._expectations = Expectations(context.clock)
        self._backoff = Backoff()
        self._queue: WorkQueue[Key] = WorkQueue(context.clock)
        informers = context.informers
        self._daemonsets = informers.informer(DAEMONSETS, {BY_NAMESPACE: by_namespace})
        self._nodes = informers.informer(NODES)
        self._pods = informers.informer(PODS, {BY_CONTROLLER: by_controller})
        self._revisions = informers.informer(CONTROLLERREVISIONS, {BY_CONTROLLER: by_controller})
        self._daemonsets.add_handler(keyed(self._queue.add))
        self._daemonsets.add_handler(split(self._gone))
        self._nodes.add_handler(self._node_changed)
        watch = PodWatch(
            DAEMONSETS,
            self._daemonsets,
            self._queue,
            _selector,
            expectations=self._expectations,
            facts=_pod_facts,
        )
        self._pods.add_handler(watch)

    async def run(self) -> None:
        """Works until cancelled."""
        await run_workers(self._queue, self.sync, self.name, self._concurrent_syncs)

    async def sync(self, key: Key) -> None:
        """Brings the pods and the status of one DaemonSet to what they should be.

        Raises:
            ApiError, Unreachable: something was refused; the key is to be tried again.
        """
        daemonset = self._daemonsets.get(key[1], key[0])
        if daemonset is None or is_terminating(daemonset):
            return
        if daemonset["spec"].get("selector") == {}:
            message = "This daemon set is selecting all pods. A non-empty selector is required."
            self._recorder.event(daemonset, "Warning", "SelectingAll", message)
            return
        history = await history_of(self._client, DAEMONSETS, daemonset, self._revisions)
        revision_hash = hash_of(history.current)
        uid = daemonset["metadata"]["uid"]
        decided = self._expectations.met(uid)
        verdicts = reconcile.verdicts(daemonset, self._nodes.list())
        if decided:
            view = await self._view(daemonset, verdicts, revision_hash)
            await self._carry_out(key, view, reconcile.manage(view))
            if self._expectations.met(uid) and _updates(daemonset):
                await self._carry_out(key, view, reconcile.update(view))
        else:
            self._queue.add_after(key, TIMEOUT_SECONDS)
        view = await self._view(daemonset, verdicts, revision_hash)
        live = [hash_of(pod) for present in view.on_nodes.values() for pod in present]
        for revision in expendable(history, int(daemonset["spec"].get("revisionHistoryLimit", 10)), live):
            await delete(self._client, CONTROLLERREVISIONS, revision)
        await self._report(key, view, decided=decided)

    async def _view(self, daemonset: Object, verdicts: Mapping[str, Verdict], revision_hash: str) -> View:
        claims = owners.claim(daemonset, _selector(daemonset), *owners.held_and_orphans(self._pods, daemonset))
        mine = await take(self._client, DAEMONSETS, PODS, daemonset, claims)
        now = self._clock.now()
        return View(
            daemonset,
            verdicts,
            reconcile.by_node(mine),
            revision_hash,
            lambda node: self._backoff.remaining(_spot(daemonset, node), now),
            now,
        )

    async def _carry_out(self, key: Key, view: View, decision: Decision) -> None:
        if decision.wait is not None:
            self._queue.add_after(key, decision.wait)
        for pod in decision.finished:
            self._tell_finished(view, pod)
        daemonset = view.daemonset
        uid = daemonset["metadata"]["uid"]
        if not decision.create and not decision.delete:
            return
        doomed = [pod["metadata"]["uid"] for pod in decision.delete]
        self._expectations.expect(uid, creations=len(decision.create), deletions=doomed)
        created, failure = await slow_start(
            len(decision.create),
            lambda n: self._control.create(
                daemonset, placement.daemon_pod(daemonset, decision.create[n], view.revision_hash)
            ),
        )
        self._expectations.created(uid, len(decision.create) - created)
        failures = await side_by_side([self._delete(daemonset, pod) for pod in decision.delete])
        if failure is not None and not namespace_is_going(failure):
            raise failure
        if failures:
            raise failures[0]

    async def _delete(self, daemonset: Object, pod: Object) -> None:
        try:
            await self._control.delete(daemonset, pod)
        except (ApiError, Unreachable):
            self._expectations.deleted(daemonset["metadata"]["uid"], pod["metadata"]["uid"])
            raise

    def _tell_finished(self, view: View, pod: Object) -> None:
        metadata = pod["metadata"]
        node = pods.node_of(pod)
        about = f"{metadata['namespace']}/{metadata['name']} on node {node}"
        if pods.phase(pod) == "Failed":
            self._backoff.failed(_spot(view.daemonset, node), view.now)
            message = f"Found failed daemon pod {about}, will try to kill it"
            self._recorder.event(view.daemonset, "Warning", "FailedDaemonPod", message)
        else:
            message = f"Found succeeded daemon pod {about}, will try to delete it"
            self._recorder.event(view.daemonset, "Normal", "SucceededDaemonPod", message)

    async def _report(self, key: Key, view: View, *, decided: bool) -> None:
        status = reconcile.calculate_status(view, decided=decided)
        if status != view.daemonset.get("status"):
            await self._client.update(DAEMONSETS, {**view.daemonset, "status": status}, subresource="status")
        min_ready_seconds = int(view.daemonset["spec"].get("minReadySeconds") or 0)
        if min_ready_seconds and status["numberReady"] != status.get("numberAvailable", 0):
            self._queue.add_after(key, min_ready_seconds)

    def _gone(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._expectations.forget(old["metadata"]["uid"])
            self._backoff.forget(old["metadata"]["uid"])

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and _placement_facts(old) == _placement_facts(new):
            return
        for daemonset in self._daemonsets.list():
            demands = placement.demands_of(daemonset)
            before = placement.judge(demands, old) if old is not None else None
            after = placement.judge(demands, new) if new is not None else None
            if before != after:
                self._queue.add(key_of(daemonset))


def _selector(daemonset: Object) -> LabelSelector:
    return from_object(daemonset["spec"]["selector"])


def _updates(daemonset: Object) -> bool:
    strategy = daemonset["spec"].get("updateStrategy") or {}
    return bool(strategy.get("type", "RollingUpdate") == "RollingUpdate")


def _spot(daemonset: Object, node: str) -> str:
    metadata = daemonset["metadata"]
    return f"{metadata['uid']}/{metadata.get('generation', 0)}/{node}"


def _placement_facts(node: Object) -> Iterable[object]:
    """All of a node that placement looks at."""
    return node["metadata"]["uid"], node["metadata"].get("labels"), taints_of(node)


def _pod_facts(pod: Object) -> Iterable[object]:
    return *pods.standing(pod), pods.node_of(pod)
