"""Pod statuses on their way to the master.

Workers say what a pod's status is; the manager writes it when it differs, in order, each time reading the pod first and
patching under its uid. What could not be written, and what somebody else overwrote, is put right every ten seconds.
When a pod that is being deleted has nothing left on the node, its object is removed.

Source: kubelet 1.36 `status/status_manager.go`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

import attrs

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import PODS
from refimpl.client.client import STRATEGIC, Client
from refimpl.client.transport import Unreachable
from refimpl.clock import Clock
from refimpl.kubelet import podspec, strategic
from refimpl.kubelet.era import Era
from refimpl.kubelet.pods import podconditions

log = logging.getLogger(__name__)

SYNC_PERIOD: Final = 10.0


@attrs.frozen
class Versioned:
    """A status to write.

    Attributes:
        uid: of the pod.
        namespace: of the pod.
        name: of the pod.
        status: what to write.
        version: counts the statuses of this pod.
    """

    uid: str
    namespace: str
    name: str
    status: Object
    version: int


def stamp(pod: Object, status: Object, before: Object, now: str, era: Era) -> Object:
    """A fresh status with its times: startTime never changes, transition times only with their status."""
    generation = pod["metadata"].get("generation") if era.sandbox_condition else None
    conditions = podconditions.stamped(status.get("conditions") or (), before.get("conditions") or (), now, generation)
    stamped = {**status, "startTime": start_time(before, status, now)}
    if conditions:
        stamped["conditions"] = conditions
    return stamped


def start_time(before: Object, status: Object, now: str) -> str:
    """When the kubelet first saw the pod."""
    return str(before.get("startTime") or status.get("startTime") or now)


def same(known: Object, status: Object) -> bool:
    """Whether the kubelet's part of a status is what is known already; foreign conditions do not count."""
    added = {key: value for key, value in known.items() if key in _DERIVED and key not in status}
    return _own_part(known) == _own_part({**status, **added})


def merged(known: Object, status: Object) -> Object:
    """The status to write over a known one: foreign conditions in it are kept."""
    own = status.get("conditions") or []
    shared = {condition["type"] for condition in own}
    foreign = [
        condition
        for condition in known.get("conditions") or ()
        if condition["type"] not in podconditions.OWNED and condition["type"] not in shared
    ]
    fields = {key: value for key, value in known.items() if key in _FOREIGN_FIELDS and key not in status}
    new = {**fields, **status}
    if foreign or own:
        new["conditions"] = [*foreign, *own]
    return new


def legal(known: Object, status: Object, policy: str) -> bool:
    """Whether a status keeps what is final: a container that must not restart stays terminated."""
    if policy == "Always":
        return True
    for kind in ("containerStatuses", "initContainerStatuses"):
        now = {status["name"]: status for status in status.get(kind) or ()}
        for old in known.get(kind) or ():
            ended = (old.get("state") or {}).get("terminated")
            if ended is None or (ended.get("exitCode") and policy == "OnFailure") or old["name"] not in now:
                continue
            if "terminated" not in (now[old["name"]].get("state") or {}):
                return False
    return True


_DERIVED: Final = ("podIPs",)
"""Fields that the master fills in where the kubelet is too old to know them."""

_FOREIGN_FIELDS: Final = ("nominatedNodeName", "ephemeralContainerStatuses", "resize", "resourceClaimStatuses")


