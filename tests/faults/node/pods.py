"""Faults in what an agent reports of the pods on its node."""

from __future__ import annotations

from refimpl.api.resources import PODS
from refimpl.kubelet import kubelet, podspec
from refimpl.kubelet.pods import podconditions, podmanager, podphase, podstatus, statusmanager
from refimpl.kubelet.pods.podmanager import PodManager
from refimpl.kubelet.pods.podrecord import PodRecord
from refimpl.kubelet.pods.statusmanager import StatusManager
from tests.faults.harness import Fault, replaced, together

_container_status = podstatus.container_status
_containers_ready = podconditions.containers_ready
_identified = podstatus._identified
_initialized = podconditions.initialized
_is_terminal = podspec.is_terminal
_phase = podphase.phase
_pod_status = podstatus.pod_status
_ready = podconditions.ready
_set = StatusManager.set
_set_addresses = podstatus._set_addresses
_stamp = statusmanager.stamp
_stamped = podconditions._stamped
_take = PodManager.take
_try = StatusManager._try
_waiting_state = podstatus.waiting_state
_write = StatusManager.write


async def _late(self, item):
    await self._clock.sleep(12)
    await _try(self, item)


def _without_start_time(pod, status, before, now, era):
    stamped = _stamp(pod, status, before, now, era)
    return {key: value for key, value in stamped.items() if key != "startTime"}


async def _without_uid(self, pod, item, uid):
    body = {"status": statusmanager.merged(pod.get("status") or {}, item.status)}
    await self._client.patch(PODS, item.name, body, namespace=item.namespace, subresource="status")


async def _as_a_whole(self, pod, item, uid):
    await self._client.update(PODS, {**pod, "status": item.status}, subresource="status")


async def _merge_patched(self, pod, item, uid):
    body = {"metadata": {"uid": uid}, "status": item.status}
    path = PODS.path(item.namespace, item.name, "status")
    await self._client.request("PATCH", path, body, content_type="application/merge-patch+json")


async def _unread(self, item):
    pod = self._cached(item.namespace, item.name)
    if pod is not None:
        await self.write(pod, item, item.uid)
        self._written[item.uid] = item.version


async def _write_all(self, pod, item, uid):
    body = {"metadata": {"uid": uid}, "status": {"phase": item.status["phase"]}}
    await _write(self, pod, item, uid)
    await self._client.patch(PODS, item.name, body, namespace=item.namespace, subresource="status")


def _ready_anyhow(pod, containers):
    return {"type": "Ready", "status": "True"}


def _unready_without_reason(pod, containers):
    found = _ready(pod, containers)
    return {"type": "Ready", "status": found["status"]}


def _ready_with_reason(pod, containers):
    found = _ready(pod, containers)
    return {**found, "reason": "ContainersReady"} if found["status"] == "True" else found


def _other_words(pod, statuses, phase, era):
    found = _containers_ready(pod, statuses, phase, era)
    return {**found, "message": "not yet"} if found.get("message") else found


def _running_at_once(pod, statuses, *, over=False):
    found = _phase(pod, statuses, over=over)
    return "Running" if found == "Pending" else found


def _always_initialized(pod, init_statuses, phase):
    return {"type": "Initialized", "status": "True"}


def _creating(reason, message):
    return _waiting_state("ContainerCreating" if reason == "PodInitializing" else reason, message)


def _counting_from_one(pod, spec, observed, era):
    found = _container_status(pod, spec, observed, era)
    return {**found, "restartCount": found["restartCount"] + 1}


def _ready_before_running(pod, spec, observed, era):
    return {**_container_status(pod, spec, observed, era), "ready": True}


def _without(*fields):
    def told(pod, observed, era):
        return {key: value for key, value in _pod_status(pod, observed, era).items() if key not in fields}

    return told


def _not_started(pod, spec, observed, era):
    return {**_container_status(pod, spec, observed, era), "started": False}


def _bare_id(spec, run, scheme):
    return {**_identified(spec, run, scheme), "containerID": run.id}


def _always_turning(condition, old, now, generation):
    return _stamped(condition, None, now, generation)


def _backwards(pod, observed, era):
    found = _pod_status(pod, observed, era)
    listed = sorted(found.get("containerStatuses") or (), key=lambda each: each["name"], reverse=True)
    return {**found, "containerStatuses": listed} if listed else found


def _init_sorted(pod, observed, era):
    found = _pod_status(pod, observed, era)
    listed = sorted(found.get("initContainerStatuses") or (), key=lambda each: each["name"])
    return {**found, "initContainerStatuses": listed} if listed else found


def _take_the_dying(self, pod):
    metadata = {key: value for key, value in pod["metadata"].items() if key != "deletionTimestamp"}
    _take(self, {**pod, "metadata": metadata})


async def _never(self, item):
    return


