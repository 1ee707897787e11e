"""Faults in how an agent runs, restarts and reports containers."""

from __future__ import annotations

import attrs

from refimpl.kubelet import podspec
from refimpl.kubelet.pods import crashloop, podactions, podconditions, podphase, podrecord, podstatus
from refimpl.kubelet.pods.podactions import PodActions
from refimpl.kubelet.pods.podstarter import Starter
from refimpl.kubelet.pods.podworker import PodWorkers
from refimpl.kubelet.pods.probes import Prober
from refimpl.kubelet.runtime import images
from refimpl.kubelet.runtime.base import StartFailure
from tests.faults.harness import Fault, replaced, together

_backoff = Starter.backoff
_changed = PodWorkers.changed
_compute = podactions.compute_actions
_conclude = Prober._conclude
_container_status = podstatus.container_status
_deadline_passed = PodWorkers._deadline_passed
_is_ready = podstatus.is_ready
_next_init = podactions._next_init
_phase = podphase.phase
_pod_status = podstatus.pod_status
_published = podstatus.published_phase
_ready = podconditions.ready
_refusal = images.refusal
_start_of = podactions.start_of
_state_of = podstatus.state_of


def _never(pod, run):
    return run is None


def _always(pod, run):
    return True


def _failed_alike(policy, *, succeeded, over):
    return "Running" if policy == "Always" and not over else "Succeeded"


def _failed_early(pod, statuses, *, over=False):
    ended = [(each.get("state") or {}).get("terminated") for each in statuses]
    failed = podspec.restart_policy(pod) == "Never" and any(each and each["exitCode"] for each in ended)
    return "Failed" if failed else _phase(pod, statuses, over=over)


def _published_early(pod, statuses, observed, era):
    found = _published(pod, statuses, observed, era)
    return _failed_early(pod, statuses) if found == "Running" else found


def _told_as_zero(run, scheme):
    state = _state_of(run, scheme)
    return {"terminated": {**state["terminated"], "exitCode": 0}} if "terminated" in state else state


def _without_reason(run, scheme):
    state = _state_of(run, scheme)
    return {"terminated": {**state["terminated"], "reason": "Stopped"}} if "terminated" in state else state


def _backwards(run, scheme):
    state = _state_of(run, scheme)
    if "terminated" not in state:
        return state
    ended = state["terminated"]
    later = {"startedAt": ended["finishedAt"], "finishedAt": "2001-01-01T00:00:00Z"}
    return {"terminated": {**ended, **later}}


def _from_zero(spec, run):
    return attrs.evolve(_start_of(spec, run), attempt=0)


def _since_the_restart(pod, spec, observed, era):
    """Counts what this kubelet has started."""
    found = _container_status(pod, spec, observed, era)
    return {**found, "restartCount": max(0, found["restartCount"] - 2)} if found["restartCount"] > 3 else found


def _without_history(pod, spec, observed, era):
    return {**_container_status(pod, spec, observed, era), "lastState": {}}


def _one_id(pod, spec, observed, era):
    found = _container_status(pod, spec, observed, era)
    return {**found, "containerID": f"simulated://{spec['name']}"} if "containerID" in found else found


def _at_once(record, finished_at, now, *, longest):
    return 0.0


def _from_the_first_on(self, record, start):
    ended = start.previous and start.previous.finished_at
    since = (self._clock.now() - ended).total_seconds() if ended else 10
    if start.name not in record.crashes and since < 10:
        return 10 - since
    return _backoff(self, record, start)


def _unbounded(wait, *, longest):
    return wait * 2


def _unforgiving(record, finished_at, *, longest):
    return False


def _constant(wait, *, longest):
    return wait


def _wordless(self, record, name, wait):
    record.waiting[name] = ("CrashLoopBackOff", "")


def _all_together(pod, sandbox, probed):
    """Init containers are started beside the others."""
    found = _compute(pod, sandbox, probed)
    apps = [
        podactions.start_of(spec, None)
        for spec in podspec.containers_of(pod)
        if sandbox is None or sandbox.latest(spec["name"]) is None
    ]
    return attrs.evolve(found, starts=podactions._distinct([*found.starts, *apps]))


def _inits_together(pod, sandbox, probed):
    if sandbox is None:
        return PodActions(tuple(podactions.start_of(spec, None) for spec in podspec.init_containers_of(pod)))
    return _next_init(pod, sandbox, probed)


def _failed_init_ignored(pod, sandbox, probed):
    step = _next_init(pod, sandbox, probed)
    return None if step is not None and step.ends else step


def _always_ready(pod, spec, run, observed):
    return run.running


def _ready_for_good(pod, spec, run, observed):
    old = podstatus._named(podstatus._old_statuses(observed.previous), spec["name"])
    return bool(run.running and old and old.get("ready")) or _is_ready(pod, spec, run, observed)


def _patient(self, kind, state, probes, run):
    return False if kind == "liveness" else _conclude(self, kind, state, probes, run)


def _fails_the_pod(pod, sandbox, probed):
    found = _compute(pod, sandbox, probed)
    return PodActions(ends=True) if found.kills else found


def _as_if_ended(pod, observed, era):
    found = _pod_status(pod, observed, era)
    unready = any(not each["ready"] for each in found.get("containerStatuses") or ())
    return {**found, "phase": "Pending"} if unready and found["phase"] == "Running" else found


def _without_deadline(pod, started, now):
    return None


def _ended_silently(self, record):
    late = _deadline_passed(self, record)
    if late:
        record.stop = attrs.evolve(record.stop, ending=podstatus.Ending())
    return late


