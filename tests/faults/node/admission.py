"""Faults in which pods an agent takes, refuses, and pushes out."""

from __future__ import annotations

import attrs

from refimpl.api import taints
from refimpl.kubelet import eviction, resources
from refimpl.kubelet.kubelet import Kubelet
from refimpl.kubelet.pods import admission, podmanager, podphase, podstatus, predicates, preemption
from refimpl.kubelet.pods.podmanager import PodManager
from refimpl.kubelet.pods.podrecord import PodRecord
from refimpl.kubelet.pods.podworker import PodWorkers
from refimpl.kubelet.pressure import PressureRelief
from tests.faults.harness import Fault, replaced, together

_admission_node = Kubelet.admission_node
_choose = eviction.choose
_decide = PodManager.decide
_end = PodManager.end
_fits = admission.fits
_has_room = predicates.has_room
_intolerable = predicates.intolerable_taint
_message = eviction.message
_order = admission.order
_out_of = admission.out_of
_pod_requests = resources.pod_requests
_reject = PodManager._reject
_rejection = eviction.rejection
_round = PressureRelief.round
_shortages = predicates.shortages
_take = PodManager.take


def _only(resource):
    """Shortages of one resource alone go unnoticed."""
    return lambda pod, node, others: (each for each in _shortages(pod, node, others) if each.resource != resource)


def _capitalized(short):
    found = _out_of(short)
    word = {"OutOfcpu": "OutOfCPU", "OutOfmemory": "OutOfMemory"}.get(found.reason, found.reason)
    return attrs.evolve(found, reason=word)


