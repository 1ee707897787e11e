"""A simulated node: it registers, beats, falls silent and comes back, over the public API and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from conformance.client import STRATEGIC, ApiRefused
from conformance.clock import format_micro_time, format_time
from conformance.drive import manifests
from conformance.drive.heart import Heart
from conformance.drive.pacer import RETURN, SILENCE
from conformance.drive.pods import PodAgent
from conformance.kinds import LEASE, NODE, NODE_LEASES
from conformance.record.history import Beat

if TYPE_CHECKING:
    from conformance.drive.stage import Stage

BOTH = ("status", "lease")


class SimulatedNode:
    """One node of a scenario.

    Args:
        stage: where it lives.
        role: what it plays.
        zone: nodes of one scenario with the same value share a zone; every scenario has zones of its own.
        ready: status of the Ready condition it posts; None posts no conditions at all.
        conditions: status of further conditions by type; they replace the healthy defaults of the same type.
        beats: what it beats with: `status`, `lease`, or both in turn.
        capacity: resources it declares.
        allocatable: likewise; None leaves it to the target to take them from the capacity.
        labels: further labels.
        taints: further taints.
        bare: whether it posts nothing but Ready and the conditions given, not the healthy defaults.
        skew: seconds that its clock is ahead of the suite's; negative when it is behind.
        pace: how fast its clock runs from its registration on; negative when it runs backwards.
        lease: fields of its Lease's spec that replace or add to the usual ones.
        owned: whether its Lease names the Node as its owner.
    """

    def __init__(
        self,
        stage: Stage,
        role: str,
        *,
        zone: str = "a",
        ready: str | None = "True",
        conditions: Mapping[str, str] | None = None,
        beats: tuple[str, ...] = BOTH,
        capacity: Mapping[str, str] = manifests.CAPACITY,
        allocatable: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        taints: Iterable[Mapping[str, Any]] = (),
        bare: bool = False,
        skew: float = 0,
        pace: float = 1,
        lease: Mapping[str, Any] | None = None,
        owned: bool = True,
    ) -> None:
        self.role = role
        self.name = stage.naming.name(role)
        self.pods = PodAgent(stage, self.name)
        self._heart = Heart(stage, self.name, self._deliver)
        self._stage = stage
        self._zone = zone
        self._beats = tuple(signal for signal in beats if signal != "lease" or stage.facts.serves(LEASE.resource))
        self._capacity = capacity
        self._allocatable = allocatable
        self._labels = labels or {}
        self._taints = tuple(taints)
        self._skew = timedelta(seconds=skew)
        self._pace = pace
        self._born = stage.clock.now()
        self._lease_spec = lease or {}
        self._owned = owned
        self._conditions: dict[str, dict[str, str]] = {}
        self._lease: dict[str, Any] = {}
        self._uid = ""
        self._speaking = asyncio.Lock()
        if ready is not None:
            healthy = manifests.HEALTHY_1_5 if stage.facts.era == "1.5" else manifests.HEALTHY
            defaults = {} if bare else dict.fromkeys(healthy, "False")
            self._turn({"Ready": ready, **defaults, **(conditions or {})})

    async def register(self) -> None:
        """One POST with everything a node says of itself, its Lease, and the first beat.

        The mark `registers` stands before the POST, `registered` after the answers.
        """
        stage = self._stage
        body = manifests.node(
            stage.naming,
            self.role,
            zone=self._zone,
            conditions=self._conditions.values(),
            capacity=self._capacity,
            allocatable=self._allocatable,
            labels=self._labels,
            taints=self._taints,
            address="192.0.2.1",
        )
        stage.mark(f"{self.role} registers", node=self.name)
        created = await stage.create(NODE, body)
        self._uid = created["metadata"]["uid"]
        if "lease" in self._beats:
            await self._take_lease()
        stage.mark(f"{self.role} registered", node=self.name)
        if self._beats:
            self.resume()

    def resume(self, *signals: str) -> None:
        """Beats again, with the `signals` given or as before, without posting anything special first."""
        self._beats = signals or self._beats
        self._heart.start(self._beats)

    async def fall_silent(self) -> None:
        """Stops beating and stops acknowledging pods; a beat on its way is waited for."""
        await self._stage.pace(SILENCE)
        self.pods.stop()
        await self._heart.stop()
        self._stage.mark(f"{self.role} silent", node=self.name)

    async def recover(self, *, paced: bool = False) -> None:
        """Posts the conditions it had before, freshly turned, and beats again.

        The mark `returns` stands before the write, `recovered` after its answer.

        Args:
            paced: whether the scenario has waited for its turn already, because the moment of the return matters.
        """
        if not paced:
            await self._stage.pace(RETURN)
        async with self._speaking:
            self._turn({kind: c["status"] for kind, c in self._conditions.items()})
            self._stage.mark(f"{self.role} returns", node=self.name)
            await self._say(self._conditions.values())
        self._stage.mark(f"{self.role} recovered", node=self.name)
        self.resume()

    async def repost(self) -> None:
        """Posts its conditions once more exactly as it last did, heartbeat times included; marks `<role> reposted`."""
        async with self._speaking:
            await self._post(self._conditions.values())
        self._stage.mark(f"{self.role} reposted", node=self.name)

    async def post(self, **conditions: str) -> None:
        """Posts new statuses of some conditions, e.g. `MemoryPressure="True"`; they stay until posted otherwise."""
        async with self._speaking:  # a beat that is on its way would bring back what was said before
            self._turn(conditions)
            await self._say([self._conditions[kind] for kind in conditions])
        said = ", ".join(f"{kind}={status}" for kind, status in conditions.items())
        self._stage.mark(f"{self.role} posted {said}", node=self.name)

    def check(self) -> None:
        """Voids the scenario when beats that should have been delivered were not."""
        self._heart.check()

    def _turn(self, statuses: Mapping[str, str]) -> None:
        now = self._timestamp()
        for kind, status in statuses.items():
            reason = "KubeletNotReady" if kind == "Ready" and status != "True" else ""
            self._conditions[kind] = manifests.condition(kind, status, now, reason=reason)

    async def _deliver(self, signal: str) -> None:
        await (self._beat_status() if signal == "status" else self._renew())

    async def _beat_status(self) -> None:
        async with self._speaking:
            now = self._timestamp()
            for condition in self._conditions.values():
                condition["lastHeartbeatTime"] = now
            await self._post(self._conditions.values())

    async def _say(self, conditions: Iterable[Mapping[str, str]]) -> None:
        """Posts something new; with Ready among it, that is a heartbeat too."""
        said = tuple(conditions)
        sent = self._stage.clock.moment()
        await self._post(said)
        if any(condition["type"] == "Ready" for condition in said):
            self._stage.log.beat(Beat(sent, self._stage.clock.moment(), self.name, "status", ok=True))

    async def _post(self, conditions: Iterable[Mapping[str, str]]) -> None:
        path = NODE.path(name=self.name, subresource="status")
        await self._stage.client.patch(path, {"status": {"conditions": [dict(c) for c in conditions]}}, STRATEGIC)

    async def _take_lease(self) -> None:
        owner = {"apiVersion": "v1", "kind": "Node", "name": self.name, "uid": self._uid}
        body = {
            "apiVersion": LEASE.group_version,
            "kind": "Lease",
            "metadata": {
                "name": self.name,
                "namespace": NODE_LEASES,
                "labels": self._stage.naming.labels(self.role),
                "ownerReferences": [owner] if self._owned else [],
            },
            "spec": {
                "holderIdentity": self.name,
                "leaseDurationSeconds": 40,
                "renewTime": format_micro_time(self._now()),
                **self._lease_spec,
            },
        }
        self._lease = await self._stage.create(LEASE, body)

    async def _renew(self) -> None:
        path = LEASE.path(NODE_LEASES, self.name)
        try:
            self._lease = await self._stage.client.replace(path, self._renewed())
        except ApiRefused as error:
            if error.status != 409:
                raise
            self._lease = await self._stage.client.get(path)
            self._lease = await self._stage.client.replace(path, self._renewed())

    def _renewed(self) -> dict[str, Any]:
        spec = {**self._lease["spec"], "renewTime": format_micro_time(self._now())}
        metadata = {name: value for name, value in self._lease["metadata"].items() if name != "managedFields"}
        return {**self._lease, "metadata": metadata, "spec": spec}

    def _now(self) -> datetime:
        """What the node's own clock shows."""
        return self._born + self._skew + (self._stage.clock.now() - self._born) * self._pace

    def _timestamp(self) -> str:
        return format_time(self._now())
