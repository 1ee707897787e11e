"""The kubelet's part of a pod's life, as far as the master can see it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from conformance.client import STRATEGIC, ApiRefused
from conformance.drive import manifests
from conformance.judge.pods import ended
from conformance.kinds import POD
from conformance.record.history import Object

if TYPE_CHECKING:
    from conformance.drive.stage import Stage


class PodAgent:
    """Acknowledges the pods of one node: Running and Ready with an address; removes them when asked to finish.

    Args:
        stage: where it lives.
        node: name of the node.

    Attributes:
        spec: arguments of `manifests.pod_spec` for pods that are to run here.
        patience: seconds that a pod may take here besides what it takes with simulated nodes.
        obeys: whether pods end as the suite says, by their status: nobody else writes it.
    """

    spec: Mapping[str, Any] = {}
    patience: float = 0
    obeys = True

    def __init__(self, stage: Stage, node: str) -> None:
        self._stage = stage
        self._node = node
        self._done: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._finishes = False
        self._attended = 0
        self._ignored: frozenset[str] = frozenset()

    def run(self, *, finish: bool = True, ignore: Iterable[str] = ()) -> None:
        """Acknowledges pods from now on, and with `finish` also ends those that are being deleted.

        After `stop` it acknowledges all pods anew, as a kubelet does that has come back.

        Args:
            finish: whether pods that are being deleted are ended.
            ignore: roles of pods that it does not see.
        """
        self._finishes = finish
        self._ignored = frozenset(self._stage.naming.name(role) for role in ignore)
        self._attended = 0
        if self._task is None:
            self._done.clear()
            self._task = self._stage.spawn(self._work(), f"pods of {self._node}")

    def stop(self) -> None:
        """Does nothing any more: a silent node must not write its pods' status."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def acknowledge(self, pod: Object) -> None:
        """Writes that a pod runs and is ready."""
        address = (pod.get("status") or {}).get("podIP") or self._stage.pod_address()
        status = manifests.running_status(self._stage.clock.timestamp(), address)
        await self._stage.client.patch(_path(pod, "status"), {"status": status}, STRATEGIC)

    async def finish(self, pod: Object) -> None:
        """Removes a terminating pod for good, as a kubelet does once its containers have ended."""
        options: dict[str, Any] = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        await self._stage.client.delete(_path(pod), options)

    async def _work(self) -> None:
        log = self._stage.log
        while True:
            fresh = log.events_since(POD.name, self._attended)
            self._attended += len(fresh)
            for event in fresh:
                if (now := log.current(POD.name, event.name)) is not None:
                    await self._attend(now)
            if not fresh:
                await log.changed()

    async def _attend(self, pod: Object) -> None:
        if pod["spec"].get("nodeName") != self._node or pod["metadata"]["name"] in self._ignored:
            return
        uid = pod["metadata"]["uid"]
        leaving = "deletionTimestamp" in pod["metadata"]
        step = f"{uid} {'finished' if leaving else 'acknowledged'}"
        if step in self._done or (leaving and not self._finishes) or (ended(pod) and not leaving):
            return
        self._done.add(step)
        try:
            await (self.finish(pod) if leaving else self.acknowledge(pod))
        except ApiRefused as error:
            if error.status not in (404, 409):
                raise


def _path(pod: Object, subresource: str = "") -> str:
    return POD.path(pod["metadata"]["namespace"], pod["metadata"]["name"], subresource)