FAULTS = [
    Fault(
        "the agent takes pods of other nodes",
        ("N-ADM-01",),
        together(
            replaced(kubelet, "pod_selector", lambda node: ""), replaced(podmanager, "is_ours", lambda pod, node: True)
        ),
        53,
    ),
    Fault(
        "the agent asks for the pods of all nodes",
        ("N-ADM-01",),
        replaced(kubelet, "pod_selector", lambda node: ""),
        53,
    ),
    Fault("ended pods take room", ("N-ADM-14",), replaced(PodRecord, "counts", property(lambda self: True)), 54),
    Fault(
        "ended pods are started",
        ("N-ADM-14",),
        together(
            replaced(podspec, "is_terminal", lambda pod: False),
            replaced(podstatus, "published_phase", lambda pod, statuses, observed, era: _phase(pod, statuses)),
        ),
    ),
    Fault("statuses are written late", ("N-POD-01",), replaced(StatusManager, "_try", _late)),
    Fault("statuses have no start time", ("N-POD-01",), replaced(statusmanager, "stamp", _without_start_time)),
    Fault("statuses are written without a uid", ("N-POD-02",), replaced(StatusManager, "write", _without_uid), 66),
    Fault("statuses are put as a whole", ("N-POD-02",), replaced(StatusManager, "write", _as_a_whole)),
    Fault("statuses are merge patches", ("N-POD-02",), replaced(StatusManager, "write", _merge_patched)),
    Fault("statuses are written unread", ("N-POD-02",), replaced(StatusManager, "sync", _unread)),
    Fault("a pod is Ready before it runs", ("N-POD-03",), replaced(podconditions, "ready", _ready_anyhow), 62),
    Fault(
        "an unready pod says no reason", ("N-POD-03",), replaced(podconditions, "ready", _unready_without_reason), 62
    ),
    Fault("unready containers are not named", ("N-POD-03",), replaced(podconditions, "containers_ready", _other_words)),
    Fault("a new pod is Running", ("N-POD-03",), replaced(podphase, "phase", _running_at_once)),
    Fault("a new pod is initialized", ("N-POD-03",), replaced(podconditions, "initialized", _always_initialized)),
    Fault("a pod with init containers is creating", ("N-POD-03",), replaced(podstatus, "waiting_state", _creating)),
    Fault("restarts are counted from one", ("N-POD-03",), replaced(podstatus, "container_status", _counting_from_one)),
    Fault(
        "containers are ready before they run",
        ("N-POD-03",),
        replaced(podstatus, "container_status", _ready_before_running),
    ),
    Fault(
        "statuses have no host address", ("N-POD-03",), replaced(podstatus, "pod_status", _without("hostIP", "hostIPs"))
    ),
    Fault(
        "a running pod has no address", ("N-POD-04",), replaced(podstatus, "pod_status", _without("podIP", "podIPs"))
    ),
    Fault("a ready pod says a reason", ("N-POD-04",), replaced(podconditions, "ready", _ready_with_reason), 62),
    Fault("running containers have not started", ("N-POD-04",), replaced(podstatus, "container_status", _not_started)),
    Fault("container ids have no scheme", ("N-POD-04",), replaced(podstatus, "_identified", _bare_id)),
    Fault(
        "startTime is always now",
        ("N-POD-05",),
        replaced(statusmanager, "start_time", lambda before, status, now: now),
        61,
    ),
    Fault("pod conditions turn at each write", ("N-POD-05",), replaced(podconditions, "_stamped", _always_turning)),
    Fault("readiness gates are ignored", ("N-POD-12",), replaced(podconditions, "gate_problem", lambda *_: "")),
    Fault(
        "readiness gates are never open", ("N-POD-12",), replaced(podconditions, "gate_problem", lambda *_: "is shut")
    ),
    Fault(
        "an overwritten status stays",
        ("N-POD-13",),
        replaced(StatusManager, "needs_reconcile", lambda self, known: False),
        67,
    ),
    Fault(
        "conditions of others are removed from pods",
        ("N-POD-13",),
        replaced(statusmanager, "merged", lambda known, status: status),
    ),
    Fault(
        "unchanged pods are written periodically",
        ("N-POD-14",),
        together(
            replaced(StatusManager, "needs_reconcile", lambda self, known: True),
            replaced(StatusManager, "write", _write_all),
        ),
        60,
    ),
    Fault("a dying pod is started", ("N-DEL-06",), replaced(PodManager, "take", _take_the_dying)),
    Fault("a pod that never started is never removed", ("N-DEL-06",), replaced(StatusManager, "delete", _never), 72),
    Fault("container statuses are in reverse", ("N-X-20",), replaced(podstatus, "pod_status", _backwards)),
    Fault("init containers are sorted by name", ("N-X-20",), replaced(podstatus, "pod_status", _init_sorted)),
    Fault(
        "pods on the host's network have addresses of their own",
        ("N-X-21",),
        replaced(podspec, "on_host_network", lambda pod: False),
    ),
]