def _failed_while_running(pod, statuses, observed, era):
    if observed.ending is not None and observed.ending.reason:
        return "Failed"
    return _published(pod, statuses, observed, era)


def _ready_to_the_end(pod, containers):
    found = _ready(pod, containers)
    return {**found, "status": "True"}


def _failing(spec):
    refused = _refusal(spec)
    return refused and StartFailure("CreateContainerError", str(refused))


def _never_backing_off(self, record, start):
    record.pulls.clear()
    return _backoff(self, record, start)


def _fails_without_image(self, record, start, failure):
    ending = podstatus.Ending(failure.reason, failure.message)
    record.order_stop(podrecord.StopOrder(ending, 0), 0)
    return 1.0


def _once(self, uid):
    """Only the first containers of a pod are watched."""
    sandbox = self._runtime.sandbox(uid)
    if sandbox is None or all(run.attempt == 0 and run.running for run in sandbox.containers):
        _changed(self, uid)


async def _slowly(self, uid):
    await self._clock.sleep(20)
    _changed(self, uid)


def _later(self, uid):
    sandbox = self._runtime.sandbox(uid)
    if sandbox is None or all(run.running for run in sandbox.containers):
        _changed(self, uid)
    else:
        self._group.create_task(_slowly(self, uid))


FAULTS = [
    Fault("nothing is restarted", ("N-POD-07",), replaced(podactions, "should_restart", _never), 63),
    Fault("everything is restarted", ("N-POD-07",), replaced(podactions, "should_restart", _always), 63),
    Fault("failed pods have Succeeded", ("N-POD-07",), replaced(podphase, "stopped_phase", _failed_alike)),
    Fault(
        "a pod has Failed with its first container",
        ("N-POD-07", "N-POD-17"),
        replaced(podstatus, "published_phase", _published_early),
    ),
    Fault("containers always end with 0", ("N-POD-08",), replaced(podstatus, "state_of", _told_as_zero)),
    Fault("containers end for other reasons", ("N-POD-08",), replaced(podstatus, "state_of", _without_reason)),
    Fault("containers end before they start", ("N-POD-08",), replaced(podstatus, "state_of", _backwards)),
    Fault("restarts are not counted", ("N-POD-08",), replaced(podactions, "start_of", _from_zero), 64),
    Fault("restarts are forgotten", ("N-POD-08",), replaced(podstatus, "container_status", _since_the_restart), 64),
    Fault("the run before is forgotten", ("N-POD-08",), replaced(podstatus, "container_status", _without_history)),
    Fault("a restarted container has its old id", ("N-POD-08",), replaced(podstatus, "container_status", _one_id)),
    Fault("crashes are restarted at once", ("N-POD-09",), replaced(crashloop, "remaining", _at_once), 65),
    Fault("the first restart waits", ("N-POD-09",), replaced(Starter, "backoff", _from_the_first_on), 65),
    Fault("waits have no limit", ("N-POD-09",), replaced(crashloop, "next_wait", _unbounded), 65),
    Fault("waits do not grow", ("N-POD-09",), replaced(crashloop, "next_wait", _constant), 65),
    Fault("crashes are never forgiven", ("N-POD-09",), replaced(crashloop, "is_forgiven", _unforgiving)),
    Fault("waits are not explained", ("N-POD-09",), replaced(Starter, "_enter_backoff", _wordless)),
    Fault(
        "containers start beside init containers", ("N-POD-10",), replaced(podactions, "compute_actions", _all_together)
    ),
    Fault("init containers start together", ("N-POD-10",), replaced(podactions, "_next_init", _inits_together)),
    Fault(
        "failed init containers are ignored", ("N-POD-10",), replaced(podactions, "_next_init", _failed_init_ignored)
    ),
    Fault("readiness probes are ignored", ("N-POD-11",), replaced(podstatus, "is_ready", _always_ready), 62),
    Fault("a ready container stays ready", ("N-POD-11",), replaced(podstatus, "is_ready", _ready_for_good)),
    Fault("liveness probes are ignored", ("N-POD-11",), replaced(Prober, "_conclude", _patient)),
    Fault(
        "a failed liveness probe ends the pod", ("N-POD-11",), replaced(podactions, "compute_actions", _fails_the_pod)
    ),
    Fault("an unready pod is Pending", ("N-POD-11", "N-POD-06"), replaced(podstatus, "pod_status", _as_if_ended)),
    Fault("deadlines are ignored", ("N-POD-15",), replaced(podrecord, "time_left", _without_deadline)),
    Fault("deadlines are not explained", ("N-POD-15",), replaced(PodWorkers, "_deadline_passed", _ended_silently)),
    Fault(
        "pods have Failed before their containers ended",
        ("N-POD-17",),
        replaced(podstatus, "published_phase", _failed_while_running),
    ),
    Fault("ended pods are Ready", ("N-POD-17",), replaced(podconditions, "ready", _ready_to_the_end)),
    Fault("missing images are errors of another kind", ("N-X-19",), replaced(images, "refusal", _failing)),
    Fault("pulling never backs off", ("N-X-19",), replaced(Starter, "backoff", _never_backing_off)),
    Fault("a missing image fails the pod", ("N-X-19",), replaced(Starter, "_note_failure", _fails_without_image)),
    Fault("ends of containers are noticed late", ("N-RT-01",), replaced(PodWorkers, "changed", _later)),
    Fault(
        "pods go back to Pending when a container is restarted",
        ("N-POD-06",),
        together(
            replaced(podphase, "_end_of", lambda status: None), replaced(podphase, "_has_run", lambda status: False)
        ),
    ),
]
