"""Faults of an agent whose master is away, mute, or forgets what it was asked to watch."""

from __future__ import annotations

import asyncio

from refimpl.api.errors import ApiError
from refimpl.api.resources import PODS
from refimpl.client.client import Client
from refimpl.client.informer import Informer, key_of
from refimpl.client.transport import Unreachable
from refimpl.kubelet.kubelet import Kubelet
from refimpl.kubelet.node.heartbeatclient import HeartbeatClient
from refimpl.kubelet.pods.podworker import PodWorkers
from refimpl.kubelet.pods.statusmanager import StatusManager
from tests.faults.harness import Fault, replaced, together

_follow = Informer._follow
_follow_pods = Kubelet._follow_pods
_relist = Informer._relist
_sync = PodWorkers.sync
_with_timeout = Client.with_timeout


async def _once(self):
    await _follow(self)
    await asyncio.Event().wait()


async def _at_the_same_version(self):
    try:
        return await _follow(self)
    except ApiError as error:
        raise Unreachable("again") from error


async def _ended_by_half_an_event(self):
    try:
        return await _follow(self)
    except Unreachable as error:
        if "middle" in str(error):
            await asyncio.Event().wait()
        raise


async def _forgetting(self):
    try:
        return await _follow(self)
    except Unreachable:
        for key in list(self._objects):
            self._apply(key, None)
        self.resource_version = ""
        raise


async def _only_adding(self):
    selectors = {"label_selector": self.label_selector, "field_selector": self.field_selector}
    listed = await self.client.list(self.resource, namespace=self.namespace, **selectors)
    for each in listed["items"]:
        named = self._named(each)
        self._apply(key_of(named), named)
    self.resource_version = listed["metadata"]["resourceVersion"]
    self.synced.set()


async def _from_nothing(self):
    for key in list(self._objects):
        self._apply(key, None)
    await _relist(self)


async def _with_the_masters_leave(self, record):
    await self._context.client.get(PODS, record.name, namespace=record.namespace)
    await _sync(self, record)


async def _cleaning_first(self):
    self.manager.clean_up()
    await _follow_pods(self)


async def _tried_once(self, item):
    try:
        await self.sync(item)
    except (ApiError, Unreachable):
        self._written[item.uid] = item.version


async def _never(self):
    return


def _patient(self, seconds):
    return _with_timeout(self, 120)


FAULTS = [
    Fault("a watch that ended is not made again", ("N-OUT-04",), replaced(Informer, "_follow", _once), 49),
    Fault("an expired watch leads to no list", ("N-OUT-04",), replaced(Informer, "_follow", _at_the_same_version), 49),
    Fault("half an event is the last", ("N-OUT-04",), replaced(Informer, "_follow", _ended_by_half_an_event)),
    Fault("a second list removes nothing", ("N-OUT-04",), replaced(Informer, "_relist", _only_adding)),
    Fault("a second list begins with nothing", ("N-OUT-04",), replaced(Informer, "_relist", _from_nothing)),
    Fault("pods end with the watch", ("N-OUT-04", "N-OUT-05"), replaced(Informer, "_follow", _forgetting), 74),
    Fault("containers end before pods are read", ("N-OUT-05",), replaced(Kubelet, "_follow_pods", _cleaning_first), 50),
    Fault(
        "nothing is restarted without the master", ("N-OUT-05",), replaced(PodWorkers, "sync", _with_the_masters_leave)
    ),
    Fault(
        "a status is tried to write once",
        ("N-OUT-06",),
        together(
            replaced(StatusManager, "_try", _tried_once),
            replaced(StatusManager, "needs_reconcile", lambda *_: False),
        ),
        51,
    ),
    Fault(
        "what could not be written is not looked for", ("N-OUT-06",), replaced(StatusManager, "batch", lambda _: None)
    ),
    Fault("dead connections are kept", ("N-OUT-07",), replaced(HeartbeatClient, "repeated_failure", _never)),
    Fault("heartbeats wait for minutes", ("N-OUT-02", "N-OUT-07"), replaced(Client, "with_timeout", _patient)),
]
