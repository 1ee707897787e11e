"""The scheduler: takes pods from the queue one by one, decides, and lets the API calls run beside the next decision.

The decision, the assumption that makes it count, and the pod's return to the queue when there is no node happen without
an `await` between them, so no event can fall into the middle. Only then is the API told: a binding in the background,
a failure before the next cycle, because two writes about one pod must not overtake each other.

Source: kube-scheduler 1.36 `schedule_one.go`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import attrs

from refimpl.api.resources import NODES, PODDISRUPTIONBUDGETS, PODS
from refimpl.client.client import Client
from refimpl.client.informer import Informer, run_informers
from refimpl.client.leaderelection import LeaderElector
from refimpl.clock import Clock
from refimpl.scheduler import clusterview
from refimpl.scheduler.algorithm import Algorithm, Placement
from refimpl.scheduler.binding import Binder
from refimpl.scheduler.cache import Cache
from refimpl.scheduler.clusterview import ClusterView
from refimpl.scheduler.config import SchedulerConfig
from refimpl.scheduler.diagnosis import Diagnosis
from refimpl.scheduler.eventhandlers import EventHandlers
from refimpl.scheduler.eviction import Evictor
from refimpl.scheduler.failure import SCHEDULER_ERROR, UNSCHEDULABLE, say_unscheduled
from refimpl.scheduler.nominator import Nominator
from refimpl.scheduler.podinfo import PodInfo
from refimpl.scheduler.preemption import Candidate, Outcome, Preemption
from refimpl.scheduler.recorder import SchedulerEvents
from refimpl.scheduler.refusals import Refusals
from refimpl.scheduler.schedulingqueue import QueuedPod, SchedulingQueue

log = logging.getLogger(__name__)

_FAR_SIGHTED: Final = {"PodTopologySpread", "InterPodAffinity"}


class Scheduler:
    """Binds pods to nodes, after winning the election where there is one.

    Nothing is kept from one term of office to the next: each begins with fresh caches.

    Args:
        client: the API.
        clock: time, randomness.
        config: what it was told.
        elector: leader election; None means that this is the only scheduler.
        instance: `reportingInstance` of its events.

    Attributes:
        leading: set while it works.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        config: SchedulerConfig | None = None,
        *,
        elector: LeaderElector | None = None,
        instance: str = "",
    ) -> None:
        self._client = client
        self._clock = clock
        self._config = config or SchedulerConfig()
        self._elector = elector
        self._instance = instance or self._config.scheduler_name
        self.leading = asyncio.Event()

    async def run(self) -> None:
        """Works until cancelled.

        Raises:
            LeadershipLost: the lease could not be renewed; the process should end.
        """
        if self._elector is None:
            await self._lead()
        else:
            await self._elector.run(self._lead)

    async def _lead(self) -> None:
        term = Term(self._client, self._clock, self._config, self._instance)
        await term.run(self.leading)


