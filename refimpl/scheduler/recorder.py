"""The scheduler's events, in the group events.k8s.io.

Best effort and never in the way: events are queued and written in the background. The same event about the same pod
becomes a series on one object: written when it begins, and then only now and then.

Source: client-go 1.36 `tools/events`; texts of kube-scheduler 1.36.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Final

import attrs

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import EVENTS_V1, PODS
from refimpl.client.client import Client
from refimpl.client.eventqueue import EventQueue
from refimpl.client.transport import Unreachable
from refimpl.clock import Clock
from refimpl.scheduler.podinfo import PodInfo

log = logging.getLogger(__name__)

_QUEUE_LIMIT: Final = 10_000
_REMEMBERED: Final = 4096
_SERIES_INTERVAL: Final = 360.0
_NOTE_LIMIT: Final = 1024

_Said = tuple[str, str, str]


@attrs.define(eq=False)
class _Series:
    name: str
    namespace: str
    count: int
    written: float


class SchedulerEvents:
    """Tells what the scheduler did with pods.

    Args:
        client: where to write.
        clock: for stamps and names.
        controller: `reportingController`: the scheduler's name.
        instance: `reportingInstance`.
    """

    def __init__(self, client: Client, clock: Clock, controller: str, instance: str) -> None:
        self._client = client
        self._clock = clock
        self._controller = controller
        self._instance = instance
        self._queue: EventQueue[tuple[_Said, Object]] = EventQueue(_QUEUE_LIMIT)
        self._known: OrderedDict[_Said, _Series] = OrderedDict()

    def scheduled(self, pod: PodInfo, node: str) -> None:
        """A pod was bound."""
        note = f"Successfully assigned {pod.namespace}/{pod.name} to {node}"
        self._say(pod, "Normal", "Scheduled", "Binding", note)

    def failed(self, pod: PodInfo, why: str) -> None:
        """No node could take a pod, or the attempt failed."""
        self._say(pod, "Warning", "FailedScheduling", "Scheduling", why)

    def preempted(self, victim: PodInfo, pod: PodInfo, node: str) -> None:
        """A pod was asked to go, for another one."""
        self._say(victim, "Normal", "Preempted", "Preempting", f"Preempted by pod {pod.uid} on node {node}", pod)

    async def run(self) -> None:
        """Writes queued events until cancelled."""
        while True:
            said, body = await self._queue.get()
            try:
                await self._write(said, body)
            except (ApiError, Unreachable) as error:
                log.info("event %s about %s was not recorded: %s", body["reason"], body["regarding"]["name"], error)

    def _say(
        self, pod: PodInfo, kind: str, reason: str, action: str, note: str, related: PodInfo | None = None
    ) -> None:
        note = note[:_NOTE_LIMIT]
        body: Object = {
            "metadata": {"name": f"{pod.name}.{self._clock.random.getrandbits(64):016x}", "namespace": pod.namespace},
            "eventTime": self._clock.micro_timestamp(),
            "reportingController": self._controller,
            "reportingInstance": self._instance,
            "action": action,
            "reason": reason,
            "regarding": _reference(pod),
            "note": note,
            "type": kind,
        }
        if related is not None:
            body["related"] = _reference(related)
        self._queue.put(((pod.uid, reason, note), body), f"{reason} about {pod.namespace}/{pod.name}")

    async def _write(self, said: _Said, body: Object) -> None:
        series = self._known.get(said)
        if series is not None and await self._repeat(series, body["eventTime"]):
            self._known.move_to_end(said)
            return
        await self._client.tell("POST", EVENTS_V1.path(body["metadata"]["namespace"]), body)
        metadata = body["metadata"]
        self._known[said] = _Series(metadata["name"], metadata["namespace"], 1, self._clock.monotonic())
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    async def _repeat(self, series: _Series, now: str) -> bool:
        """Counts a repetition on the event written before; False when that one has expired."""
        series.count += 1
        if series.count > 2 and self._clock.monotonic() < series.written + _SERIES_INTERVAL:
            return True
        series.written = self._clock.monotonic()
        patch: Object = {"series": {"count": series.count, "lastObservedTime": now}}
        try:
            await self._client.patch(EVENTS_V1, series.name, patch, namespace=series.namespace)
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        return True


def _reference(pod: PodInfo) -> Object:
    return {
        "kind": PODS.kind,
        "apiVersion": PODS.api_version,
        "namespace": pod.namespace,
        "name": pod.name,
        "uid": pod.uid,
        "resourceVersion": pod.pod["metadata"]["resourceVersion"],
    }
