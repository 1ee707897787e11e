"""Pods as they come and go: admission of new ones, and what each change of an object means for its worker.

Pods that arrive together are admitted oldest first. Containers that the API does not know are stopped, but only after
the API was read once: a master that is away is no reason to stop anything.

Source: kubelet 1.36 `HandlePodAdditions`, `HandlePodUpdates`, `HandlePodRemoves`, `HandlePodCleanups`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from refimpl.api.errors import Object
from refimpl.clock import Clock
from refimpl.kubelet import podspec, resources
from refimpl.kubelet.era import Era
from refimpl.kubelet.pods import admission, podrecord, preemption
from refimpl.kubelet.pods.admission import Rejection
from refimpl.kubelet.pods.podrecord import PodRecord, StopOrder
from refimpl.kubelet.pods.podstatus import Ending
from refimpl.kubelet.pods.podworker import PodWorkers
from refimpl.kubelet.pods.statusmanager import StatusManager
from refimpl.kubelet.pods.termination import ContainerEvent
from refimpl.kubelet.runtime.base import Runtime, Sandbox
from refimpl.kubelet.thresholds import Pressure

log = logging.getLogger(__name__)

PREEMPTING = "Preempting"


class PodManager:
    """Takes pods on, and passes on what happens to them.

    Args:
        clock: time.
        era: rules of the kubelet's generation.
        name: the node's name.
        runtime: where containers are that nobody may know any more.
        workers: work on pods.
        statuses: where statuses go.
        node: the Node that pods are admitted to: labels, taints, allocatable.
        pressures: pressure conditions in force.
        event: records an event about a pod.
        closing: why no pod is admitted any more; None while pods are.
        mirror_changed: told that a mirror pod changed.
    """

    def __init__(
        self,
        clock: Clock,
        era: Era,
        name: str,
        *,
        runtime: Runtime,
        workers: PodWorkers,
        statuses: StatusManager,
        node: Callable[[], Object],
        pressures: Callable[[], Sequence[Pressure]],
        event: ContainerEvent,
        closing: Callable[[], Rejection | None],
        mirror_changed: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._era = era
        self._name = name
        self._runtime = runtime
        self._workers = workers
        self._statuses = statuses
        self._node = node
        self._pressures = pressures
        self._event = event
        self._closing = closing
        self._mirror_changed = mirror_changed
        self._arrived: dict[str, Object] = {}
        self._flush: asyncio.Handle | None = None

    def handle(self, old: Object | None, new: Object | None) -> None:
        """The informer's handler."""
        if resources.is_mirror(new or old or {"metadata": {}}):
            self._mirror_changed()
        elif old is not None and new is not None and podspec.uid_of(old) != podspec.uid_of(new):
            # Deleted and created again under one name between two looks: two pods.
            self.removed(old)
            self.added(new)
        elif new is None:
            if old is not None:
                self.removed(old)
        elif old is None:
            self.added(new)
        else:
            self.updated(old, new)

    def added(self, pod: Object) -> None:
        """A pod is bound to this node; it is looked at together with those that arrive in the same moment."""
        if not is_ours(pod, self._name):
            log.warning("the master sent pod %s, which is not bound to this node", podspec.describe(pod))
            return
        self._arrived[podspec.uid_of(pod)] = pod
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_soon(self.admit_arrived)

    def updated(self, old: Object, new: Object) -> None:
        """A pod's object changed."""
        uid = podspec.uid_of(new)
        if uid in self._arrived:
            self._arrived[uid] = new
            return
        record = self._workers.records.get(uid)
        if record is None:
            self.added(new)
            return
        record.pod = new
        if podspec.is_deleting(new):
            self._workers.stop(record, deletion_order(new))
        elif podspec.is_terminal(new) and record.stop is None:
            self._workers.stop(record, StopOrder(Ending(), podspec.spec_grace(new)))
        if podrecord.needs_sync(old, new):
            self._workers.kick(record)

    def removed(self, pod: Object) -> None:
        """The API no longer has a pod: its containers are stopped, and nothing is written about it any more."""
        uid = podspec.uid_of(pod)
        self._arrived.pop(uid, None)
        record = self._workers.records.get(uid)
        if record is None:
            return
        record.in_api = False
        self._statuses.forget(uid)
        self._workers.stop(record, StopOrder(Ending(), podspec.spec_grace(pod)))
        self._workers.kick(record)

    def admit_arrived(self) -> None:
        """Admits the pods that arrived since the last time."""
        self._flush = None
        arrived, self._arrived = self._arrived, {}
        for pod in admission.order(arrived.values()):
            self.take(pod)

    def take(self, pod: Object) -> None:
        """Decides about one new pod."""
        record = podrecord.record_of(pod)
        if podspec.is_terminal(pod):
            record.settled = True
            record.stop = StopOrder(Ending(), podspec.spec_grace(pod))
        elif podspec.is_deleting(pod):
            record.stop = deletion_order(pod)
        else:
            rejection = self._decide_safely(pod)
            if rejection is not None:
                self._reject(record, rejection)
        self._workers.add(record)

    def decide(self, pod: Object) -> Rejection | None:
        """Whether a pod is admitted beside those that count; a critical one may push others out."""
        closing = self._closing()
        if closing is not None:
            return closing
        others = self.active()
        rejection = admission.admit(pod, self._node(), others, self._pressures(), self._era)
        if rejection is None or not rejection.shortages or not resources.is_critical(pod):
            return rejection
        victims = preemption.victims(pod, others, rejection.shortages)
        if victims is None:
            return rejection
        for victim in victims:
            grace = podspec.spec_grace(victim)
            self.end(podspec.uid_of(victim), PREEMPTING, "Preempted in order to admit critical pod", grace=grace)
        return None

    def _decide_safely(self, pod: Object) -> Rejection | None:
        """The decision; a pod that cannot be judged is refused, and the others of its batch are not harmed."""
        try:
            return self.decide(pod)
        except (KeyError, TypeError, ValueError) as error:
            log.exception("pod %s cannot be judged", podspec.describe(pod))
            return Rejection("UnexpectedAdmissionError", f"{type(error).__name__}: {error}")

    def active(self) -> list[Object]:
        """The pods that take room on the node, those that are still starting included."""
        return [record.pod for record in self._workers.records.values() if record.counts]

    def unstopped(self) -> list[Object]:
        """Those of them that nobody has asked to stop."""
        return [record.pod for record in self._workers.records.values() if record.counts and record.stop is None]

    def holds(self, uid: str) -> bool:
        """Whether the runtime still has something of a pod."""
        record = self._workers.records.get(uid)
        return record is not None and not record.reclaimed

    def reclaim(self) -> bool:
        """Lets go of what the runtime still has of pods that are over; whether there was anything.

        Source: kubelet 1.36 `DeleteAllUnusedContainers`.
        """
        dead = [record for record in self._workers.records.values() if record.over and not record.reclaimed]
        for record in dead:
            record.unneeded = True
            self._workers.kick(record)
        return bool(dead)

    def end(self, uid: str, reason: str, message: str, *, grace: float) -> None:
        """Ends a pod for the node's own reasons; it becomes Failed, and its object stays."""
        record = self._workers.records.get(uid)
        if record is None or record.stop is not None:
            return
        self._event(record.pod, "", "Warning", reason, message)
        self._workers.stop(record, StopOrder(Ending(reason, message, message), grace, minimum=grace))

    def clean_up(self) -> None:
        """Stops what the runtime has and the API does not; to be called after the API was read."""
        for sandbox in self._runtime.sandboxes():
            if sandbox.uid not in self._workers.records and sandbox.uid not in self._arrived:
                self._stop_orphan(sandbox)

    def _stop_orphan(self, sandbox: Sandbox) -> None:
        log.info("%s/%s is unknown to the API; stopping it", sandbox.namespace, sandbox.name)
        record = podrecord.record_of(pod_of(sandbox))
        record.in_api = False
        record.stop = StopOrder(Ending(), sandbox.grace)
        self._workers.add(record)

    def _reject(self, record: PodRecord, rejection: Rejection) -> None:
        record.rejected = True
        status = admission.rejected_status(rejection, record.pod, self._era, self._clock.timestamp())
        self._event(record.pod, "", "Warning", rejection.reason, rejection.message)
        self._statuses.set(record.pod, status)


def is_ours(pod: Object, node: str) -> bool:
    """Whether a pod is bound to this node."""
    return bool(pod["spec"].get("nodeName") == node)


def deletion_order(pod: Object) -> StopOrder:
    """How a pod stops that somebody asked to delete."""
    return StopOrder(Ending(), podspec.deletion_grace(pod))


def pod_of(sandbox: Sandbox) -> Object:
    """As much of a pod's object as its sandbox remembers."""
    containers = [{"name": run.name, "image": run.image} for run in sandbox.containers]
    metadata = {"name": sandbox.name, "namespace": sandbox.namespace, "uid": sandbox.uid}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {"containers": containers}, "status": {}}
