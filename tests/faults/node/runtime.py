"""Faults in how an agent bears the loss of its runtime or of the pods' network."""

from __future__ import annotations

from refimpl.kubelet import podspec
from refimpl.kubelet.kubelet import Kubelet
from refimpl.kubelet.node import conditions, selfcheck
from refimpl.kubelet.node.selfcheck import SelfCheck
from refimpl.kubelet.pods.podworker import PodWorkers
from refimpl.kubelet.runtime.base import RuntimeUnavailable
from refimpl.kubelet.runtime.simulated import SimulatedRuntime
from tests.faults.harness import Fault, replaced, together

_check_runtime = SelfCheck.check_runtime
_look_at_runtime = Kubelet._look_at_runtime
_network_errors = SelfCheck.network_errors
_record = Kubelet.record
_record_pod = Kubelet.record_pod
_runtime_errors = selfcheck.runtime_errors
_sync = PodWorkers.sync
_update = conditions.update


async def _once_and_for_all(self):
    if not self.runtime_errors() or self._checked is None:
        await _check_runtime(self)


async def _offended(self):
    """A runtime that was away has to wait."""
    try:
        await self._runtime.status()
    except RuntimeUnavailable:
        self.offended_until = self._clock.monotonic() + 40
    if self._clock.monotonic() >= getattr(self, "offended_until", 0):
        await _check_runtime(self)


def _in_other_words(checked, now, error):
    return ["no runtime" for _ in _runtime_errors(checked, now, error)]


async def _advance_anyhow(self, record):
    if record.rejected:
        await self._finish_rejected(record)
    elif record.stop is not None:
        await self._end(record, record.stop)
    else:
        await self._advance(record)


async def _advance_offline(self, record):
    """What the network lacks stands in the Node's status and keeps no pod back."""
    check = self._context.network_errors.__self__
    check.bears = True
    try:
        await _sync(self, record)
    finally:
        check.bears = False


def _unless_borne(self):
    return [] if getattr(self, "bears", False) else _network_errors(self)


async def _started_afresh(self):
    blocked = self._blocked()
    await _look_at_runtime(self)
    if blocked and not self._blocked():
        for sandbox in self.runtime.sandboxes():
            for run in sandbox.running:
                await self.runtime.signal(run.id, "KILL")


async def _connected(self, changed):
    self._changed = changed


def _silent(self, event):
    if event.reason not in ("NodeReady", "NodeNotReady"):
        _record(self, event)


def _at_each_look(known, findings, now):
    listed = list(findings)
    found, _ = _update(known, listed, now)
    return found, [finding.event for finding in listed]


def _silent_about_pods(self, pod, container, kind, reason, message):
    if reason != "NetworkNotReady":
        _record_pod(self, pod, container, kind, reason, message)


FAULTS = [
    Fault("a lost runtime is noticed late", ("N-CND-10",), replaced(selfcheck, "RUNTIME_LIMIT", 60)),
    Fault("nobody says that containers are unwatched", ("N-CND-10",), replaced(selfcheck, "PLEG_LIMIT", 1e9)),
    Fault(
        "a lost runtime is told in other words", ("N-CND-10",), replaced(selfcheck, "runtime_errors", _in_other_words)
    ),
    Fault(
        "a runtime that was lost stays lost", ("N-CND-10",), replaced(SelfCheck, "check_runtime", _once_and_for_all), 32
    ),
    Fault("a runtime that is back is noticed late", ("N-CND-10",), replaced(SelfCheck, "check_runtime", _offended)),
    Fault("a lost network goes unnoticed", ("N-CND-11",), replaced(SelfCheck, "network_errors", lambda self: [])),
    Fault("pods are started without a runtime", ("N-RT-02",), replaced(PodWorkers, "sync", _advance_anyhow), 77),
    Fault(
        "pods are started without a network",
        ("N-RT-03",),
        together(replaced(SelfCheck, "network_errors", _unless_borne), replaced(PodWorkers, "sync", _advance_offline)),
    ),
    Fault(
        "no pod is started without a network",
        ("N-RT-03",),
        replaced(podspec, "on_host_network", lambda pod: False),
    ),
    Fault(
        "pods that waited for the network are forgotten",
        ("N-RT-03",),
        replaced(PodWorkers, "kick_all", lambda self: None),
    ),
    Fault(
        "nobody says that pods wait for the network",
        ("N-RT-03",),
        replaced(Kubelet, "record_pod", _silent_about_pods),
        warns=("N-RT-03",),
    ),
    Fault(
        "a node registers without a runtime and is Ready",
        ("N-RT-04",),
        together(
            replaced(SimulatedRuntime, "start", _connected),
            replaced(selfcheck, "runtime_errors", lambda checked, now, error: []),
        ),
        77,
    ),
    Fault(
        "containers are restarted with their runtime",
        ("N-X-30",),
        replaced(Kubelet, "_look_at_runtime", _started_afresh),
    ),
    Fault("turns of Ready are not told", ("N-EVT-02",), replaced(Kubelet, "record", _silent)),
    Fault("readiness is told at each look", ("N-EVT-02",), replaced(conditions, "update", _at_each_look)),
]
