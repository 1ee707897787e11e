"""A pod's status, from its spec and from what the runtime has.

Source: kubelet 1.36 `generateAPIPodStatus`, `convertToAPIContainerStatuses`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from refimpl.api.errors import Object
from refimpl.clock import format_time
from refimpl.kubelet import podspec, resources
from refimpl.kubelet.era import Era
from refimpl.kubelet.pods import podconditions, podphase
from refimpl.kubelet.runtime.base import Container, Sandbox

_LOST = {"exitCode": 137, "reason": "ContainerStatusUnknown"}


@attrs.frozen
class Ending:
    """How a pod ends that is not simply left to its containers.

    Attributes:
        reason: of the Failed pod: `Evicted`, `DeadlineExceeded`, `Preempting`; empty when the pod just stops.
        message: of the Failed pod.
        disruption: whether the node itself ended it, which newer kubelets tell in a condition.
    """

    reason: str = ""
    message: str = ""
    disruption: str = ""


@attrs.frozen(kw_only=True)
class Observed:
    """What is known of a pod beside its spec.

    Attributes:
        sandbox: what the runtime has; None before it was made and after it was removed.
        previous: the status before.
        scheme: of container ids, e.g. `docker`.
        ready: by container id, the result of the readiness probe; absent where there is none.
        started: by container id, the result of the startup probe; absent where there is none.
        waiting: by container name, reason and message why it is not running although it should.
        host_ips: the node's addresses.
        ending: set when the pod is being ended or has ended.
        over: all containers have stopped for good.
    """

    sandbox: Sandbox | None
    previous: Object
    scheme: str
    host_ips: Sequence[str]
    ready: Mapping[str, bool] = attrs.field(factory=dict)
    started: Mapping[str, bool] = attrs.field(factory=dict)
    waiting: Mapping[str, tuple[str, str]] = attrs.field(factory=dict)
    ending: Ending | None = None
    over: bool = False


def pod_status(pod: Object, observed: Observed, era: Era) -> Object:
    """The status, without the times that the status manager adds (startTime, transition times)."""
    statuses = sorted(
        (container_status(pod, spec, observed, era) for spec in podspec.containers_of(pod)),
        key=lambda status: str(status["name"]),
    )
    init_statuses = [container_status(pod, spec, observed, era) for spec in podspec.init_containers_of(pod)]
    status: Object = {"phase": published_phase(pod, [*init_statuses, *statuses], observed, era)}
    if observed.ending is not None and observed.ending.reason and status["phase"] == "Failed":
        status |= {"reason": observed.ending.reason, "message": observed.ending.message}
    status["conditions"] = podconditions.conditions(
        pod,
        phase=status["phase"],
        init_statuses=init_statuses,
        statuses=statuses,
        has_sandbox=observed.sandbox is not None and not observed.over,
        era=era,
    )
    if observed.ending is not None and observed.ending.disruption and era.disruption_target:
        status["conditions"].append(disruption_target(observed.ending))
    _set_addresses(status, pod, observed, era)
    status["qosClass"] = (pod.get("status") or {}).get("qosClass") or resources.qos_class(pod)
    if init_statuses:
        status["initContainerStatuses"] = init_statuses
    if statuses:
        status["containerStatuses"] = statuses
    generation = pod["metadata"].get("generation")
    if era.sandbox_condition and generation is not None:
        status["observedGeneration"] = generation
    return status


def published_phase(pod: Object, statuses: Sequence[Object], observed: Observed, era: Era) -> str:
    """The phase to publish: a terminal one only when no container can run any more, and then for good."""
    known = str(observed.previous.get("phase") or "Pending")
    for final in (known, str((pod.get("status") or {}).get("phase"))):
        if final in podspec.TERMINAL_PHASES:
            return final
    if observed.over:
        return final_phase(pod, statuses, observed, era)
    found = podphase.phase(pod, statuses)
    if found in podspec.TERMINAL_PHASES:
        return "Pending" if known == "Pending" and not _any_ran(statuses) else "Running"
    return "Running" if known == "Running" and found == "Pending" and observed.ending is not None else found


def final_phase(pod: Object, statuses: Sequence[Object], observed: Observed, era: Era) -> str:
    """The phase of a pod of which nothing runs any more."""
    if observed.ending is not None and observed.ending.reason:
        return "Failed"
    deleting = podspec.is_deleting(pod)
    if deleting and not era.terminal_before_delete:
        return podphase.phase(pod, statuses)
    found = podphase.phase(pod, statuses, over=True)
    return found if found in podspec.TERMINAL_PHASES or not deleting else "Failed"


def container_status(pod: Object, spec: Object, observed: Observed, era: Era) -> Object:
    """The status of one container."""
    name = spec["name"]
    runs = observed.sandbox.runs(name) if observed.sandbox else []
    old = _named(_old_statuses(observed.previous), name)
    if not runs:
        return status_without_run(pod, spec, old, observed, era)
    latest = runs[0]
    status = _identified(spec, latest, observed.scheme)
    status["state"] = state_of(latest, observed.scheme)
    status["lastState"] = state_of(runs[1], observed.scheme) if len(runs) > 1 else (old or {}).get("lastState") or {}
    if len(runs) == 1 and latest.attempt == 0:
        status["lastState"] = {}
    waiting = observed.waiting.get(name)
    if waiting is not None and not latest.running and not observed.over:
        status["lastState"] = status["state"]
        status["state"] = {"waiting": waiting_state(*waiting)}
    status["ready"] = is_ready(pod, spec, latest, observed)
    if era.started:
        status["started"] = latest.running and observed.started.get(latest.id, True)
    return status


def status_without_run(pod: Object, spec: Object, old: Object | None, observed: Observed, era: Era) -> Object:
    """The status of a container of which the runtime has nothing: never started, or forgotten."""
    if old is not None and "terminated" in (old.get("state") or {}):
        return old
    status: Object = {
        "name": spec["name"],
        "image": spec.get("image", ""),
        "imageID": "",
        "restartCount": (old or {}).get("restartCount", 0),
        "lastState": (old or {}).get("lastState") or {},
        "ready": False,
    }
    if era.started:
        status["started"] = False
    if observed.over and old is not None and "running" in (old.get("state") or {}):
        lost = {**_LOST, "message": "The container could not be located when the pod was terminated"}
        status["state"] = {"terminated": lost}
        return status
    default = "PodInitializing" if podspec.init_containers_of(pod) else "ContainerCreating"
    status["state"] = {"waiting": waiting_state(*observed.waiting.get(spec["name"], (default, "")))}
    return status


def is_ready(pod: Object, spec: Object, run: Container, observed: Observed) -> bool:
    """Whether a container serves; a plain init container is ready when it has succeeded."""
    plain_init = spec in podspec.init_containers_of(pod) and not resources.is_sidecar(spec)
    if plain_init:
        return not run.running and run.exit_code == 0
    if observed.ending is not None and observed.over:
        return False
    has_probe = bool(spec.get("readinessProbe"))
    return run.running and observed.started.get(run.id, True) and observed.ready.get(run.id, not has_probe)


def state_of(run: Container, scheme: str) -> Object:
    """Running since when, or terminated how."""
    started = format_time(run.started_at)
    if run.running:
        return {"running": {"startedAt": started}}
    ended: Object = {
        "exitCode": run.exit_code,
        "reason": run.reason or termination_reason(run.exit_code),
        "startedAt": started,
        "finishedAt": format_time(run.finished_at or run.started_at),
        "containerID": f"{scheme}://{run.id}",
    }
    if run.message:
        ended["message"] = run.message
    return {"terminated": ended}


def termination_reason(exit_code: int) -> str:
    """The word for an exit code."""
    return "Completed" if exit_code == 0 else "Error"


def waiting_state(reason: str, message: str) -> Object:
    """A waiting state; an empty message is left out."""
    return {"reason": reason, "message": message} if message else {"reason": reason}


def disruption_target(ending: Ending) -> Object:
    """The condition that tells controllers that the node ended the pod."""
    return {
        "type": podconditions.SHARED,
        "status": "True",
        "reason": "TerminationByKubelet",
        "message": ending.disruption,
    }


def _set_addresses(status: Object, pod: Object, observed: Observed, era: Era) -> None:
    host_ips = list(observed.host_ips)
    if host_ips:
        status["hostIP"] = host_ips[0]
        if era.host_ips:
            status["hostIPs"] = [{"ip": ip} for ip in host_ips]
    ips = list(observed.sandbox.ips) if observed.sandbox else []
    if podspec.on_host_network(pod) and not ips:
        ips = host_ips
    if not ips and observed.ending is not None:
        ips = [entry["ip"] for entry in observed.previous.get("podIPs") or ()]
    if ips:
        status["podIP"] = ips[0]
        if era.pod_ips:
            status["podIPs"] = [{"ip": ip} for ip in ips]


def _identified(spec: Object, run: Container, scheme: str) -> Object:
    return {
        "name": run.name,
        "image": run.image or spec.get("image", ""),
        "imageID": run.image,
        "containerID": f"{scheme}://{run.id}",
        "restartCount": run.attempt,
    }


def _old_statuses(previous: Object) -> Iterable[Object]:
    return [*(previous.get("containerStatuses") or ()), *(previous.get("initContainerStatuses") or ())]


def _named(statuses: Iterable[Object], name: str) -> Object | None:
    return next((status for status in statuses if status["name"] == name), None)


def _any_ran(statuses: Iterable[Object]) -> bool:
    return any("waiting" not in (status.get("state") or {}) for status in statuses)