@attrs.define(eq=False)
class Term:
    """One term of office: everything the scheduler knows, and its loop."""

    client: Client
    clock: Clock
    config: SchedulerConfig
    instance: str
    informers: list[Informer] = attrs.field(init=False)
    cache: Cache = attrs.field(factory=Cache, init=False)
    nominator: Nominator = attrs.field(factory=Nominator, init=False)
    queue: SchedulingQueue = attrs.field(init=False)
    algorithm: Algorithm = attrs.field(init=False)
    refusals: Refusals = attrs.field(init=False)
    preemption: Preemption = attrs.field(init=False)
    events: SchedulerEvents = attrs.field(init=False)
    binder: Binder = attrs.field(init=False)
    evictor: Evictor = attrs.field(init=False)
    handlers: EventHandlers = attrs.field(init=False)
    _bindings: asyncio.Semaphore = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        client, clock, config = self.client, self.clock, self.config
        nodes, pods, budgets = (Informer(client, row, clock) for row in (NODES, PODS, PODDISRUPTIONBUDGETS))
        watched = {row: Informer(client, row, clock) for row in clusterview.WATCHED}
        for informer in watched.values():
            informer.add_index("namespace", clusterview.by_namespace)
        self.informers = [nodes, pods, budgets, *watched.values()]
        self.queue = SchedulingQueue(clock, config)
        view = ClusterView(self.cache, watched)
        self.algorithm = Algorithm(self.cache, self.nominator, view, config, clock.random)
        self.refusals = Refusals(self.cache, self.nominator)
        self.preemption = Preemption(self.cache, self.nominator, view, budgets.list, config, clock.random)
        self.events = SchedulerEvents(client, clock, config.scheduler_name, self.instance)
        self.binder = Binder(client, clock)
        self.evictor = Evictor(client, clock, self.events, config.scheduler_name)
        self.handlers = EventHandlers(config, self.cache, self.nominator, self.queue, self.algorithm.verdicts)
        self._bindings = asyncio.Semaphore(config.max_bindings_in_flight)
        nodes.add_handler(self.handlers.on_node)
        pods.add_handler(self.handlers.on_pod)

    async def run(self, leading: asyncio.Event) -> None:
        """Works until cancelled; sets `leading` when the caches are in sync and the first pod can be tried."""
        async with asyncio.TaskGroup() as group:
            group.create_task(run_informers(*self.informers), name="scheduler informers")
            group.create_task(self.events.run(), name="scheduler events")
            for informer in self.informers:
                await informer.synced.wait()
            group.create_task(self._flush(), name="scheduler flush")
            leading.set()
            try:
                while True:
                    await self._schedule_one(await self.queue.pop(), group)
                    # Nothing above need have waited: without this the loop would starve bindings and informers.
                    await asyncio.sleep(0)
            finally:
                leading.clear()

    async def _flush(self) -> None:
        while True:
            await self.clock.sleep(self.config.unschedulable_flush_interval)
            self.queue.flush_leftover()

    async def _schedule_one(self, queued: QueuedPod, group: asyncio.TaskGroup) -> None:
        known = self.refusals.recall(queued.pod)
        if known:
            self.queue.unschedulable(queued)
            await self._say_unschedulable(queued.pod, known, nomination="")
            return
        try:
            decision = self._decide(queued.pod)
        except Exception as error:
            log.exception("scheduling %s/%s failed; will retry", queued.pod.namespace, queued.pod.name)
            self.queue.failed(queued)
            await self._say_failed(queued, repr(error))
            return
        if isinstance(decision, Placement):
            self._assume(queued.pod, decision)
            await self._bindings.acquire()
            group.create_task(self._bind(queued, decision.node), name=f"bind {queued.pod.name}")
        else:
            await self._reject(queued, *decision, group)

    def _decide(self, pod: PodInfo) -> Placement | tuple[Diagnosis, Outcome]:
        """Where a pod goes; or why nowhere, and what preemption can do about it."""
        decision = self.algorithm.schedule(pod)
        if isinstance(decision, Placement):
            return decision
        return decision, self.preemption.decide(pod, decision)

    def _assume(self, pod: PodInfo, placement: Placement) -> None:
        self.cache.assume(pod, placement.node)
        self.nominator.remove(pod.uid)

    async def _bind(self, queued: QueuedPod, node: str) -> None:
        pod = queued.pod
        try:
            why_not = await self.binder.bind(pod, node)
        finally:
            self._bindings.release()
        if not why_not:
            self.queue.remove(pod.uid)
            self.events.scheduled(pod, node)
            return
        freed = self.cache.forget(pod.uid)
        self.queue.failed(queued)
        if freed:
            self.handlers.node_freed(freed)
        if pod.uid in self.queue:
            await self._say_failed(queued, f"binding rejected: {why_not}")

    async def _say_failed(self, queued: QueuedPod, why: str) -> None:
        self.events.failed(queued.pod, why)
        await say_unscheduled(self.client, self.clock, queued.pod, reason=SCHEDULER_ERROR, message=why, nomination=None)

    async def _reject(
        self, queued: QueuedPod, diagnosis: Diagnosis, outcome: Outcome, group: asyncio.TaskGroup
    ) -> None:
        pod = queued.pod
        outranked = self._nominate(pod, outcome.nomination, outcome.candidate)
        message = attrs.evolve(diagnosis, preemption=outcome.message).message
        far_sighted = depends_on_others(diagnosis)
        self.queue.unschedulable(queued, far_sighted=far_sighted, held=outcome.candidate is not None)
        if outcome.candidate is None and not far_sighted:
            self.refusals.remember(pod, message)
        await self._say_unschedulable(pod, message, outcome.nomination)
        if outcome.candidate is not None:
            group.create_task(self._make_room(pod, outcome.candidate, outranked), name=f"preempt for {pod.name}")

    async def _say_unschedulable(self, pod: PodInfo, message: str, nomination: str | None) -> None:
        self.events.failed(pod, message)
        await say_unscheduled(
            self.client, self.clock, pod, reason=UNSCHEDULABLE, message=message, nomination=nomination
        )

    def _nominate(self, pod: PodInfo, nomination: str | None, candidate: Candidate | None) -> list[PodInfo]:
        """Takes over a nomination; the less important pods that lose theirs by it."""
        if nomination is None:
            return []
        freed = self.nominator.set(pod, nomination)
        if freed:
            self.handlers.node_freed(freed)
        if candidate is None:
            return []
        outranked = [other for other in self.nominator.pods_on(nomination) if other.priority < pod.priority]
        for other in outranked:
            self.nominator.remove(other.uid)
        return outranked

    async def _make_room(self, pod: PodInfo, candidate: Candidate, outranked: list[PodInfo]) -> None:
        done = await self.evictor.make_room(pod, candidate, outranked)
        self.queue.release(pod.uid, activate=not done)
        for other in outranked:
            self.queue.release(other.uid, activate=True)
        # The victims may have been gone before the pod could be told.
        self.handlers.node_freed(candidate.node)


def depends_on_others(diagnosis: Diagnosis) -> bool:
    """Whether what happens on one node can change another node's answer."""
    return any(rejection.plugin in _FAR_SIGHTED for rejection in diagnosis.rejections.values())
