"""Faults in when and how an agent writes, and in how it bears a master that refuses."""

from __future__ import annotations

import asyncio

from refimpl.api.errors import ApiError
from refimpl.client.informer import Informer
from refimpl.client.transport import Unreachable
from refimpl.kubelet.kubelet import Kubelet
from refimpl.kubelet.node import heartbeat, lease, registration
from refimpl.kubelet.node.heartbeat import StatusReporter
from refimpl.kubelet.node.heartbeatclient import HeartbeatClient
from refimpl.kubelet.node.lease import LeaseController
from tests.faults.harness import Fault, replaced

_get_or_create = LeaseController._get_or_create
_register_and_report = Kubelet._register_and_report
_should_write = heartbeat.should_write
_sync = LeaseController.sync
_update = StatusReporter.update
_updated = StatusReporter._updated


def _always(**facts):
    return True


def _only_when_due(*, changed, since_report, interval, era):
    return _should_write(changed=False, since_report=since_report, interval=interval, era=era)


def _only_when_changed(*, changed, since_report, interval, era):
    return changed or since_report is None


def _writing(method, subresource, content_type, of=registration.node_patch):
    async def write(self, old, new):
        body = of(old, new) if method == "PATCH" else new
        await self._client.request(method, self._path + subresource, body, content_type=content_type)

    return write


def _whole_status(old, new):
    return {"status": new["status"]}


def _with_the_spec(old, new):
    return {**registration.node_patch(old, new), "spec": new["spec"]}


async def _one_try(self):
    try:
        await self.update(0)
    except (ApiError, Unreachable):
        return


async def _waits_for_the_next_report(self):
    try:
        await self.update(0)
    except (ApiError, Unreachable):
        await self._clock.sleep(self._interval)


async def _without_timeout(self, method, path, body=None, *, query=None, content_type=None):
    return await self._client.request(method, path, body, query=query, content_type=content_type)


async def _registers_anyway(self):
    await self._registrar.register()
    await _register_and_report(self)


async def _dies_without_its_node(self):
    for attempt in range(5):
        try:
            await self.update(attempt)
        except ApiError as error:
            if error.code == 404:
                raise
        except Unreachable:
            continue
        else:
            return


async def _creates_its_node_again(self, attempt):
    try:
        await _update(self, attempt)
    except ApiError as error:
        if error.code != 404:
            raise
        await self._client.request("POST", "/api/v1/nodes", {"metadata": {"name": self._identity.name}})


async def _needs_a_restart(self, attempt):
    node = await self.read(attempt)
    if "kubernetes.io/hostname" in (node["metadata"].get("labels") or {}):
        await _update(self, attempt)


def _with_all_labels(self, node, view):
    new, events = _updated(self, node, view)
    labels = {**(new["metadata"].get("labels") or {}), **self._identity.config.node_labels}
    new["metadata"] = {**new["metadata"], "labels": labels}
    return new, events


async def _stops_after_a_conflict(self, base):
    try:
        self._latest = await self._put(lease.renewed(base, self._duration, self._clock.micro_timestamp()))
    except ApiError as error:
        if error.code == 409:
            await asyncio.Event().wait()
    except Unreachable:
        return False
    return True


async def _puts_blindly(self, base):
    for _ in range(5):
        try:
            self._latest = await self._put(lease.renewed(base, self._duration, self._clock.micro_timestamp()))
        except (ApiError, Unreachable):
            continue
        else:
            return True
    return False


async def _gives_up_on_the_lease(self):
    if self._latest is not None and not await self._update(self._latest):
        await asyncio.Event().wait()
    if self._latest is None:
        await _sync(self)


async def _dies_in_an_outage(self):
    if self._latest is None:
        await _sync(self)
    else:
        self._latest = await self._put(lease.renewed(self._latest, self._duration, self._clock.micro_timestamp()))


async def _dies_of_a_conflict(self, base):
    self._latest = await self._put(lease.renewed(base, self._duration, self._clock.micro_timestamp()))
    return True


async def _lists_once(self):
    await self._relist()
    try:
        while True:
            await self._follow()
    except (ApiError, Unreachable):
        await asyncio.Event().wait()


async def _starts_over_after_a_pause(self):
    while True:
        await self.sync()
        before = self._clock.monotonic()
        await self._clock.sleep(self.interval())
        if self._clock.monotonic() - before > 2 * self._config.renew_interval:
            await self._clock.sleep(self._config.renew_interval)


async def _waits_long_after_an_outage(self):
    if self._latest is not None and not await self._update(self._latest):
        await self._clock.sleep(120)
    await _sync(self)


async def _as_long_as_it_has_none(self):
    if self._latest is None:
        return await _get_or_create(self)
    return self._latest, False


