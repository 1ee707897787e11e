"""The phase of a pod, from the statuses of its containers.

Source: kubelet 1.36 `getPhase`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import attrs

from refimpl.api.errors import Object
from refimpl.kubelet import podspec, resources

Phase = Literal["Pending", "Running", "Succeeded", "Failed"]


@attrs.define
class _Tally:
    """How many app containers are in each state."""

    unknown: int = 0
    running: int = 0
    waiting: int = 0
    stopped: int = 0
    succeeded: int = 0


def phase(pod: Object, statuses: Iterable[Object], *, over: bool = False) -> Phase:
    """The phase.

    Args:
        pod: the pod.
        statuses: statuses of init and app containers.
        over: nothing of the pod will be started again (it is being ended), whatever its restart policy.
    """
    by_name = {status["name"]: status for status in statuses}
    pending, failed = _initialization(pod, by_name)
    policy = podspec.restart_policy(pod)
    if failed and policy == "Never":
        return "Failed"
    tally = _tally(pod, by_name)
    if pending or tally.waiting:
        return "Pending"
    if tally.running and not tally.unknown:
        return "Running"
    if tally.stopped and not tally.running and not tally.unknown:
        return stopped_phase(policy, succeeded=tally.stopped == tally.succeeded, over=over)
    return "Pending"


def stopped_phase(policy: str, *, succeeded: bool, over: bool) -> Phase:
    """The phase when all app containers have stopped."""
    if over:
        return "Succeeded" if succeeded else "Failed"
    if policy == "Always":
        return "Running"
    if succeeded:
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def _initialization(pod: Object, by_name: Mapping[str, Object]) -> tuple[bool, bool]:
    """Whether initialization is unfinished, and whether it failed."""
    pending = failed = False
    app_has_run = any(_has_run(by_name.get(spec["name"])) for spec in podspec.containers_of(pod))
    for spec in podspec.init_containers_of(pod):
        status = by_name.get(spec["name"])
        if resources.is_sidecar(spec):
            pending = pending or (not app_has_run and not _sidecar_up(status))
            continue
        ended = _end_of(status)
        if ended is None:
            pending = True
        elif ended.get("exitCode"):
            failed = True
    return pending, failed


def _tally(pod: Object, by_name: Mapping[str, Object]) -> _Tally:
    tally = _Tally()
    for spec in podspec.containers_of(pod):
        status = by_name.get(spec["name"])
        state = (status or {}).get("state") or {}
        ended = _end_of(status)
        if "running" in state:
            tally.running += 1
        elif ended is not None:
            tally.stopped += 1
            tally.succeeded += "terminated" in state and not ended.get("exitCode")
        elif "waiting" in state:
            tally.waiting += 1
        else:
            tally.unknown += 1
    return tally


def _end_of(status: Object | None) -> Object | None:
    """How a container ended that is stopped, or waits to be restarted; None while it runs or has never run."""
    state = (status or {}).get("state") or {}
    ended: Object | None = state.get("terminated")
    if ended is None and "waiting" in state and status is not None:
        ended = (status.get("lastState") or {}).get("terminated")
    return ended


def _has_run(status: Object | None) -> bool:
    return "running" in ((status or {}).get("state") or {}) or _end_of(status) is not None


def _sidecar_up(status: Object | None) -> bool:
    state = (status or {}).get("state") or {}
    if "running" in state and status is not None:
        return bool(status.get("started", True))
    return _end_of(status) is not None
