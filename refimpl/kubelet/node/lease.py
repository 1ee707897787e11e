"""The lease controller: the node's heartbeat since 1.14.

Renewal does not depend on the node's health, and nothing is written when the kubelet stops: the Lease simply ages.

Source: `component-helpers/apimachinery/lease` 1.36.
"""

from __future__ import annotations

import logging
from typing import Final

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import LEASES, NODES
from refimpl.client.transport import Unreachable
from refimpl.clock import Clock
from refimpl.kubelet.config import KubeletConfig
from refimpl.kubelet.node.heartbeatclient import HeartbeatClient

log = logging.getLogger(__name__)

NAMESPACE: Final = "kube-node-lease"
MAX_UPDATE_RETRIES: Final = 5
_BACKOFF_FIRST: Final = 0.2
_BACKOFF_MAX: Final = 7.0


class OwnerUnknown(Exception):
    """The Node does not exist (yet), so a Lease would have no owner."""


def new_lease(name: str, duration: int, renew_time: str, owner_uid: str) -> Object:
    """The Lease to create for a node.

    Args:
        name: the node's name.
        duration: seconds for which the lease holds.
        renew_time: MicroTime.
        owner_uid: uid of the Node that owns it.
    """
    return {
        "kind": "Lease",
        "apiVersion": "coordination.k8s.io/v1",
        "metadata": {"name": name, "namespace": NAMESPACE, "ownerReferences": [owner_reference(name, owner_uid)]},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": duration, "renewTime": renew_time},
    }


def owner_reference(name: str, uid: str) -> Object:
    """What makes the Lease disappear with its Node."""
    return {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}


def renewed(lease: Object, duration: int, renew_time: str) -> Object:
    """A Lease renewed: the last known one, so that what others wrote stays, with its resourceVersion; a new object."""
    spec = {**(lease.get("spec") or {}), "renewTime": renew_time, "leaseDurationSeconds": duration}
    return {**lease, "spec": spec}


def next_delay(delay: float) -> float:
    """Seconds to wait after another failure to find or create the Lease."""
    return min(delay * 2, _BACKOFF_MAX)


class LeaseController:
    """Creates the node's Lease once its Node exists and renews it for ever.

    Args:
        client: the API.
        clock: time.
        config: duration of the Lease.
        name: the node's name.
    """

    def __init__(self, client: HeartbeatClient, clock: Clock, config: KubeletConfig, name: str) -> None:
        self._client = client
        self._clock = clock
        self._config = config
        self._name = name
        self._path = LEASES.path(NAMESPACE, name)
        self._latest: Object | None = None

    async def run(self) -> None:
        """Renews until cancelled."""
        while True:
            await self.sync()
            await self._clock.sleep(self.interval())

    def interval(self) -> float:
        """Seconds until the next renewal."""
        return self._clock.jitter(self._config.renew_interval, self._config.rules.tick_jitter)

    async def sync(self) -> None:
        """One renewal: with the Lease as last written, else after reading or creating it."""
        if self._latest is not None and await self._update(self._latest):
            return
        lease, created = await self._ensure()
        self._latest = lease
        if lease is not None and not created and not await self._update(lease):
            log.warning("%s: lease not renewed; next try in %gs", self._name, self._config.renew_interval)

    async def _update(self, base: Object) -> bool:
        """Puts the renewed Lease, at most five times; a conflict is answered by reading it again."""
        for attempt in range(MAX_UPDATE_RETRIES):
            try:
                self._latest = await self._put(renewed(base, self._duration, self._clock.micro_timestamp()))
            except ApiError as error:
                log.info("%s: lease renewal refused: %s", self._name, error)
                if error.code == 409:
                    fresh, _ = await self._ensure()
                    if fresh is None:
                        return False
                    base = fresh
                    continue
            except Unreachable as error:
                log.info("%s: lease renewal lost: %s", self._name, error)
            else:
                return True
            if attempt > 0:
                await self._client.repeated_failure()
        return False

    async def _ensure(self) -> tuple[Object | None, bool]:
        """The Lease and whether it was created now; None while its owner does not exist. Tries for ever."""
        delay = _BACKOFF_FIRST
        while True:
            try:
                return await self._get_or_create()
            except OwnerUnknown:
                return None, False
            except (ApiError, Unreachable) as error:
                log.info("%s: lease neither found nor created: %s; next try in %gs", self._name, error, delay)
            await self._clock.sleep(delay)
            delay = next_delay(delay)

    async def _get_or_create(self) -> tuple[Object, bool]:
        try:
            return await self._client.request("GET", self._path), False
        except ApiError as error:
            if error.code != 404:
                raise
        uid = await self._owner_uid()
        lease = new_lease(self._name, self._duration, self._clock.micro_timestamp(), uid)
        return await self._client.request("POST", LEASES.path(NAMESPACE), lease), True

    async def _owner_uid(self) -> str:
        try:
            node = await self._client.request("GET", NODES.path(name=self._name))
        except (ApiError, Unreachable) as error:
            raise OwnerUnknown(str(error)) from None
        return str(node["metadata"]["uid"])

    async def _put(self, lease: Object) -> Object:
        return await self._client.request("PUT", self._path, lease)

    @property
    def _duration(self) -> int:
        return self._config.node_lease_duration_seconds
