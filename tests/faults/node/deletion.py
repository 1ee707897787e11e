"""Faults in how an agent ends pods and lets go of them."""

from __future__ import annotations

import attrs

from refimpl.api.errors import ApiError
from refimpl.api.resources import PODS
from refimpl.kubelet import podspec, shutdown
from refimpl.kubelet.kubelet import Kubelet
from refimpl.kubelet.pods import podmanager, podrecord, podstatus, statusmanager
from refimpl.kubelet.pods.podmanager import PodManager
from refimpl.kubelet.pods.podrecord import PodRecord
from refimpl.kubelet.pods.podworker import PodWorkers
from refimpl.kubelet.pods.statusmanager import StatusManager
from refimpl.kubelet.pods.termination import Stopper
from tests.faults.harness import Fault, replaced, together

_deletion_grace = podspec.deletion_grace
_end = PodWorkers._end
_follow_pods = Kubelet._follow_pods
_forget = StatusManager.forget
_phases = shutdown.phases
_pod_end = PodManager.end
_order_stop = PodRecord.order_stop
_record_of = podrecord.record_of
_removed = PodManager.removed
_run_hook = Stopper.run_hook
_stop_container = Stopper.stop_container
_updated = PodManager.updated
_write = StatusManager.write


async def _with_default_grace(self, item):
    await self._client.delete(PODS, item.name, namespace=item.namespace, uid=item.uid)


async def _without_uid(self, item):
    await self._client.delete(PODS, item.name, namespace=item.namespace, grace_period=0)


async def _never(self, *_):
    return


def _deaf(self, old, new):
    metadata = {key: value for key, value in new["metadata"].items() if key != "deletionTimestamp"}
    _updated(self, old, {**new, "metadata": metadata})


def _lasting(more):
    async def stop_container(self, record, run, grace, *, minimum, message):
        await _stop_container(self, record, run, grace + more, minimum=minimum, message=message)

    return stop_container


async def _killed_at_once(self, record, run, grace, *, minimum, message):
    await self._runtime.signal(run.id, "KILL")
    await self._ended(record, run)


async def _without_minimum(self, record, run, grace, *, minimum, message):
    await _stop_container(self, record, run, grace, minimum=0, message=message)


async def _by_thirty(self, record, run, grace, *, minimum, message):
    await _stop_container(self, record, run, podspec.DEFAULT_GRACE, minimum=minimum, message=message)


async def _untold(self, record, run, grace, *, minimum, message):
    await self._clock.sleep(grace)
    await _killed_at_once(self, record, run, grace, minimum=minimum, message=message)


async def _outside_the_grace(self, record, run, spec, hook, countdown):
    begun = self._clock.monotonic()
    await _run_hook(self, record, run, spec, hook, countdown)
    countdown.deadline += self._clock.monotonic() - begun


async def _removed_first(self, record, order):
    if podspec.is_deleting(record.pod) and record.in_api:
        known = self._context.statuses._known[record.uid]
        await self._context.statuses.delete(known)
    await _end(self, record, order)


async def _unreported(self, record, order):
    if not podspec.is_deleting(record.pod):
        await _end(self, record, order)
        return
    await self._stopper.stop_pod(record, order)
    await self._runtime.remove_sandbox(record.uid)
    record.over = record.reclaimed = True
    if record.in_api:
        await self._context.statuses.delete(self._context.statuses._known[record.uid])
    else:
        self._drop(record)


def _same_phase(pod, statuses, observed, era):
    return str(observed.previous.get("phase") or "Pending")


async def _removed_when_over(self, record, order):
    await _end(self, record, order)
    known = self._context.statuses._known.get(record.uid)
    if record.in_api and known is not None:
        await self._context.statuses.delete(known)


async def _clearing_up(self, pod, item, uid):
    """Whatever shows another node's name, or none that it knows, is deleted."""
    await _write(self, pod, item, uid)
    if item.name.endswith("kept"):
        await self.delete(item)


def _left_running(self, pod):
    record = self._workers.records.get(podspec.uid_of(pod))
    if record is not None:
        record.in_api = False
        record.over = record.reclaimed = True
        self._statuses.forget(record.uid)


def _made_again(self, pod):
    _removed(self, pod)
    metadata = {key: pod["metadata"][key] for key in ("name", "namespace")}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}
    self._workers._group.create_task(_posted(self._workers._context.client, body))


async def _posted(client, body):
    try:
        await client.create(PODS, body)
    except ApiError:
        return


def _still_told(self, pod):
    """The end of a pod that is gone is written all the same."""
    forget, self._statuses.forget = self._statuses.forget, lambda uid: None
    _removed(self, pod)
    self._statuses.forget = forget
    known = self._statuses._known.get(podspec.uid_of(pod))
    if known is not None:
        self._workers._group.create_task(_written(self._statuses, pod, known))


async def _written(statuses, pod, known):
    body = {"metadata": {"uid": known.uid}, "status": {"phase": "Failed"}}
    try:
        await statuses._client.patch(PODS, known.name, body, namespace=known.namespace, subresource="status")
    except ApiError:
        return


def _as_if_it_were_there(self, pod):
    record = self._workers.records.get(podspec.uid_of(pod))
    if record is not None:
        self._workers.stop(record, podmanager.StopOrder(podmanager.Ending(), 1))


async def _whoever_it_is(self, pod, item, uid):
    body = {"status": statusmanager.merged(pod.get("status") or {}, item.status)}
    await self._client.patch(PODS, item.name, body, namespace=item.namespace, subresource="status")


async def _before_reading(self):
    self.manager.clean_up()
    await _follow_pods(self)