def _in_cores(short):
    first = short[0]
    if first.resource != "cpu":
        return _out_of(short)
    scaled = attrs.evolve(first, requested=first.requested // 1000, capacity=first.capacity // 1000)
    return _out_of((scaled, *short[1:]))


def _off_by(pods):
    def room(demand):
        return _has_room(demand) if demand.resource != "pods" else demand.used + pods <= demand.capacity

    return room


def _by_capacity(self):
    node = _admission_node(self)
    status = node["status"]
    return {**node, "status": {**status, "allocatable": {**status["allocatable"], **_machine(status)}}}


def _machine(status):
    return {name: status["capacity"][name] for name in ("cpu", "memory")}


def _of_all(self):
    return [record.pod for record in self._workers.records.values()]


def _of_running(self):
    records = self._workers.records.values()
    return [each.pod for each in records if each.counts and each.pod["status"].get("phase") == "Running"]


def _youngest_first(pods):
    return _order(pods)[::-1]


def _unselective(pod, node, others, era):
    spec = {name: value for name, value in pod["spec"].items() if name not in ("nodeSelector", "affinity")}
    return _fits({**pod, "spec": spec}, node, others, era)


def _unknown_is_none(resource):
    return False


def _all_effects(pod, node):
    found = _intolerable(pod, node)
    return found or taints.untolerated(
        taints.taints_of(node), taints.tolerations_of(pod), (taints.NO_SCHEDULE, taints.NO_EXECUTE)
    )


def _in_short(pod, node, others, era):
    found = _fits(pod, node, others, era)
    return attrs.evolve(found, message="refused") if found and not found.shortages else found


def _of_all_kinds(pressures, pod):
    return None if resources.is_critical(pod) else _rejection(pressures or (), {**pod, "spec": _bare(pod)})


def _bare(pod):
    """A pod's spec without what spares it under memory pressure."""
    containers = [{**each, "resources": {}} for each in pod["spec"]["containers"]]
    return {**pod["spec"], "containers": containers, "tolerations": []}


def _memory_alone(pressures, pod):
    return _rejection([each for each in pressures if each == "MemoryPressure"], pod)


def _even_critical(pressures, pod):
    return f"The node had condition: [{' '.join(pressures)}]. " if pressures else None


def _told_by_a_number(pressures, pod):
    found = _rejection(pressures, pod)
    return found and "pressure"


def _pushed_out_silently(self, uid, reason, message, *, grace):
    _end(self, uid, "Evicted" if reason == "Preempting" else reason, message, grace=grace)


async def _looks_again(self, record):
    if self._context.statuses.status(record.uid)["reason"] == "OutOfcpu" and record.timer is None:
        record.rejected = False
        self._wake(record, 20)


def _reject_and_delete(self, record, rejection):
    _reject(self, record, rejection)
    self._workers._group.create_task(self._statuses.delete(self._statuses._known[record.uid]))


def _without_events(self, record, rejection):
    event, self._event = self._event, lambda *_: None
    _reject(self, record, rejection)
    self._event = event


def _told_as_normal(self, record, rejection):
    event = self._event
    self._event = lambda pod, name, kind, reason, message: event(pod, name, "Normal", reason, message)
    _reject(self, record, rejection)
    self._event = event


def _started_all_the_same(self, record, rejection):
    _reject(self, record, rejection)
    record.rejected = False


def _trusting(self, pod):
    """Pods that ran before are not looked at again."""
    ran = (pod.get("status") or {}).get("phase") == "Running"
    return None if ran else _decide(self, pod)


async def _left_running(self, record):
    record.over = record.reclaimed = True
    self._context.statuses.nudge(record.uid)


def _smallest_first(signal, pods, usage_of, ranked=eviction.rank):
    return ranked(signal, pods, usage_of)[::-1]


def _by_usage(signal, pods, usage_of):
    return sorted(pods, key=lambda pod: -(usage_of(pod).memory if usage_of(pod) else 0))


def _several(self):
    for _ in range(3):
        _round(self)
        self._evicted = ""


def _even_vital(signal, pods, usage_of):
    return next(iter(eviction.rank(signal, pods, usage_of)[::-1]), None)


def _briefly(threshold, observations, pod, usage, era):
    return "no memory left"


def _deleted_too(self, uid, reason, message, *, grace):
    _end(self, uid, reason, message, grace=grace)
    known = self._statuses._known.get(uid)
    if reason == "Evicted" and known is not None:
        self._workers._group.create_task(self._statuses.delete(known))


def _undisrupted(self, uid, reason, message, *, grace):
    record = self._workers.records[uid]
    if record.stop is None:
        ending = podmanager.Ending(reason, message)
        self._workers.stop(record, podmanager.StopOrder(ending, grace, minimum=grace))


FAULTS = [
    Fault("nobody counts CPUs", ("N-ADM-02",), replaced(predicates, "shortages", _only("cpu"))),
    Fault("nobody counts memory", ("N-ADM-02",), replaced(predicates, "shortages", _only("memory"))),
    Fault("nobody counts storage", ("N-ADM-02",), replaced(predicates, "shortages", _only("ephemeral-storage"))),
    Fault("nobody counts pods", ("N-ADM-02",), replaced(predicates, "shortages", _only("pods"))),
    Fault(
        "extended resources are nobody's business", ("N-ADM-02",), replaced(predicates, "has_room", lambda demand: True)
    ),
    Fault("OutOfcpu is spelled OutOfCPU", ("N-ADM-02",), replaced(admission, "out_of", _capitalized), 56),
    Fault("a shortage of CPU is told in cores", ("N-ADM-02",), replaced(admission, "out_of", _in_cores)),
    Fault(
        "a refused pod is started all the same", ("N-ADM-02",), replaced(PodManager, "_reject", _started_all_the_same)
    ),
    Fault(
        "one pod more than allowed",
        ("N-ADM-02",),
        replaced(predicates, "has_room", _off_by(0)),
        59,
    ),
    Fault(
        "one pod less than allowed",
        ("N-ADM-02",),
        replaced(predicates, "has_room", _off_by(2)),
        59,
    ),
    Fault("pods may have what is reserved", ("N-ADM-03",), replaced(Kubelet, "admission_node", _by_capacity)),
    Fault("refused and ended pods take room", ("N-ADM-04",), replaced(PodManager, "active", _of_all), 54),
    Fault("pods that are starting take no room", ("N-ADM-04",), replaced(PodManager, "active", _of_running), 55),
    Fault("ended pods take room until they are deleted", ("N-ADM-04",), replaced(PodRecord, "counts", True), 54),
    Fault("the youngest pods win", ("N-ADM-05",), replaced(admission, "order", _youngest_first)),
    Fault(
        "pods are admitted by name",
        ("N-ADM-05",),
        replaced(admission, "order", lambda pods: sorted(pods, key=lambda pod: pod["metadata"]["name"])),
    ),
    Fault("an agent ignores selectors", ("N-ADM-06",), replaced(admission, "fits", _unselective), 57),
    Fault("a selector that does not match is not named", ("N-ADM-06",), replaced(admission, "fits", _in_short)),
    Fault("host ports are given twice", ("N-ADM-07",), replaced(predicates, "ports_free", lambda pod, others: True)),
    Fault(
        "host ports are never free",
        ("N-ADM-07",),
        replaced(predicates, "ports_free", lambda pod, others: not resources.host_ports(pod)),
    ),
    Fault("unknown resources are missing", ("N-ADM-08",), replaced(resources, "is_extended", _unknown_is_none)),
    Fault(
        "NoSchedule keeps bound pods out", ("N-ADM-09",), replaced(predicates, "intolerable_taint", _all_effects), 58
    ),
    Fault("NoExecute lets pods in", ("N-ADM-09",), replaced(predicates, "intolerable_taint", lambda pod, node: None)),
    Fault(
        "tolerations are ignored",
        ("N-ADM-09",),
        replaced(predicates, "intolerable_taint", lambda pod, node: _intolerable({"spec": {}}, node)),
    ),
    Fault("pressure lets all pods in", ("N-ADM-10",), replaced(eviction, "rejection", lambda pressures, pod: None)),
    Fault("memory pressure keeps all pods out", ("N-ADM-10",), replaced(eviction, "rejection", _of_all_kinds)),
    Fault("disk pressure lets pods in", ("N-ADM-10",), replaced(eviction, "rejection", _memory_alone)),
    Fault(
        "a refusal under pressure is not explained", ("N-ADM-10",), replaced(eviction, "rejection", _told_by_a_number)
    ),
    Fault("pressure keeps critical pods out", ("N-ADM-11",), replaced(eviction, "rejection", _even_critical)),
    Fault(
        "critical pods push nobody out", ("N-ADM-11",), replaced(preemption, "victims", lambda pod, others, short: None)
    ),
    Fault("pushed out pods are Evicted", ("N-ADM-11",), replaced(PodManager, "end", _pushed_out_silently)),
    Fault(
        "a refused pod is tried again",
        ("N-ADM-12",),
        together(
            replaced(PodWorkers, "_finish_rejected", _looks_again),
            replaced(podstatus, "published_phase", lambda pod, statuses, observed, era: podphase.phase(pod, statuses)),
        ),
    ),
    Fault("a refused pod is deleted", ("N-ADM-12",), replaced(PodManager, "_reject", _reject_and_delete)),
    Fault("refusals are not told", ("N-ADM-13",), replaced(PodManager, "_reject", _without_events)),
    Fault("refusals are normal", ("N-ADM-13",), replaced(PodManager, "_reject", _told_as_normal)),
    Fault(
        "pods for other systems come in",
        ("N-X-16",),
        replaced(admission, "foreign_system", lambda pod, node: None),
    ),
    Fault("pods that ran are not looked at again", ("N-X-17",), replaced(PodManager, "decide", _trusting)),
    Fault(
        "pods that are refused after a restart run on",
        ("N-X-17",),
        replaced(PodWorkers, "_finish_rejected", _left_running),
    ),
    Fault("the most deserving pod is evicted", ("N-POD-16",), replaced(eviction, "rank", _smallest_first)),
    Fault("pods are evicted by usage alone", ("N-POD-16",), replaced(eviction, "rank", _by_usage)),
    Fault("several pods are evicted a round", ("N-POD-16",), replaced(PressureRelief, "round", _several)),
    Fault("critical pods are evicted", ("N-POD-16",), replaced(eviction, "choose", _even_vital)),
    Fault("nobody is evicted", ("N-POD-16",), replaced(eviction, "choose", lambda signal, pods, usage_of: None)),
    Fault("evictions are not explained", ("N-POD-16",), replaced(eviction, "message", _briefly)),
    Fault("evicted pods are deleted", ("N-POD-16",), replaced(PodManager, "end", _deleted_too), 68),
    Fault("evicted pods are not marked as disrupted", ("N-POD-16",), replaced(PodManager, "end", _undisrupted)),
]
