"""Leader election by Lease: at most one of several equal processes works, and another takes over when it falls silent.

A candidate never compares the holder's clock with its own: it remembers when *it* last saw the record change, and takes
the lease over when that is longer ago than the record's own duration. The holder renews every retry period and gives
up, before anybody could take over, when it has not managed to for the renew deadline.

Source: client-go 1.36 `tools/leaderelection`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import attrs

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import LEASES
from refimpl.client.client import Client
from refimpl.client.transport import Unreachable
from refimpl.clock import Clock

log = logging.getLogger(__name__)

_JITTER = 1.2


class LeadershipLost(Exception):
    """The holder could not renew its lease in time: it must stop working at once."""


@attrs.frozen
class Election:
    """Who stands for what, with client-go's usual timing.

    Attributes:
        name: name of the Lease, e.g. `kube-controller-manager`.
        identity: of this candidate; unique among them.
        namespace: of the Lease.
        lease_duration: whole seconds others wait after the last renewal they saw (`--leader-elect-lease-duration`).
        renew_deadline: seconds after which the holder gives up (`--leader-elect-renew-deadline`).
        retry_period: seconds between attempts (`--leader-elect-retry-period`).
    """

    name: str
    identity: str
    namespace: str = "kube-system"
    lease_duration: int = 15
    renew_deadline: float = 10.0
    retry_period: float = 2.0

    def __attrs_post_init__(self) -> None:
        if not self.lease_duration > self.renew_deadline > self.retry_period * _JITTER:
            raise ValueError(
                f"election {self.name}: needs lease duration ({self.lease_duration}s) > renew deadline "
                f"({self.renew_deadline:g}s) > {_JITTER} * retry period ({self.retry_period:g}s)"
            )


@attrs.define(eq=False)
class LeaderElector:
    """Takes part in one election.

    Args:
        client: where the Lease lives.
        clock: for waiting and stamps.
        election: who stands for what.
    """

    client: Client
    clock: Clock
    election: Election
    _seen: Object | None = attrs.field(default=None, init=False)
    _seen_at: float = attrs.field(default=0.0, init=False)

    @property
    def is_leader(self) -> bool:
        """Whether the last record seen names this candidate."""
        return self._seen is not None and self._seen["spec"].get("holderIdentity") == self.election.identity

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Waits for the leadership, works while holding it, and hands it back at the end.

        Args:
            lead: the work; it is cancelled when the leadership is lost.

        Raises:
            LeadershipLost: the lease could not be renewed.
            ExceptionGroup: the work failed.
        """
        await self._acquire()
        try:
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self._renew_until_lost(), name=f"renew {self.election.name}")
                await lead()
                renewing.cancel()
        except BaseExceptionGroup as failed:
            lost, _ = failed.split(LeadershipLost)
            if lost is None:
                await self._release()
                raise
            raise LeadershipLost(f"{self.election.identity} lost the lease {self.election.name}") from failed
        except asyncio.CancelledError:
            await self._release()
            raise
        await self._release()

    async def _acquire(self) -> None:
        while not await self._try():
            await self.clock.sleep(self.clock.jitter(self.election.retry_period, _JITTER))
        log.info("%s leads %s", self.election.identity, self.election.name)

    async def _renew_until_lost(self) -> None:
        while True:
            await self.clock.sleep(self.election.retry_period)
            try:
                async with asyncio.timeout(self.election.renew_deadline):
                    while not await self._try():
                        await self.clock.sleep(self.election.retry_period)
            except TimeoutError:
                raise LeadershipLost from None

    async def _try(self) -> bool:
        """One attempt to take or renew the lease; True when it is ours now."""
        try:
            if self.is_leader and self._seen is not None:
                # The holder writes without reading first; a conflict shows in the next attempt.
                renewed, self._seen = self._seen, None
                await self._write(renewed)
                return True
            return await self._try_take()
        except (ApiError, Unreachable) as error:
            log.info("%s: lease %s not obtained: %s", self.election.identity, self.election.name, error)
            return False

    async def _try_take(self) -> bool:
        try:
            lease = await self.client.get(LEASES, self.election.name, namespace=self.election.namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            body: Object = {"metadata": {"name": self.election.name, "namespace": self.election.namespace}, "spec": {}}
            self._observe(await self.client.create(LEASES, {**body, "spec": self._claim(body["spec"])}))
            return True
        if self._seen is None or self._seen["spec"] != lease["spec"]:
            self._observe(lease)
        if not may_take(lease["spec"], self.election.identity, self.clock.monotonic() - self._seen_at):
            return False
        await self._write(lease)
        return True

    async def _write(self, lease: Object) -> None:
        self._observe(await self.client.update(LEASES, {**lease, "spec": self._claim(lease["spec"])}))

    def _observe(self, lease: Object) -> None:
        self._seen = lease
        self._seen_at = self.clock.monotonic()

    def _claim(self, spec: Object) -> Object:
        return claim(spec, self.election, self.clock.micro_timestamp())

    async def _release(self) -> None:
        """Empties the lease so that the next candidate need not wait it out; best effort."""
        if not self.is_leader or self._seen is None:
            return
        now = self.clock.micro_timestamp()
        spec = {**self._seen["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
        spec |= {"renewTime": now, "acquireTime": now}
        try:
            async with asyncio.timeout(self.election.renew_deadline):
                await self.client.update(LEASES, {**self._seen, "spec": spec})
        except (ApiError, Unreachable, TimeoutError) as error:
            log.info("lease %s was not released: %s", self.election.name, error)
        self._seen = None


def may_take(spec: Object, identity: str, unchanged_for: float) -> bool:
    """Whether a candidate may write itself into the lease.

    Args:
        spec: of the Lease as just read.
        identity: of the candidate.
        unchanged_for: seconds since the candidate saw the record change, on its own clock.
    """
    holder = spec.get("holderIdentity") or ""
    return holder in {"", identity} or unchanged_for >= spec.get("leaseDurationSeconds", 0)


def claim(spec: Object, election: Election, now: str) -> Object:
    """The lease's spec with this candidate as holder: a renewal keeps `acquireTime`, a change of holder is counted."""
    ours = spec.get("holderIdentity") == election.identity
    first = not spec
    transitions = spec.get("leaseTransitions", 0)
    return {
        **spec,
        "holderIdentity": election.identity,
        "leaseDurationSeconds": election.lease_duration,
        "acquireTime": spec.get("acquireTime", now) if ours else now,
        "renewTime": now,
        "leaseTransitions": transitions if ours or first else transitions + 1,
    }
