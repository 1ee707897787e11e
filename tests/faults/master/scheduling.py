"""Faults in what the scheduler does over time: waking, racing, binding, preempting; and in host ports."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial

from conformance.drive.scenarios.master.waking import GATE
from conformance.drive.sums import device
from refimpl.api.resources import NODES, PODS
from refimpl.apiserver.kinds.pods import changes
from refimpl.apiserver.kinds.pods import defaults as pod_defaults
from refimpl.apiserver.subresources import binding
from refimpl.controllers.node_lifecycle.monitor import NodeMonitor
from refimpl.scheduler import eventhandlers, eviction, failure, filters, podinfo, preemption, schedulingqueue
from refimpl.scheduler.cache import Cache
from refimpl.scheduler.eventhandlers import EventHandlers
from refimpl.scheduler.eviction import Evictor
from refimpl.scheduler.hostports import ANY_ADDRESS
from refimpl.scheduler.schedulingqueue import SchedulingQueue
from tests.faults.harness import Fault, replaced
from tests.faults.master import accounting
from tests.faults.master.accounting import strictly_less as _strictly_less

_new_status = pod_defaults.new_status
_with_allowed = changes.with_allowed_changes
_disruption = eviction._disruption
_look = NodeMonitor.look
_on_node = EventHandlers.on_node
_node_changed = EventHandlers.node_changed
_set_node = Cache.set_node
_wants = podinfo.wants_scheduling
_binding_refused = binding.refused
_not_eligible = preemption.not_eligible
_status_patch = failure.status_patch


def _nothing(*_args, **_more):
    return None


def _not_for_newcomers(self, name):
    if not name.endswith("-newcomer"):
        _node_changed(self, name)


def _nodes_stay(self, old, new):
    if new is not None:
        _on_node(self, old, new)


def _first_state_for_ever(self, node):
    known = self.node(node["metadata"]["name"])
    if known is None:
        return _set_node(self, node)
    tainted = {**known.node["spec"], "taints": (node.get("spec") or {}).get("taints")}
    return _set_node(self, {**known.node, "spec": tainted})


def _evicting(closed):
    """A master that empties nodes as soon as they are closed in some way."""

    async def look(self):
        await _look(self)
        client = self.writer.client
        names = [node["metadata"]["name"] for node in (await client.list(NODES))["items"] if closed(node)]
        for pod in (await client.list(PODS))["items"] if names else ():
            if pod["spec"].get("nodeName") in names:
                await client.delete(PODS, pod["metadata"]["name"], namespace=pod["metadata"]["namespace"])

    return replaced(NodeMonitor, "look", look)


def _is_cordoned(node):
    return bool(node["spec"].get("unschedulable"))


def _offers_less(node):
    less = node["status"].get("allocatable", {}).get(device("piece")) != node["status"]["capacity"].get(device("piece"))
    return less and "-waking-" in node["metadata"]["name"]


def _is_relabelled(node):
    return node["metadata"]["name"].endswith("waking-relabelled") and node["metadata"]["labels"].get(GATE) != "open"


def _is_closed(node):
    return any(taint["key"].endswith("/closed") for taint in node["spec"].get("taints") or [])


def _and_no_flush(owner, attribute, by):
    """Without its safety net, or a deaf scheduler would only be slow."""

    @contextmanager
    def patch():
        with replaced(SchedulingQueue, "flush_leftover", _nothing)(), replaced(owner, attribute, by)():
            yield

    return patch


def _no_port(_wanted, _used):
    return False


def _without_protocol(wanted, used):
    return any(wanted.port == o.port and _meet(wanted, o) for o in used)


def _without_address(wanted, used):
    return any((wanted.port, wanted.protocol) == (o.port, o.protocol) for o in used)


def _exact_address(wanted, used):
    return any(wanted == other for other in used)


def _wanted_wildcard_only(wanted, used):
    return any(
        (wanted.port, wanted.protocol) == (o.port, o.protocol) and wanted.address in (o.address, ANY_ADDRESS)
        for o in used
    )


def _used_wildcard_only(wanted, used):
    return any(
        (wanted.port, wanted.protocol) == (o.port, o.protocol) and o.address in (wanted.address, ANY_ADDRESS)
        for o in used
    )


def _meet(one, other):
    return one.address == other.address or ANY_ADDRESS in (one.address, other.address)


def _binds_again(pod, name):
    spec = {**pod["spec"], "nodeName": ""}
    return _binding_refused({**pod, "spec": spec}, name)


def _binds_the_leaving(pod, name):
    metadata = {key: value for key, value in pod["metadata"].items() if key != "deletionTimestamp"}
    return _binding_refused({**pod, "metadata": metadata}, name)


def _binds_the_gated(pod, name):
    return _binding_refused({**pod, "spec": {**pod["spec"], "schedulingGates": []}}, name)


def _node_may_change(before, after):
    allowed = _with_allowed(before, after)
    return {**allowed, "nodeName": before["nodeName"]} if "nodeName" in before else allowed


def _everybodys(pod, scheduler_name):
    return _wants({**pod, "spec": {**pod["spec"], "schedulerName": scheduler_name}}, scheduler_name)


def _and_gates_ignored():
    """The scheduler tries, and the API lets it."""

    @contextmanager
    def patch():
        with replaced(schedulingqueue, "is_gated", lambda _pod: False)(), _binding(_binds_the_gated)():
            yield

    return patch


def _gate_without_condition(pod):
    found = _new_status(pod)
    return {**found, "conditions": []}


def _never_preempts(pod, _nominated, _diagnosis):
    return "preemption is off"


def _the_meek_too(pod, nominated, diagnosis):
    return "" if pod.spec.get("preemptionPolicy") == "Never" else _not_eligible(pod, nominated, diagnosis)


def _equals_too(pod, victim):
    return victim.priority <= pod.priority


def _without_nomination(pod, now, *, condition=None, nomination=None):
    return _status_patch(pod, now, condition=condition)


async def _at_once(self, pod, victim, node):
    await self._client.delete(PODS, victim.name, namespace=victim.namespace, uid=victim.uid, grace_period=0)
    return True


def _another_reason(scheduler_name):
    return {**_disruption(scheduler_name), "reason": "Preempted"}


_conflicting = partial(replaced, filters, "conflict")
_binding = partial(replaced, binding, "refused")

FAULTS = [
    Fault("node changes wake nobody", ("M-SCHED-17",), _and_no_flush(EventHandlers, "node_changed", _nothing)),
    Fault("pods that go wake nobody", ("M-SCHED-17",), _and_no_flush(EventHandlers, "node_freed", _nothing)),
    Fault("new nodes wake nobody", ("M-SCHED-17",), _and_no_flush(EventHandlers, "node_changed", _not_for_newcomers)),
    Fault("waiting pods wait for ever", ("M-SCHED-17",), _and_no_flush(SchedulingQueue, "move", _nothing)),
    Fault("nodes never change", ("M-SCHED-17", "M-SCHED-18"), replaced(Cache, "set_node", _first_state_for_ever)),
    Fault("deleted nodes stay", ("M-SCHED-18",), replaced(EventHandlers, "on_node", _nodes_stay), 72),
    Fault("a cordon evicts", ("M-SCHED-18",), _evicting(_is_cordoned), 74),
    Fault("less room evicts", ("M-SCHED-18",), _evicting(_offers_less), 74),
    Fault("another label evicts", ("M-SCHED-18",), _evicting(_is_relabelled), 71),
    Fault("NoSchedule evicts", ("M-SCHED-18",), _evicting(_is_closed)),
    Fault("decisions do not count at once", ("M-SCHED-23",), replaced(Cache, "assume", _nothing), 67),
    Fault("one seat stays free", ("M-SCHED-23",), replaced(filters, "insufficient_resources", _strictly_less)),
    Fault("ports are ignored", ("M-SCHED-19",), _conflicting(_no_port)),
    Fault("protocols are ignored", ("M-SCHED-19",), _conflicting(_without_protocol)),
    Fault("addresses are ignored", ("M-SCHED-19",), _conflicting(_without_address)),
    Fault("addresses are compared as texts", ("M-SCHED-19",), _conflicting(_exact_address)),
    Fault("only the wanted address may be all", ("M-SCHED-19",), _conflicting(_wanted_wildcard_only)),
    Fault("only the used address may be all", ("M-SCHED-19",), _conflicting(_used_wildcard_only)),
    Fault("pods are bound again", ("M-SCHED-21",), _binding(_binds_again)),
    Fault("leaving pods are bound", ("M-SCHED-21",), _binding(_binds_the_leaving)),
    Fault("nodeName may change", ("M-SCHED-21",), replaced(changes, "with_allowed_changes", _node_may_change)),
    Fault("everybody's pods", ("M-SCHED-22",), replaced(eventhandlers, "wants_scheduling", _everybodys), 75),
    Fault("gated pods are bound", ("M-SCHED-27",), _binding(_binds_the_gated)),
    Fault("gates are ignored", ("M-SCHED-27",), _and_gates_ignored(), 75),
    Fault("gates are not told", ("M-SCHED-27",), replaced(pod_defaults, "new_status", _gate_without_condition)),
    Fault("nobody preempts", ("M-SCHED-24",), replaced(preemption, "not_eligible", _never_preempts)),
    Fault("the meek preempt", ("M-SCHED-24",), replaced(preemption, "not_eligible", _the_meek_too)),
    Fault("equals preempt", ("M-SCHED-24",), replaced(preemption, "may_preempt", _equals_too), 94),
    Fault("no nomination", ("M-SCHED-24",), replaced(failure, "status_patch", _without_nomination)),
    Fault("victims vanish at once", ("M-SCHED-24",), replaced(Evictor, "_evict", _at_once)),
    Fault("bound before the victim is gone", ("M-SCHED-24",), accounting.counting(accounting.stays), 94),
    Fault("the preempted are told something else", ("M-SCHED-28",), replaced(eviction, "_disruption", _another_reason)),
]
