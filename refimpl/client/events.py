"""The event recorder: tells people what a component did, best effort and never in the way.

Events are queued and written by a background task. Equal events are counted on one object instead of repeated, as
client-go's correlator does, and one object gets only so many: 25 at once and one more every five minutes. A failing
events API costs events, nothing else.
"""

from __future__ import annotations

import logging
from collections import OrderedDict

import attrs

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import EVENTS
from refimpl.client.client import Client
from refimpl.client.eventqueue import EventQueue
from refimpl.client.transport import Unreachable
from refimpl.clock import Clock

log = logging.getLogger(__name__)

_QUEUE_LIMIT = 1000
_REMEMBERED = 4096
_BURST = 25
_REFILL_SECONDS = 300.0


@attrs.frozen
class _Said:
    """What makes two events the same."""

    kind: str
    namespace: str
    name: str
    uid: str
    type: str
    reason: str
    message: str


@attrs.define
class _Written:
    """An event that was written, and how often what it says was said."""

    namespace: str
    name: str
    count: int = 1


@attrs.frozen
class Rate:
    """How many events may be written.

    Attributes:
        per_second: in the long run.
        at_once: in a burst.
    """

    per_second: float
    at_once: int


@attrs.define
class _Bucket:
    """What one object may still be told of."""

    tokens: float
    since: float


class SpamFilter:
    """Keeps a component from drowning one object in events, as client-go's `EventSourceObjectSpamFilter` does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, ...], _Bucket] = OrderedDict()

    def admits(self, reference: Object) -> bool:
        """Whether one more event about the object may be written now; takes its token."""
        key = tuple(str(reference.get(field, "")) for field in ("kind", "namespace", "name", "uid"))
        now = self._clock.monotonic()
        bucket = self._buckets.setdefault(key, _Bucket(_BURST, now))
        self._buckets.move_to_end(key)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        bucket.tokens = min(_BURST, bucket.tokens + (now - bucket.since) / _REFILL_SECONDS)
        bucket.since = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


class EventRecorder:
    """Records core/v1 events for one component.

    Args:
        client: where to write.
        clock: for stamps and names.
        component: `source.component`, e.g. `node-controller`.
        host: `source.host`, for kubelets.
        rate: how many events may be written; None for as many as there are.
    """

    def __init__(
        self, client: Client, clock: Clock, component: str, host: str = "", *, rate: Rate | None = None
    ) -> None:
        self._client = client
        self._clock = clock
        self._rate = rate
        self._bucket = _Bucket(rate.at_once if rate else 0, 0.0)
        self._source = {"component": component, "host": host} if host else {"component": component}
        self._queue: EventQueue[Object] = EventQueue(_QUEUE_LIMIT)
        self._known: OrderedDict[_Said, _Written] = OrderedDict()
        self._spam = SpamFilter(clock)

    def event(self, about: Object, kind: str, reason: str, message: str) -> None:
        """Queues an event.

        Args:
            about: the object concerned (needs kind, apiVersion and metadata), or an `involvedObject` reference.
            kind: `Normal` or `Warning`.
            reason: CamelCase word.
            message: the sentence for people.
        """
        reference = reference_to(about)
        if not self._spam.admits(reference):
            return
        now = self._clock.timestamp()
        namespace = reference.get("namespace") or "default"
        body: Object = {
            "metadata": {
                "name": f"{reference['name']}.{self._clock.random.getrandbits(64):016x}",
                "namespace": namespace,
            },
            "involvedObject": reference,
            "reason": reason,
            "message": message,
            "source": self._source,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": kind,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source.get("host", ""),
        }
        self._queue.put(body, f"{reason} about {reference['name']}")

    async def run(self) -> None:
        """Writes queued events until cancelled."""
        while True:
            body = await self._queue.get()
            await self._allowed()
            try:
                await self._write(body)
            except (ApiError, Unreachable) as error:
                log.info("event %s was not recorded: %s", body["reason"], error)

    async def _allowed(self) -> None:
        """Waits until one more event may be written; takes its token."""
        if self._rate is None:
            return
        now, bucket = self._clock.monotonic(), self._bucket
        bucket.tokens = min(self._rate.at_once, bucket.tokens + (now - bucket.since) * self._rate.per_second) - 1
        bucket.since = now
        if bucket.tokens < 0:
            await self._clock.sleep(-bucket.tokens / self._rate.per_second)

    async def _write(self, body: Object) -> None:
        about = body["involvedObject"]
        said = _Said(
            about.get("kind", ""),
            about.get("namespace", ""),
            about["name"],
            about.get("uid", ""),
            body["type"],
            body["reason"],
            body["message"],
        )
        known = self._known.get(said)
        if known is not None and await self._count(known, body):
            self._known.move_to_end(said)
            return
        metadata = body["metadata"]
        await self._client.tell("POST", EVENTS.path(metadata["namespace"]), body)
        self._known[said] = _Written(metadata["namespace"], metadata["name"])
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    async def _count(self, known: _Written, body: Object) -> bool:
        """Counts a repetition on the event written before; False when that one has expired."""
        known.count += 1
        patch = {"count": known.count, "lastTimestamp": body["lastTimestamp"]}
        try:
            await self._client.patch(EVENTS, known.name, patch, namespace=known.namespace)
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        return True


def reference_to(about: Object) -> Object:
    """The `ObjectReference` of an object; a reference is returned as it is."""
    if "metadata" not in about:
        return about
    metadata = about["metadata"]
    reference = {"kind": about["kind"], "apiVersion": about["apiVersion"], "name": metadata["name"]}
    for field in ("namespace", "uid", "resourceVersion"):
        if metadata.get(field):
            reference[field] = metadata[field]
    return reference
