"""The queue of pods that wait for a node.

    active          ready to be tried: highest priority first, then longest waiting
    backoff         something happened that may help, but the last attempt is too recent
    error backoff   the last attempt failed through no fault of the pod; nothing shortens this wait
    unschedulable   nothing has happened yet that may help
    gated           has scheduling gates
    in flight       handed out by `pop`, not yet decided

When nothing is active, the pod that has waited longest in `backoff` is tried at once: the back-off keeps hopeless pods
from crowding out others, it does not make an idle scheduler wait.

Source: kube-scheduler 1.36 `backend/queue` (with its SchedulerPopFromBackoffQ).
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator
from itertools import count
from math import ceil
from typing import Literal

import attrs

from refimpl.clock import Clock
from refimpl.scheduler.config import SchedulerConfig
from refimpl.scheduler.podinfo import PodInfo, is_gated

Place = Literal["active", "backoff", "error backoff", "unschedulable", "gated", "in flight", "gone"]


@attrs.define(eq=False)
class QueuedPod:
    """A pod in the queue.

    Attributes:
        pod: the pod as last seen.
        since: loop time of its entry or of its last attempt.
        place: where it is.
        entry: which of its heap entries is valid.
        attempts: how often no node could take it.
        errors: how often in a row an attempt failed otherwise.
        far_sighted: whether the last answer depended on other nodes than the one that gave it.
        held: whether it must stay where it is because its victims are being asked to go.
    """

    pod: PodInfo
    since: float
    place: Place
    entry: int = 0
    attempts: int = 0
    errors: int = 0
    far_sighted: bool = False
    held: bool = False


_BackingOff = tuple[float, int, float, int, QueuedPod]
"""When it is due, its rank in the queue, and which entry of the pod this is."""

Kind = tuple[bytes, int, bool]
"""Waiting pods of one kind are helped by the same events."""

MayHelp = Callable[[PodInfo, bool], bool]
"""Whether an event may help a pod, given also whether the last answer depended on other nodes."""


class SchedulingQueue:
    """Pods without a node, and when to try them.

    Args:
        clock: for back-offs.
        config: their length.
    """

    def __init__(self, clock: Clock, config: SchedulerConfig) -> None:
        self._clock = clock
        self._config = config
        self._pods: dict[str, QueuedPod] = {}
        self._active: list[tuple[int, float, int, QueuedPod]] = []
        self._backoff: list[_BackingOff] = []
        self._error_backoff: list[_BackingOff] = []
        self._unschedulable: dict[Kind, dict[str, QueuedPod]] = {}
        self._entries = count()
        self._wakeup = asyncio.Event()

    def __len__(self) -> int:
        return len(self._pods)

    def __contains__(self, uid: str) -> bool:
        return uid in self._pods

    def place_of(self, uid: str) -> Place:
        """Where a pod is."""
        queued = self._pods.get(uid)
        return "gone" if queued is None else queued.place

    # what events do

    def add(self, pod: PodInfo) -> None:
        """Takes in a pod."""
        queued = self._pods[pod.uid] = QueuedPod(pod, self._clock.monotonic(), "gone")
        if is_gated(pod.pod):
            queued.place = "gated"
        else:
            self._activate(queued)

    def update(self, pod: PodInfo) -> None:
        """Takes over a pod's new state; a change of what it asks for, or the last gate's removal, makes it ready."""
        queued = self._pods[pod.uid]
        before = queued.pod
        if queued.place == "unschedulable":
            self._leave_pool(queued)
            queued.pod = pod
            self._enter_pool(queued)
            if asks_for_something_else(before, pod):
                self._requeue(queued)
            return
        queued.pod = pod
        if queued.place == "gated" and not is_gated(pod.pod):
            queued.since = self._clock.monotonic()
            self._activate(queued)

    def remove(self, uid: str) -> None:
        """Forgets a pod that is gone, bound, or somebody else's."""
        queued = self._pods.pop(uid, None)
        if queued is not None:
            if queued.place == "unschedulable":
                self._leave_pool(queued)
            queued.place = "gone"

    def move(self, may_help: MayHelp) -> None:
        """Makes those waiting pods ready that an event may have helped; asks once for every kind."""
        for alike in list(self._unschedulable.values()):
            waiting = list(alike.values())
            if may_help(waiting[0].pod, waiting[0].far_sighted):
                for queued in waiting:
                    self._requeue(queued)

    def flush_leftover(self) -> None:
        """Makes those ready that have waited so long that an event may have been missed."""
        latest = self._clock.monotonic() - self._config.pod_max_in_unschedulable_pods_duration
        for queued in list(self._waiting()):
            if queued.since <= latest:
                self._requeue(queued)

    # what the scheduler does

    async def pop(self) -> QueuedPod:
        """Waits for the next pod to try; give it back with one of the methods below, or `remove` it."""
        while True:
            self._flush_backoff()
            queued = self._next_active() or self._next_backing_off()
            if queued is not None:
                queued.place = "in flight"
                return queued
            self._wakeup.clear()
            await self._wait()

    def unschedulable(self, queued: QueuedPod, *, far_sighted: bool = False, held: bool = False) -> None:
        """Gives back a pod that no node could take.

        Args:
            queued: what `pop` gave.
            far_sighted: whether the answer of some node depended on other nodes.
            held: whether no event may make it ready before `release`.
        """
        if queued.place != "in flight":
            return
        queued.attempts += 1
        queued.errors = 0
        queued.far_sighted = far_sighted
        queued.held = held
        queued.since = self._clock.monotonic()
        queued.place = "unschedulable"
        self._enter_pool(queued)

    def release(self, uid: str, *, activate: bool) -> None:
        """Ends `held`; the pod can be helped by events again, or is tried again at once."""
        queued = self._pods.get(uid)
        if queued is not None:
            queued.held = False
            if activate and queued.place == "unschedulable":
                self._requeue(queued)

    def failed(self, queued: QueuedPod) -> None:
        """Gives back a pod whose attempt failed through no fault of its own."""
        if queued.place != "in flight":
            return
        queued.errors += 1
        queued.since = self._clock.monotonic()
        queued.place = "error backoff"
        self._push(self._error_backoff, queued, due_after(queued.since, backoff(self._config, queued.errors)))

    # inside

    def _activate(self, queued: QueuedPod) -> None:
        queued.place = "active"
        queued.entry = next(self._entries)
        heapq.heappush(self._active, (*goes_first(queued), queued.entry, queued))
        self._wakeup.set()

    def _requeue(self, queued: QueuedPod) -> None:
        if queued.held:
            return
        self._leave_pool(queued)
        due = due_after(queued.since, backoff(self._config, queued.attempts))
        if due <= self._clock.monotonic():
            self._activate(queued)
        else:
            queued.place = "backoff"
            self._push(self._backoff, queued, due)

    def _push(self, heap: list[_BackingOff], queued: QueuedPod, due: float) -> None:
        queued.entry = next(self._entries)
        heapq.heappush(heap, (due, *goes_first(queued), queued.entry, queued))
        self._wakeup.set()

    def _flush_backoff(self) -> None:
        """Activates the pods whose back-off has ended."""
        now = self._clock.monotonic()
        for heap in (self._backoff, self._error_backoff):
            while _drop_stale(heap) and heap[0][0] <= now:
                self._activate(heapq.heappop(heap)[-1])

    def _next_active(self) -> QueuedPod | None:
        while self._active:
            *_, entry, queued = heapq.heappop(self._active)
            if queued.entry == entry and queued.place == "active":
                return queued
        return None

    def _next_backing_off(self) -> QueuedPod | None:
        return heapq.heappop(self._backoff)[-1] if _drop_stale(self._backoff) else None

    async def _wait(self) -> None:
        """Until something was added, or the first error back-off ends; other back-offs have been cut short by now."""
        due = self._error_backoff[0][0] if _drop_stale(self._error_backoff) else None
        try:
            async with asyncio.timeout_at(due):
                await self._wakeup.wait()
        except TimeoutError:
            return

    def _enter_pool(self, queued: QueuedPod) -> None:
        self._unschedulable.setdefault(_kind(queued), {})[queued.pod.uid] = queued

    def _leave_pool(self, queued: QueuedPod) -> None:
        kind = _kind(queued)
        alike = self._unschedulable[kind]
        del alike[queued.pod.uid]
        if not alike:
            del self._unschedulable[kind]

    def _waiting(self) -> Iterator[QueuedPod]:
        for alike in self._unschedulable.values():
            yield from alike.values()


