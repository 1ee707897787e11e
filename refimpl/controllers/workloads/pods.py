"""What a pod counts as: active, ready, available.

Every workload controller decides by these few predicates, so they are called through this module.
Source: kube-controller-manager 1.36 `controller_utils.go` and `pkg/api/v1/pod`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from refimpl.api.errors import Object
from refimpl.api.meta import condition, condition_status, is_terminating
from refimpl.clock import parse_time

TERMINAL_PHASES = ("Succeeded", "Failed")


def phase(pod: Object) -> str:
    """`status.phase`; `Pending` when the server has not written one."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_terminal(pod: Object) -> bool:
    """Succeeded or Failed: it will never run again."""
    return (pod.get("status") or {}).get("phase") in TERMINAL_PHASES


def is_active(pod: Object) -> bool:
    """Counts as a replica: neither finished nor about to go.

    A terminating pod does not count, so its replacement is created at once and not when it is gone at last.
    """
    return not is_terminating(pod) and not is_terminal(pod)


def is_ready(pod: Object) -> bool:
    """Whether the condition Ready is True."""
    return condition_status(pod, "Ready") == "True"


def ready_since(pod: Object) -> datetime | None:
    """When Ready last changed, if it is True now and says so."""
    ready = condition(pod, "Ready")
    if ready is None or ready["status"] != "True" or not ready.get("lastTransitionTime"):
        return None
    return parse_time(ready["lastTransitionTime"])


def available_at(pod: Object, min_ready_seconds: int) -> datetime | None:
    """When the pod will have been ready for long enough; None while it is not ready (or does not say since when)."""
    since = ready_since(pod)
    return None if since is None else since + timedelta(seconds=min_ready_seconds)


def available(ready: Sequence[Object], min_ready_seconds: int, now: datetime) -> Sequence[Object]:
    """Those of the ready pods that have been ready for `min_ready_seconds`."""
    if min_ready_seconds == 0:
        return ready
    return [pod for pod in ready if is_available(pod, min_ready_seconds, now)]


def is_available(pod: Object, min_ready_seconds: int, now: datetime) -> bool:
    """Whether the pod is ready, and has been for `min_ready_seconds`."""
    if min_ready_seconds == 0:
        return is_ready(pod)
    due = available_at(pod, min_ready_seconds)
    return due is not None and due <= now


def restarts(pod: Object) -> int:
    """The largest restart count among the pod's containers."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return max((int(status.get("restartCount", 0)) for status in statuses), default=0)


def node_of(pod: Object) -> str:
    """`spec.nodeName`; empty while the pod is not bound."""
    return str(pod["spec"].get("nodeName") or "")


def standing(pod: Object) -> tuple[Any, ...]:
    """All that the count of replicas can depend on; two states of a pod with equal standing need no new decision."""
    metadata = pod["metadata"]
    ready = condition(pod, "Ready") or {}
    return (
        metadata["uid"],
        metadata.get("deletionTimestamp") is None,
        phase(pod),
        ready.get("status"),
        ready.get("lastTransitionTime"),
        metadata.get("labels"),
        metadata.get("ownerReferences"),
    )