FAULTS = [
    Fault("the status is written at every tick", ("N-HB-01",), replaced(heartbeat, "should_write", _always), 33),
    Fault(
        "an unchanged status is never written again",
        ("N-HB-01",),
        replaced(heartbeat, "should_write", _only_when_changed),
    ),
    Fault(
        "changes wait for the next report",
        ("N-HB-04", "N-REG-12"),
        replaced(heartbeat, "should_write", _only_when_due),
        34,
    ),
    Fault("the whole node is put", ("N-HB-05",), replaced(StatusReporter, "write", _writing("PUT", "", None)), 35),
    Fault(
        "the whole status is put", ("N-HB-05",), replaced(StatusReporter, "write", _writing("PUT", "/status", None)), 35
    ),
    Fault(
        "the node is patched beside its status",
        ("N-HB-05",),
        replaced(StatusReporter, "write", _writing("PATCH", "", "application/strategic-merge-patch+json")),
        35,
    ),
    Fault(
        "the status is merge-patched",
        ("N-HB-05",),
        replaced(StatusReporter, "write", _writing("PATCH", "/status", "application/merge-patch+json")),
        35,
    ),
    Fault(
        "patches hold the whole status",
        ("N-HB-05",),
        replaced(
            StatusReporter,
            "write",
            _writing("PATCH", "/status", "application/strategic-merge-patch+json", _whole_status),
        ),
    ),
    Fault(
        "patches hold the spec",
        ("N-HB-05",),
        replaced(
            StatusReporter,
            "write",
            _writing("PATCH", "/status", "application/strategic-merge-patch+json", _with_the_spec),
        ),
    ),
    Fault("a failed status write is not tried again at once", ("N-HB-06",), replaced(StatusReporter, "tick", _one_try)),
    Fault(
        "a failed status write waits for the next report",
        ("N-HB-06",),
        replaced(StatusReporter, "tick", _waits_for_the_next_report),
        36,
    ),
    Fault("a failed status write is tried fifty times", ("N-HB-06",), replaced(heartbeat, "RETRIES", 50), 37),
    Fault("heartbeats have no timeout", ("N-HB-07",), replaced(HeartbeatClient, "request", _without_timeout)),
    Fault(
        "the agent registers though told not to",
        ("N-REG-10",),
        replaced(Kubelet, "_register_and_report", _registers_anyway),
        9,
    ),
    Fault(
        "an unregistered agent never reports",
        ("N-REG-10", "N-REG-12"),
        replaced(StatusReporter, "update", _needs_a_restart),
    ),
    Fault("the agent dies with its node", ("N-REG-11",), replaced(StatusReporter, "tick", _dies_without_its_node), 10),
    Fault(
        "the agent creates its deleted node again",
        ("N-REG-11",),
        replaced(StatusReporter, "update", _creates_its_node_again),
    ),
    Fault(
        "a bare node gets the labels of the command line",
        ("N-REG-12",),
        replaced(StatusReporter, "_updated", _with_all_labels),
    ),
    Fault(
        "one conflict ends the renewals",
        ("N-LSE-07",),
        replaced(LeaseController, "_update", _stops_after_a_conflict),
        45,
    ),
    Fault("a conflict is answered without reading", ("N-LSE-07",), replaced(LeaseController, "_update", _puts_blindly)),
    Fault("a conflict is tried fifty times", ("N-LSE-07",), replaced(lease, "MAX_UPDATE_RETRIES", 50)),
    Fault("a conflict kills the agent", ("N-LSE-07",), replaced(LeaseController, "_update", _dies_of_a_conflict)),
    Fault("tries at the lease do not back off", ("N-LSE-07",), replaced(lease, "next_delay", lambda delay: delay)),
    Fault(
        "a deleted lease stays deleted",
        ("N-LSE-09",),
        replaced(LeaseController, "_get_or_create", _as_long_as_it_has_none),
    ),
    Fault(
        "an outage kills the agent", ("N-OUT-01", "N-OUT-02"), replaced(LeaseController, "sync", _dies_in_an_outage), 48
    ),
    Fault("an outage ends the renewals", ("N-OUT-02",), replaced(LeaseController, "sync", _gives_up_on_the_lease), 48),
    Fault(
        "renewals resume long after an outage",
        ("N-OUT-02",),
        replaced(LeaseController, "sync", _waits_long_after_an_outage),
    ),
    Fault("pods are not watched again after an outage", ("N-OUT-03",), replaced(Informer, "run", _lists_once), 49),
    Fault(
        "a frozen agent waits before it renews",
        ("N-OUT-08",),
        replaced(LeaseController, "run", _starts_over_after_a_pause),
        52,
    ),
    Fault(
        "a frozen agent waits for its next report",
        ("N-OUT-08",),
        replaced(heartbeat, "should_write", _only_when_due),
        52,
    ),
]
