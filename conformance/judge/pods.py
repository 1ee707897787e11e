"""Facts about pods: when their deletion was requested, who replaced whom."""

from __future__ import annotations

import attrs

from conformance.clock import parse_time
from conformance.record.history import Object, Story

TERMINAL = ("Succeeded", "Failed")
"""The phases in which a pod has run its course."""


@attrs.frozen
class Deletion:
    """A pod's deletion, as far as the API showed it.

    Attributes:
        at: when it was seen.
        requested: when it was asked for by the API server's clock (seconds since 1970): the deletion timestamp lies
            the grace period in the future. None when the pod vanished at once.
        vanished: whether the object was gone with the same event.
    """

    at: float
    requested: float | None
    vanished: bool


def deletion(story: Story) -> Deletion | None:
    """The first request to delete a pod, or its sudden end; None while nobody asked."""
    for event in story.events:
        requested = _requested(event.after or event.before)
        if requested is not None or event.after is None:
            return Deletion(event.at, requested, event.after is None)
    return None


def ended(state: Object | None) -> bool:
    """Whether a pod has run its course, well or badly."""
    return ((state or {}).get("status") or {}).get("phase") in TERMINAL


def terminating(state: Object | None) -> bool:
    """Whether a pod is being deleted."""
    return bool(state) and "deletionTimestamp" in (state or {})["metadata"]


def created(story: Story) -> float | None:
    """When a pod was first seen."""
    return story.events[0].at if story.events else None


def bound_to(state: Object | None) -> str:
    """The node a pod is bound to; empty when it is not."""
    return str(((state or {}).get("spec") or {}).get("nodeName") or "")


def toleration_seconds(state: Object | None, key: str) -> float | None:
    """For how many seconds a pod says that it tolerates a NoExecute taint; None without a limit or a word on it."""
    for entry in ((state or {}).get("spec") or {}).get("tolerations") or []:
        if entry.get("key") == key and entry.get("effect") in ("NoExecute", None):
            seconds = entry.get("tolerationSeconds")
            return None if seconds is None else float(seconds)
    return None


def _requested(state: Object | None) -> float | None:
    metadata = (state or {}).get("metadata") or {}
    if "deletionTimestamp" not in metadata:
        return None
    grace = metadata.get("deletionGracePeriodSeconds") or 0
    return parse_time(metadata["deletionTimestamp"]).timestamp() - float(grace)
