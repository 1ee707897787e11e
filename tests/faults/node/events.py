"""Faults in what an agent tells people, in how it bears a strange master, and in its static pods."""

from __future__ import annotations

from refimpl.api.resources import EVENTS
from refimpl.client import events
from refimpl.client.events import EventRecorder
from refimpl.client.informer import Informer
from refimpl.kubelet.kubelet import Kubelet
from refimpl.kubelet.node import nodeevents, nodestatus
from refimpl.kubelet.pods import staticpods
from refimpl.kubelet.pods.podmanager import PodManager
from refimpl.kubelet.pods.podworker import PodWorkers
from refimpl.kubelet.pods.staticpods import StaticPods
from refimpl.kubelet.pods.statusmanager import StatusManager
from tests.faults.harness import Fault, replaced

_apply = Informer._apply
_handle = PodManager.handle
_mirror_of = staticpods.mirror_of
_node_info = nodestatus.node_info
_node_recorder = nodeevents.node_recorder
_reboot_events = nodestatus.reboot_events
_reconcile = StaticPods.reconcile_mirrors
_record = Kubelet.record
_record_pod = Kubelet.record_pod
_scan = StaticPods.scan
_sync = PodWorkers.sync


def _without(*reasons):
    def record(self, event):
        if event.reason not in reasons:
            _record(self, event)

    return record


def _pods_without(*reasons):
    def record_pod(self, pod, container, kind, reason, message):
        if reason not in reasons:
            _record_pod(self, pod, container, kind, reason, message)

    return record_pod


def _in_other_words(self, event):
    about = {"kind": "Node", "name": self.name}
    self._recorder.event(about, event.type, event.reason, event.reason)


def _by_uid(self, event):
    node = self.nodes.get(self.name)
    about = {"kind": "Node", "name": self.name, "uid": node["metadata"]["uid"] if node else "unknown"}
    self._recorder.event(about, event.type, event.reason, event.message)


def _anonymous(client, clock, config, name):
    return EventRecorder(client, clock, "node-agent")


def _unlimited(client, clock, config, name):
    recorder = _node_recorder(client, clock, config, name)
    recorder._rate = None
    recorder.event = lambda about, kind, reason, message: [
        EventRecorder.event(recorder, {**events.reference_to(about), "uid": f"{n}"}, kind, reason, message)
        for n in range(20)
    ]
    return recorder


async def _each_anew(self, body):
    await self._client.create(EVENTS, body)


async def _says_first(self, record):
    about = {"kind": "Pod", "namespace": record.namespace, "name": record.name}
    body = {"metadata": {"generateName": "x", "namespace": record.namespace}, "involvedObject": about}
    await self._context.client.create(EVENTS, body)
    await _sync(self, record)


def _only_what_it_knows(self, key, new):
    if new is not None and "conformanceSuite" in new:
        raise ValueError("unknown field conformanceSuite")
    _apply(self, key, new)


async def _unforgiving(self, item):
    if self._needs_write(item):
        await self.sync(item)


def _as_before(identity, view, known):
    info = _node_info(identity, view, known)
    return {**info, "bootID": known.get("bootID") or info["bootID"]}


def _at_every_start(identity, view, known):
    return {**_node_info(identity, view, known), "machineID": f"{id(view)}"}


def _unseen(identity, known):
    return []


def _normal(identity, known):
    return [nodestatus.NodeEvent("Normal", each.reason, each.message) for each in _reboot_events(identity, known)]


def _each_time(identity, known):
    text = f"Node {identity.name} has been rebooted, boot id: {identity.host.boot_id}"
    return [nodestatus.NodeEvent("Warning", "Rebooted", text)]


def _plain(pod, node, era):
    mirror = _mirror_of(pod, node, era)
    return {**mirror, "metadata": {**mirror["metadata"], "annotations": {}}}


def _from_the_network(pod, node, era):
    mirror = _mirror_of(pod, node, era)
    annotations = {**mirror["metadata"]["annotations"], "kubernetes.io/config.source": "http"}
    return {**mirror, "metadata": {**mirror["metadata"], "annotations": annotations}}


def _unowned(pod, node, era):
    mirror = _mirror_of(pod, node, era)
    metadata = {key: value for key, value in mirror["metadata"].items() if key != "ownerReferences"}
    return {**mirror, "metadata": metadata}


async def _never(self):
    return


async def _once(self):
    """Mirrors are made for pods that had none, and never again."""
    made = self.__dict__.setdefault("made", set())
    pods, self._pods = self._pods, {uid: pod for uid, pod in self._pods.items() if uid not in made}
    try:
        await _reconcile(self)
    finally:
        made.update(self._pods)
        self._pods = pods


