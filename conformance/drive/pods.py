"""The kubelet's part of a pod's life, as far as the master can see it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from conformance.client import STRATEGIC, ApiRefused
from conformance.drive import manifests
from conformance.judge import conditions
from conformance.judge.pods import ended, terminating
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
        self._overwritten: dict[str, tuple[str, float]] = {}
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
            self._overwritten.clear()
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
            await self._repair()
            if not fresh:
                await self._rest()

    async def _rest(self) -> None:
        """Until something happens, or something is to be repaired."""
        due = min((due for _, due in self._overwritten.values()), default=None)
        pause = None if due is None else due - self._stage.clock.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._stage.log.changed()

    async def _attend(self, pod: Object) -> None:
        if pod["spec"].get("nodeName") != self._node or pod["metadata"]["name"] in self._ignored:
            return
        leaving = terminating(pod)
        step = f"{pod['metadata']['uid']} {'finished' if leaving else 'acknowledged'}"
        if step in self._done:
            self._look_again(pod)
        elif self._finishes if leaving else not ended(pod):
            self._done.add(step)
            if not await self._write(pod):
                self._done.discard(step)  # whoever wrote at the same time has made an event that is still to come

    def _look_again(self, pod: Object) -> None:
        """Notices that somebody has written over an acknowledgement, such as a master that did not know better yet."""
        if not _is_as_acknowledged(pod):
            due = self._stage.clock.monotonic() + self._stage.timing.node_monitor_period
            self._overwritten.setdefault(pod["metadata"]["uid"], (pod["metadata"]["name"], due))

    async def _repair(self) -> None:
        """Says it again, as a kubelet does some time later: by then the master has had another look at the node."""
        for uid, (name, due) in list(self._overwritten.items()):
            if self._stage.clock.monotonic() >= due:
                del self._overwritten[uid]
                pod = self._stage.log.current(POD.name, name)
                if pod is not None and pod["metadata"]["uid"] == uid and not _is_as_acknowledged(pod):
                    await self._write(pod)

    async def _write(self, pod: Object) -> bool:
        """Acknowledges or finishes a pod that may be gone by now; false when somebody else wrote at the same time."""
        leaving = terminating(pod)
        try:
            await (self.finish(pod) if leaving else self.acknowledge(pod))
        except ApiRefused as error:
            if error.status not in (404, 409):
                raise
            return leaving or error.status == 404
        return True


def _is_as_acknowledged(pod: Object) -> bool:
    """Whether a pod is Ready, or none of which a node would say so any more."""
    return conditions.status(pod, "Ready") == "True" or ended(pod) or terminating(pod)


def _path(pod: Object, subresource: str = "") -> str:
    return POD.path(pod["metadata"]["namespace"], pod["metadata"]["name"], subresource)
