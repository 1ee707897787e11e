"""The loop around the decision.

Source: kube-controller-manager 1.36 `job_controller.go`.
"""

from __future__ import annotations

import asyncio

from refimpl.api.errors import ApiError, Object
from refimpl.api.meta import finalizers, labels
from refimpl.api.resources import JOBS, PODS
from refimpl.api.selectors import LabelSelector, from_map, from_object
from refimpl.client.informer import Key, key_of
from refimpl.client.transport import Unreachable
from refimpl.client.workqueue import WorkQueue
from refimpl.controllers.job import census as counting
from refimpl.controllers.job import reconcile
from refimpl.controllers.job.census import FINALIZER, Census
from refimpl.controllers.job.reconcile import Decision, Failures
from refimpl.controllers.runner import ControllerContext
from refimpl.controllers.workloads import owners, pods
from refimpl.controllers.workloads.changes import keyed, split
from refimpl.controllers.workloads.expectations import TIMEOUT_SECONDS, Expectations
from refimpl.controllers.workloads.owners import BY_CONTROLLER, BY_NAMESPACE, by_controller, by_namespace
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

JOB_NAME_LABELS = ("batch.kubernetes.io/job-name", "job-name")
UID_LABELS = ("batch.kubernetes.io/controller-uid", "controller-uid")