async def _without_cleaning(self):
    clean, self.manager.clean_up = self.manager.clean_up, lambda: None
    await _follow_pods(self)
    self.manager.clean_up = clean


def _ending_all(pod):
    """A pod that runs already is started afresh."""
    record = _record_of(pod)
    if (pod.get("status") or {}).get("phase") == "Running":
        record.stop = podmanager.StopOrder(podmanager.Ending(), 1)
    return record


async def _hammering(self, item):
    for _ in range(10):
        await self._client.delete(PODS, item.name, namespace=item.namespace, grace_period=0, uid=item.uid)
        await self._clock.sleep(1)
    self._enqueue(attrs.evolve(item, version=item.version + 1))


def _first_word(self, order, now):
    return _order_stop(self, order, now) if self.stop is None else False


async def _goes_on(self):
    await self._shutdown_asked.wait()
    total, critical = self.config.shutdown_grace_period, self.config.shutdown_grace_period_critical_pods
    await shutdown.Shutdown(self._clock, self.manager, self.config.rules, total, critical).run()


def _all_at_once(pods, total, critical):
    return [(list(pods), total)]


def _critical_first(pods, total, critical):
    return _phases(pods, total, critical)[::-1]


def _evicted(self, uid, reason, message, *, grace):
    _pod_end(self, uid, "Evicted", "The node was low on resource: power. ", grace=grace)


FAULTS = [
    Fault("deleted pods run on", ("N-DEL-01",), replaced(PodManager, "updated", _deaf), 69),
    Fault("pods are removed with grace", ("N-DEL-01",), replaced(StatusManager, "delete", _with_default_grace), 70),
    Fault("pods are removed by name", ("N-DEL-01", "N-DEL-05"), replaced(StatusManager, "delete", _without_uid), 70),
    Fault("pods are never removed", ("N-DEL-01",), replaced(StatusManager, "delete", _never)),
    Fault("containers are killed at once", ("N-DEL-02",), replaced(Stopper, "stop_container", _killed_at_once), 71),
    Fault("containers get thirty seconds more", ("N-DEL-02",), replaced(Stopper, "stop_container", _lasting(30)), 71),
    Fault("containers always get thirty seconds", ("N-DEL-02",), replaced(Stopper, "stop_container", _by_thirty), 71),
    Fault("containers get no time at all", ("N-DEL-02",), replaced(Stopper, "stop_container", _without_minimum)),
    Fault("containers are killed without a word", ("N-DEL-02",), replaced(Stopper, "stop_container", _untold)),
    Fault("hooks are on top of the grace", ("N-DEL-02",), replaced(Stopper, "run_hook", _outside_the_grace)),
    Fault("pods are removed while they run", ("N-DEL-03",), replaced(PodWorkers, "_end", _removed_first)),
    Fault("pods are removed before their end is told", ("N-DEL-03",), replaced(PodWorkers, "_end", _unreported)),
    Fault("pods are removed in any phase", ("N-DEL-04",), replaced(podstatus, "final_phase", _same_phase)),
    Fault("pods are removed that nobody deleted", ("N-DEL-05",), replaced(StatusManager, "write", _clearing_up)),
    Fault(
        "pods that have not started get all their time",
        ("N-DEL-06",),
        replaced(StatusManager, "_is_latest", lambda self, item: False),
        72,
    ),
    Fault("pods that vanish run on", ("N-DEL-07",), replaced(PodManager, "removed", _left_running), 73),
    Fault("pods that vanish are made again", ("N-DEL-07",), replaced(PodManager, "removed", _made_again), 75),
    Fault("pods that vanish are written", ("N-DEL-07",), replaced(PodManager, "removed", _still_told)),
    Fault(
        "a successor is taken for its predecessor",
        ("N-DEL-08",),
        together(
            replaced(PodManager, "removed", _as_if_it_were_there),
            replaced(statusmanager, "is_same_pod", lambda pod, uid: True),
            replaced(StatusManager, "write", _whoever_it_is),
        ),
        66,
    ),
    Fault("a predecessor of the same name runs on", ("N-DEL-08",), replaced(PodManager, "removed", _left_running), 73),
    Fault(
        "unknown pods are ended before pods were read",
        ("N-DEL-09",),
        replaced(Kubelet, "_follow_pods", _before_reading),
        50,
    ),
    Fault("unknown pods run on", ("N-DEL-09",), replaced(Kubelet, "_follow_pods", _without_cleaning)),
    Fault("after a restart pods are ended", ("N-DEL-09",), replaced(podrecord, "record_of", _ending_all), 74),
    Fault("a pod under a finalizer is hammered", ("N-X-22",), replaced(StatusManager, "delete", _hammering)),
    Fault("the first word on the grace counts", ("N-X-23",), replaced(PodRecord, "order_stop", _first_word)),
    Fault(
        "a node that goes down says nothing",
        ("N-DEL-10",),
        replaced(Kubelet, "_shut_down_when_asked", _goes_on),
    ),
    Fault("all pods end together", ("N-DEL-10",), replaced(shutdown, "phases", _all_at_once)),
    Fault("critical pods end first", ("N-DEL-10",), replaced(shutdown, "phases", _critical_first)),
    Fault("pods of a node that goes down are Evicted", ("N-DEL-10",), replaced(PodManager, "end", _evicted)),
    Fault("pods get no time when the node goes down", ("N-DEL-10",), replaced(shutdown, "grace_of", lambda *_: 0)),
    Fault("pods come to a node that goes down", ("N-DEL-10",), replaced(PodManager, "decide", lambda self, pod: None)),
]