def _first_scan_only(self):
    if not self._pods:
        _scan(self)


def _keeping(self):
    """Files that are gone change nothing."""
    known = dict(self._pods)
    removed, self._manager.removed = self._manager.removed, lambda pod: None
    _scan(self)
    self._manager.removed = removed
    self._pods = {**known, **self._pods}


def _stopped_with_its_mirror(self, old, new):
    if new is None and old is not None and "kubernetes.io/config.mirror" in (old["metadata"].get("annotations") or {}):
        uid = old["metadata"]["annotations"]["kubernetes.io/config.mirror"]
        record = self._workers.records.get(uid)
        if record is not None:
            for run in self._runtime.sandbox(uid).running:
                self._runtime._by_id[run.id].end(1)
    _handle(self, old, new)


FAULTS = [
    Fault("the start is not told", ("N-EVT-01",), replaced(Kubelet, "_tell_start", lambda self: None)),
    Fault(
        "sufficient memory is not told", ("N-EVT-01",), replaced(Kubelet, "record", _without("NodeHasSufficientMemory"))
    ),
    Fault("cordons are not told", ("N-EVT-01", "N-X-24"), replaced(Kubelet, "record", _without("NodeNotSchedulable"))),
    Fault("the end of a cordon is not told", ("N-X-24",), replaced(Kubelet, "record", _without("NodeSchedulable"))),
    Fault("events about the node are in other words", ("N-EVT-01",), replaced(Kubelet, "record", _in_other_words)),
    Fault("events about the node carry its uid", ("N-EVT-03",), replaced(Kubelet, "record", _by_uid)),
    Fault("events do not say who tells them", ("N-EVT-03",), replaced(nodeevents, "node_recorder", _anonymous)),
    Fault("pods wait until events are written", ("N-EVT-04",), replaced(PodWorkers, "sync", _says_first)),
    Fault("unknown fields are an error", ("N-X-15",), replaced(Informer, "_apply", _only_what_it_knows)),
    Fault("requests that are put off are an error", ("N-X-15",), replaced(StatusManager, "_try", _unforgiving)),
    Fault("a boot is not told in the status", ("N-INF-05",), replaced(nodestatus, "node_info", _as_before)),
    Fault("the machine's id changes", ("N-INF-05",), replaced(nodestatus, "node_info", _at_every_start)),
    Fault("a boot is not told in an event", ("N-INF-05",), replaced(nodestatus, "reboot_events", _unseen)),
    Fault("a boot is normal", ("N-INF-05",), replaced(nodestatus, "reboot_events", _normal)),
    Fault("boots are told all the time", ("N-INF-05",), replaced(nodestatus, "reboot_events", _each_time)),
    Fault("starts of containers are not told", ("N-X-25",), replaced(Kubelet, "record_pod", _pods_without("Started"))),
    Fault("failed probes are not told", ("N-X-25",), replaced(Kubelet, "record_pod", _pods_without("Unhealthy"))),
    Fault("waits after crashes are not told", ("N-X-25",), replaced(Kubelet, "record_pod", _pods_without("BackOff"))),
    Fault("ends of containers are not told", ("N-X-25",), replaced(Kubelet, "record_pod", _pods_without("Killing"))),
    Fault("an agent tells nobody of evictions", ("N-X-25",), replaced(Kubelet, "record_pod", _pods_without("Evicted"))),
    Fault("equal events are not counted", ("N-X-26",), replaced(EventRecorder, "_write", _each_anew)),
    Fault("there is no end of events", ("N-X-26",), replaced(nodeevents, "node_recorder", _unlimited)),
    Fault("mirrors are plain pods", ("N-POD-18",), replaced(staticpods, "mirror_of", _plain)),
    Fault("mirrors have another source", ("N-POD-18",), replaced(staticpods, "mirror_of", _from_the_network)),
    Fault("mirrors have no owner", ("N-POD-18",), replaced(staticpods, "mirror_of", _unowned)),
    Fault("there are no mirrors", ("N-POD-18",), replaced(StaticPods, "reconcile_mirrors", _never)),
    Fault("a deleted mirror stays away", ("N-POD-18",), replaced(StaticPods, "reconcile_mirrors", _once)),
    Fault("new files are ignored", ("N-POD-18",), replaced(StaticPods, "scan", _first_scan_only)),
    Fault("a mirror outlives its file", ("N-POD-18",), replaced(StaticPods, "scan", _keeping)),
    Fault("a static pod ends with its mirror", ("N-POD-18",), replaced(PodManager, "handle", _stopped_with_its_mirror)),
]