class JobController:
    """Runs Jobs to completion.

    Args:
        context: of the manager.
        concurrent_syncs: how many Jobs are worked on at a time.
    """

    name = "job-controller"

    def __init__(self, context: ControllerContext, *, concurrent_syncs: int = 5) -> None:
        self._client = context.client
        self._clock = context.clock
        self._concurrent_syncs = concurrent_syncs
        self._recorder = context.recorder("job-controller")
        self._control = PodControl(context.client, self._recorder)
        self._expectations = Expectations(context.clock)
        self._failures: dict[str, Failures] = {}
        self._written: dict[str, int] = {}
        self._queue: WorkQueue[Key] = WorkQueue(context.clock)
        self._orphans: WorkQueue[Key] = WorkQueue(context.clock)
        self._jobs = context.informers.informer(JOBS, {BY_NAMESPACE: by_namespace})
        self._pods = context.informers.informer(PODS, {BY_CONTROLLER: by_controller})
        self._jobs.add_handler(keyed(self._queue.add))
        self._jobs.add_handler(split(self._job_gone))
        self._watch = PodWatch(JOBS, self._jobs, self._queue, _selector, expectations=self._expectations, facts=_facts)
        self._pods.add_handler(self._watch)
        self._pods.add_handler(self._pod_seen)

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(run_workers(self._queue, self.sync, self.name, self._concurrent_syncs))
            group.create_task(run_workers(self._orphans, self.release_orphan, f"{self.name} orphans", 1))

    async def sync(self, key: Key) -> None:
        """Makes the next step of one Job.

        Raises:
            ApiError, Unreachable: a step was refused; the key is to be tried again.
        """
        job = self._jobs.get(key[1], key[0])
        if job is None or self._is_stale(job):
            return
        uid = job["metadata"]["uid"]
        caught_up = self._expectations.met(uid)
        mine = await self._mine(job)
        if reconcile.is_over(job):
            await self._release([pod for pod in mine if FINALIZER in finalizers(pod)])
            return
        census = counting.take(job, mine)
        now = self._clock.now()
        failures = reconcile.recent(self._failures.get(uid, Failures()), job, census, now)
        decision = reconcile.reconcile(job, census, failures, now)
        if caught_up:
            await self._carry_out(job, decision)
        else:
            self._queue.add_after(key, TIMEOUT_SECONDS)
        await self._report(job, decision, census)
        self._failures[uid] = failures
        if decision.wait is not None:
            self._queue.add_after(key, decision.wait)

    async def release_orphan(self, key: Key) -> None:
        """Lets a finished or deleted pod go whose Job is gone.

        Raises:
            ApiError, Unreachable: refused; to be tried again.
        """
        pod = self._pods.get(key[1], key[0])
        if pod is not None and FINALIZER in finalizers(pod) and self._watch.owner_of(pod) is None:
            await self._release([pod])

    async def _mine(self, job: Object) -> tuple[Object, ...]:
        claims = owners.claim(job, _selector(job), *owners.held_and_orphans(self._pods, job))
        return await take(self._client, JOBS, PODS, job, claims)

    async def _carry_out(self, job: Object, decision: Decision) -> None:
        uid = job["metadata"]["uid"]
        if decision.create:
            body = _pod(job)
            self._expectations.expect(uid, creations=decision.create)
            created, failure = await slow_start(decision.create, lambda _: self._control.create(job, body))
            self._expectations.created(uid, decision.create - created)
            if failure is not None and not namespace_is_going(failure):
                raise failure
        if decision.delete:
            self._expectations.expect(uid, deletions=[pod["metadata"]["uid"] for pod in decision.delete])
            failures = await side_by_side([self._delete(job, pod) for pod in decision.delete])
            if failures:
                raise failures[0]

    async def _delete(self, job: Object, pod: Object) -> None:
        try:
            await self._control.delete(job, pod)
        except (ApiError, Unreachable):
            self._expectations.deleted(job["metadata"]["uid"], pod["metadata"]["uid"])
            raise

    async def _report(self, job: Object, decision: Decision, census: Census) -> None:
        if decision.status != job.get("status"):
            written = await self._client.update(JOBS, {**job, "status": decision.status}, subresource="status")
            self._written[job["metadata"]["uid"]] = int(written["metadata"]["resourceVersion"])
            self._tell(job, decision)
        await self._release(census.releasable)

    def _tell(self, job: Object, decision: Decision) -> None:
        if decision.end is None:
            return
        if decision.end.kind == "Complete":
            self._recorder.event(job, "Normal", "Completed", "Job completed")
        else:
            self._recorder.event(job, "Warning", decision.end.reason, decision.end.message)

    async def _release(self, finished: tuple[Object, ...] | list[Object]) -> None:
        """Takes the finalizer off pods that are counted, or whose Job does not count any more."""
        failures = await side_by_side([self._release_one(pod) for pod in finished])
        if failures:
            raise failures[0]

    async def _release_one(self, pod: Object) -> None:
        metadata = pod["metadata"]
        patch = {"metadata": {"uid": metadata["uid"], "$deleteFromPrimitiveList/finalizers": [FINALIZER]}}
        try:
            await self._client.patch(PODS, metadata["name"], patch, namespace=metadata["namespace"])
        except ApiError as error:
            if error.code not in {404, 409}:
                raise

    def _is_stale(self, job: Object) -> bool:
        """Whether the cache is behind our own last write: pods that it counts would be forgotten, and made again."""
        return int(job["metadata"]["resourceVersion"]) < self._written.get(job["metadata"]["uid"], 0)

    def _job_gone(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            uid = old["metadata"]["uid"]
            self._expectations.forget(uid)
            self._failures.pop(uid, None)
            self._written.pop(uid, None)
            for pod in self._pods.by_index(BY_CONTROLLER, uid):
                self._orphans.add((pod["metadata"]["namespace"], pod["metadata"]["name"]))

    def _pod_seen(self, old: Object | None, new: Object | None) -> None:
        """A pod that is still held for a Job that is gone would stay for ever."""
        if new is not None and FINALIZER in finalizers(new) and self._watch.owner_of(new) is None:
            self._orphans.add(key_of(new))


def _facts(pod: Object) -> tuple[object, ...]:
    return (*pods.standing(pod), finalizers(pod), pods.restarts(pod))


def _selector(job: Object) -> LabelSelector:
    if job["spec"].get("selector"):
        return from_object(job["spec"]["selector"])
    return from_map({UID_LABELS[0]: job["metadata"]["uid"]})


def _pod(job: Object) -> Object:
    """A pod of the Job, held until it is counted."""
    template = job["spec"]["template"]
    pod = pod_of(template, job)
    metadata = job["metadata"]
    marks = dict.fromkeys(JOB_NAME_LABELS, metadata["name"]) | dict.fromkeys(UID_LABELS, metadata["uid"])
    pod["metadata"]["labels"] = {**marks, **labels(template)}
    pod["metadata"]["finalizers"] = [*finalizers(template), FINALIZER]
    return pod
