"""Pod workers: for each pod, at most one task that brings the runtime to where the spec wants it.

A worker exists only while there is something to do. It is woken by changes of the object, by the runtime, by probes and
by timers (back-off, deadlines); it looks at everything anew each time, so that no wake-up carries information.

Source: kubelet 1.36 `pod_workers.go`, `SyncPod`, `SyncTerminatingPod`, `SyncTerminatedPod`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from refimpl.api.errors import Object
from refimpl.client.transport import Unreachable
from refimpl.kubelet import eviction, podspec
from refimpl.kubelet.pods import podactions, podrecord, podstatus
from refimpl.kubelet.pods.podactions import Kill, PodActions, Probed
from refimpl.kubelet.pods.podrecord import PodRecord, StopOrder
from refimpl.kubelet.pods.podstarter import RETRY_DELAY, Starter
from refimpl.kubelet.pods.podstatus import Ending, Observed
from refimpl.kubelet.pods.probes import Prober
from refimpl.kubelet.pods.termination import Stopper
from refimpl.kubelet.pods.workercontext import WorkerContext
from refimpl.kubelet.runtime.base import Container, RuntimeUnavailable, Sandbox, StartFailure

log = logging.getLogger(__name__)

_PULL_FAILED: Final = ("ErrImagePull", "RegistryUnavailable", "SignatureValidationFailed")
DEADLINE_EXCEEDED: Final = Ending("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


class PodWorkers:
    """Works on pods; `run` until cancelled."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._clock = context.clock
        self._runtime = context.runtime
        self._records: dict[str, PodRecord] = {}
        self._group: asyncio.TaskGroup | None = None
        self._stopper = Stopper(context.runtime, context.clock, context.event)
        self._starter = Starter(context, self._stopper)
        self.prober = Prober(
            context.runtime,
            context.clock,
            changed=self.changed,
            unhealthy=lambda pod, name, text: context.event(pod, name, "Warning", "Unhealthy", text),
        )

    @property
    def records(self) -> Mapping[str, PodRecord]:
        """Every pod on the node by uid."""
        return self._records

    async def run(self) -> None:
        """Works until cancelled; containers are left as they are then."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                self.kick_all()
                await asyncio.Event().wait()
            finally:
                self._group = None
                for record in self._records.values():
                    record.cancel_timer()

    def add(self, record: PodRecord) -> None:
        """Takes a pod on."""
        self._records[record.uid] = record
        self.kick(record)

    def changed(self, uid: str) -> None:
        """Something of a pod changed in the runtime or in a probe's verdict."""
        record = self._records.get(uid)
        if record is not None:
            record.pulse.beat()
            self.kick(record)

    def stop(self, record: PodRecord, order: StopOrder) -> None:
        """Decides that a pod must stop."""
        if record.order_stop(order, self._clock.monotonic()):
            self.kick(record)

    def kick_all(self) -> None:
        """Looks at every pod again."""
        for record in list(self._records.values()):
            self.kick(record)

    def kick(self, record: PodRecord) -> None:
        """Sees to it that a worker looks at a pod."""
        if record.working:
            record.dirty = True
        elif self._group is not None:
            record.working = True
            self._group.create_task(self._work(record), name=f"pod {record.namespace}/{record.name}")

    async def _work(self, record: PodRecord) -> None:
        try:
            record.dirty = True
            while record.dirty:
                record.dirty = False
                record.cancel_timer()
                await self._try(record)
        finally:
            record.working = False

    async def _try(self, record: PodRecord) -> None:
        try:
            await self.sync(record)
        except (StartFailure, RuntimeUnavailable, Unreachable) as error:
            log.info("%s/%s: %s; will retry", record.namespace, record.name, error)
            self._wake(record, RETRY_DELAY)
        except Exception:
            log.exception("%s/%s: unexpected failure; will retry", record.namespace, record.name)
            self._wake(record, RETRY_DELAY)

    async def sync(self, record: PodRecord) -> None:
        """One look at a pod."""
        if record.rejected:
            await self._finish_rejected(record)
        elif record.stop is not None:
            await self._end(record, record.stop)
        elif not self._context.runtime_errors():
            await self._advance(record)

    def status_of(self, record: PodRecord) -> Object:
        """The pod's status as things stand."""
        sandbox = self._runtime.sandbox(record.uid)
        verdicts = {run.id: found for run in _runs(sandbox) if (found := self.prober.verdicts(run.id)) is not None}
        observed = Observed(
            sandbox=sandbox,
            previous=self._context.statuses.status(record.uid) or record.pod.get("status") or {},
            scheme=self._runtime.name,
            host_ips=self._context.host_ips(),
            ready={run: found.ready for run, found in verdicts.items() if found.ready is not None},
            started={run: found.started for run, found in verdicts.items() if found.started is not None},
            waiting=record.waiting,
            ending=record.stop.ending if record.stop else None,
            over=record.over,
        )
        return podstatus.pod_status(record.pod, observed, self._context.era)

    def publish(self, record: PodRecord) -> None:
        """Says what the pod's status is."""
        if record.in_api:
            self._context.statuses.set(record.pod, self.status_of(record))

    async def _advance(self, record: PodRecord) -> None:
        """Brings a pod that shall run closer to its spec."""
        pod = record.pod
        sandbox = self._runtime.sandbox(record.uid)
        self._follow_probes(record, sandbox)
        self.publish(record)
        if self._deadline_passed(record):
            return
        actions = podactions.compute_actions(pod, sandbox, self._probed(record, sandbox))
        if actions.ends:
            self.stop(record, StopOrder(Ending(), podspec.spec_grace(pod)))
            return
        problems = self._context.network_errors()
        if problems and not podspec.on_host_network(pod):
            self._context.event(pod, "", "Warning", "NetworkNotReady", f"network is not ready: {problems[0]}")
            return
        await self._carry_out(record, sandbox, actions)

    async def _carry_out(self, record: PodRecord, sandbox: Sandbox | None, actions: PodActions) -> None:
        for kill in actions.kills:
            await self._kill(record, kill)
        if actions.starts and sandbox is None:
            sandbox = await self._runtime.run_sandbox(record.pod, next(iter(self._context.host_ips()), ""))
        for start in actions.starts:
            if record.stop is not None:
                return
            delay = await self._starter.start(record, sandbox, start)
            if delay is not None:
                self._wake(record, delay)
        if record.waiting:
            self.publish(record)

    async def _kill(self, record: PodRecord, kill: Kill) -> None:
        self.prober.stop(kill.container.id)
        if kill.restarts:
            record.killed.add(kill.container.name)
        await self._stopper.stop_container(
            record,
            kill.container,
            podspec.spec_grace(record.pod),
            minimum=podspec.MINIMUM_GRACE,
            message=kill.message,
        )

    async def _end(self, record: PodRecord, order: StopOrder) -> None:
        """Stops a pod, publishes how it ended, and lets go of what nobody needs any more."""
        if not record.over:
            for run in _runs(self._runtime.sandbox(record.uid)):
                self.prober.stop(run.id)
            if not record.settled:
                self.publish(record)
            await self._stopper.stop_pod(record, order)
            record.over = True
        final = None if record.settled else self.status_of(record)
        if _gives_back(record, order) and not record.reclaimed:
            await self._runtime.remove_sandbox(record.uid)
            record.reclaimed = True
        if not record.in_api:
            self._drop(record)
        elif final is None:
            self._context.statuses.adopt(record.pod)
        else:
            self._context.statuses.set(record.pod, final)

    async def _finish_rejected(self, record: PodRecord) -> None:
        """Clears away what an earlier run of the kubelet had started of a pod that is not taken any more."""
        if self._runtime.sandbox(record.uid) is not None:
            await self._stopper.stop_pod(record, StopOrder(Ending(), podspec.spec_grace(record.pod)))
            await self._runtime.remove_sandbox(record.uid)
        record.over = record.reclaimed = True
        if record.in_api:
            self._context.statuses.nudge(record.uid)
        else:
            self._drop(record)

    def _drop(self, record: PodRecord) -> None:
        """Forgets a pod of which neither the API nor the runtime has anything."""
        record.cancel_timer()
        self._context.statuses.forget(record.uid)
        if self._records.get(record.uid) is record:
            del self._records[record.uid]

    def _deadline_passed(self, record: PodRecord) -> bool:
        left = podrecord.time_left(record.pod, self._started_at(record), self._clock.now())
        if left is None:
            return False
        if left > 0:
            self._wake(record, left)
            return False
        self._event(record, "", "Normal", DEADLINE_EXCEEDED.reason, DEADLINE_EXCEEDED.message)
        self.stop(record, StopOrder(DEADLINE_EXCEEDED, podspec.spec_grace(record.pod)))
        return True

    def _started_at(self, record: PodRecord) -> datetime | None:
        status = self._context.statuses.status(record.uid)
        return podspec.start_time({"status": status} if status else record.pod)

    def _follow_probes(self, record: PodRecord, sandbox: Sandbox | None) -> None:
        """Probes what runs, and nothing else."""
        for run in _runs(sandbox):
            spec = podspec.container_named(record.pod, run.name)
            if run.running and spec is not None and self._group is not None and sandbox is not None:
                self.prober.ensure(self._group, record.pod, spec, run, next(iter(sandbox.ips), ""))
            elif not run.running:
                self.prober.stop(run.id)

    def _probed(self, record: PodRecord, sandbox: Sandbox | None) -> Probed:
        unhealthy: dict[str, str] = {}
        started: dict[str, bool] = {}
        for run in _runs(sandbox):
            found = self.prober.verdicts(run.id)
            if found is not None and found.unhealthy:
                unhealthy[run.id] = found.unhealthy
            if found is not None and found.started is not None:
                started[run.id] = found.started
        return Probed(unhealthy, started, frozenset(record.killed))

    def _wake(self, record: PodRecord, delay: float) -> None:
        """Looks again after `delay` seconds, or earlier if that was planned."""
        loop = asyncio.get_running_loop()
        due = loop.time() + delay
        if record.timer is not None:
            if record.timer.when() <= due:
                return
            record.timer.cancel()
        record.timer = loop.call_at(due, self._fire, record)

    def _fire(self, record: PodRecord) -> None:
        record.timer = None
        self.kick(record)

    def _event(self, record: PodRecord, container: str, kind: str, reason: str, message: str) -> None:
        self._context.event(record.pod, container, kind, reason, message)


def _gives_back(record: PodRecord, order: StopOrder) -> bool:
    """Whether the files of an ended pod go: those of an evicted one do at once, so that the eviction frees something.

    Source: kubelet 1.36 `ShouldPodContentBeRemoved`.
    """
    wanted = record.in_api and not podspec.is_deleting(record.pod) and order.ending.reason != eviction.REASON
    return record.unneeded or not wanted


def _runs(sandbox: Sandbox | None) -> tuple[Container, ...]:
    return sandbox.containers if sandbox else ()