class StatusManager:
    """Writes pod statuses.

    Args:
        client: the API.
        clock: time.
        era: rules of the kubelet's generation.
        cached: a pod by namespace and name, as the informer has it.
        reclaimed: whether nothing of a pod (by uid) is left on the node.
        api_uid: the uid under which the API knows a pod: that of its mirror for a static one, None while it has none.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        era: Era,
        *,
        cached: Callable[[str, str], Object | None],
        reclaimed: Callable[[str], bool],
        api_uid: Callable[[str], str | None],
    ) -> None:
        self._client = client
        self._clock = clock
        self._era = era
        self._cached = cached
        self._reclaimed = reclaimed
        self._api_uid = api_uid
        self._known: dict[str, Versioned] = {}
        self._written: dict[str, int] = {}
        self._agreed: dict[str, Object] = {}
        self._queue: deque[Versioned] = deque()
        self._wake = asyncio.Event()
        self._settled = False

    def status(self, uid: str) -> Object | None:
        """The last status that was set."""
        known = self._known.get(uid)
        return None if known is None else known.status

    def pod_changed(self, old: Object | None, new: Object | None) -> None:
        """Hears that the API has another state of a pod."""
        self._settled = False

    def set(self, pod: Object, status: Object) -> None:
        """Says what a pod's status is; it is written unless it says nothing new."""
        uid = podspec.uid_of(pod)
        known = self._known.get(uid)
        before = self._api_status(pod) if known is None else known.status
        if not legal(before, status, podspec.restart_policy(pod)):
            log.warning("%s: refused a status that would revive an ended container", podspec.describe(pod))
            return
        stamped = stamp(pod, status, before, self._clock.timestamp(), self._era)
        if same(before, stamped):
            self.adopt(pod)
            return
        self._known[uid] = self._versioned(pod, stamped, 1 if known is None else known.version + 1)
        self._enqueue(self._known[uid])

    def adopt(self, pod: Object) -> None:
        """Takes the status that the API has as the one to keep."""
        uid = podspec.uid_of(pod)
        if uid not in self._known:
            self._known[uid] = self._versioned(pod, self._api_status(pod), 1)
            self._written[uid] = 1
        self.nudge(uid)

    def nudge(self, uid: str) -> None:
        """Looks again at a pod of which the status stays, but which may be ready for removal."""
        self._settled = False
        known = self._known.get(uid)
        if known is not None and self._may_delete(known):
            self._enqueue(known)

    def forget(self, uid: str) -> None:
        """Drops everything about a pod that the API no longer has."""
        for kept in (self._known, self._written, self._agreed):
            kept.pop(uid, None)

    async def run(self) -> None:
        """Writes queued statuses until cancelled."""
        while True:
            while self._queue:
                await self._try(self._queue.popleft())
            self._wake.clear()
            await self._wake.wait()

    def batch(self) -> None:
        """Queues what is not written yet, and what differs from what the API has.

        Once there was neither, there is none until something of a pod changes, here or there.
        """
        if self._settled:
            return
        self._queue.clear()
        self._settled = True
        for known in list(self._known.values()):
            if self._needs_write(known):
                self._enqueue(known)
            elif self.needs_reconcile(known):
                self._written.pop(known.uid, None)
                self._enqueue(known)

    def needs_reconcile(self, known: Versioned) -> bool:
        """Whether somebody overwrote the kubelet's part of a status."""
        pod = self._cached(known.namespace, known.name)
        if pod is None or podspec.uid_of(pod) != self._api_uid(known.uid) or self._agreed.get(known.uid) is pod:
            return False
        if not same(pod.get("status") or {}, known.status):
            return True
        self._agreed[known.uid] = pod
        return False

    async def _try(self, item: Versioned) -> None:
        if not self._needs_write(item):
            return
        try:
            await self.sync(item)
        except (ApiError, Unreachable) as error:
            log.info("%s/%s: status not written: %s", item.namespace, item.name, error)
        except Exception:
            # One odd object must not silence the others; it is tried again with the next batch.
            log.exception("%s/%s: status not written", item.namespace, item.name)

    async def sync(self, item: Versioned) -> None:
        """Reads the pod, writes the status where it differs, and removes the pod where that is due.

        Raises:
            ApiError: the master refused.
            Unreachable: the master did not answer.
        """
        uid = self._api_uid(item.uid)
        if uid is None:
            return
        try:
            pod = await self._client.get(PODS, item.name, namespace=item.namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            return
        if not is_same_pod(pod, uid):
            self.forget(item.uid)
            return
        await self.write(pod, item, uid)
        self._written[item.uid] = max(item.version, self._written.get(item.uid, 0))
        if self._may_delete(item) and podspec.is_deleting(pod) and self._is_latest(item):
            await self.delete(item)
            self.forget(item.uid)

    async def write(self, pod: Object, item: Versioned, uid: str) -> None:
        """Writes a status: a strategic merge patch under the pod's uid; up to 1.5 a PUT of the whole object."""
        known = pod.get("status") or {}
        wanted = merged(known, item.status)
        if not self._era.patches_status:
            if wanted != known:
                await self._client.update(PODS, {**pod, "status": wanted}, subresource="status")
            return
        patch = strategic.status_patch(known, wanted)
        if patch:
            body = {"metadata": {"uid": uid}, "status": patch}
            path = PODS.path(item.namespace, item.name, "status")
            await self._client.tell("PATCH", path, body, content_type=STRATEGIC)

    async def delete(self, item: Versioned) -> None:
        """Removes the object of a pod that is gone from the node, provided that it is still that pod."""
        try:
            await self._client.delete(PODS, item.name, namespace=item.namespace, grace_period=0, uid=item.uid)
        except ApiError as error:
            if error.code != 404:
                raise

    def _api_status(self, pod: Object) -> Object:
        """What the API says about a pod: for a static one, what its mirror says."""
        metadata = pod["metadata"]
        found = self._cached(metadata["namespace"], metadata["name"])
        same_pod = found is not None and podspec.uid_of(found) == self._api_uid(metadata["uid"])
        return ((found if same_pod and found is not None else pod).get("status")) or {}

    def _may_delete(self, item: Versioned) -> bool:
        pod = self._cached(item.namespace, item.name)
        return (
            pod is not None
            and podspec.uid_of(pod) == item.uid
            and podspec.is_deleting(pod)
            and self._reclaimed(item.uid)
        )

    def _is_latest(self, item: Versioned) -> bool:
        """Whether nothing newer of a pod waits to be written, such as how it ended."""
        known = self._known.get(item.uid)
        return known is None or known.version <= item.version

    def _needs_write(self, item: Versioned) -> bool:
        return self._written.get(item.uid, 0) < item.version or self._may_delete(item)

    def _enqueue(self, item: Versioned) -> None:
        self._settled = False
        self._queue.append(item)
        self._wake.set()

    def _versioned(self, pod: Object, status: Object, version: int) -> Versioned:
        metadata = pod["metadata"]
        return Versioned(metadata["uid"], metadata["namespace"], metadata["name"], status, version)


def is_same_pod(pod: Object, uid: str) -> bool:
    """Whether an object read by name is still the pod meant, not its successor."""
    return podspec.uid_of(pod) == uid


def _own_part(status: Object) -> Object:
    own = {key: value for key, value in status.items() if key not in _FOREIGN_FIELDS and key != "conditions"}
    conditions = {
        condition["type"]: (condition.get("status"), condition.get("reason"), condition.get("message"))
        for condition in status.get("conditions") or ()
        if condition["type"] in podconditions.OWNED
    }
    return {**own, "conditions": conditions}