def _kind(queued: QueuedPod) -> Kind:
    return queued.pod.asks.signature, queued.pod.priority, queued.far_sighted


def _drop_stale(heap: list[_BackingOff]) -> bool:
    """Drops entries of pods that have left; whether any is left then."""
    while heap:
        *_, entry, queued = heap[0]
        if queued.entry == entry and queued.place in {"backoff", "error backoff"}:
            return True
        heapq.heappop(heap)
    return False


def due_after(since: float, seconds: float) -> float:
    """When a back-off ends: on whole seconds, so that those that end together are tried in the order of the queue."""
    return since if seconds == 0 else float(ceil(since + seconds))


def backoff(config: SchedulerConfig, attempts: int) -> float:
    """Seconds between an attempt and the next: doubling from the initial to the longest wait."""
    if attempts == 0:
        return 0.0
    return min(config.pod_initial_backoff_seconds * 2.0 ** (attempts - 1), config.pod_max_backoff_seconds)


def goes_first(queued: QueuedPod) -> tuple[int, float]:
    """Sorts the queue: the highest priority first, then the longest waiting (PrioritySort)."""
    return -queued.pod.priority, queued.since


def asks_for_something_else(before: PodInfo, after: PodInfo) -> bool:
    """Whether a change of a waiting pod may help it by itself."""
    return before.asks.signature != after.asks.signature or before.labels != after.labels
