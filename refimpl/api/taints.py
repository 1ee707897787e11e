"""Taints and tolerations: the keys the master uses, and which toleration tolerates which taint.

Used by the scheduler, the taint evictor, the daemon controller and the API server's admission alike.

Source: Kubernetes 1.36 `core/v1` (`Toleration.ToleratesTaint`, well-known taints).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

NOT_READY: Final = "node.kubernetes.io/not-ready"
UNREACHABLE: Final = "node.kubernetes.io/unreachable"
MEMORY_PRESSURE: Final = "node.kubernetes.io/memory-pressure"
DISK_PRESSURE: Final = "node.kubernetes.io/disk-pressure"
PID_PRESSURE: Final = "node.kubernetes.io/pid-pressure"
NETWORK_UNAVAILABLE: Final = "node.kubernetes.io/network-unavailable"
UNSCHEDULABLE: Final = "node.kubernetes.io/unschedulable"
OUT_OF_SERVICE: Final = "node.kubernetes.io/out-of-service"

NO_SCHEDULE: Final = "NoSchedule"
PREFER_NO_SCHEDULE: Final = "PreferNoSchedule"
NO_EXECUTE: Final = "NoExecute"

Taint = dict[str, Any]
"""`key`, `effect`, and where they apply `value` and `timeAdded`."""

Toleration = dict[str, Any]


def taints_of(node: dict[str, Any]) -> Sequence[Taint]:
    """The taints of a Node."""
    return (node.get("spec") or {}).get("taints") or ()


def tolerations_of(pod: dict[str, Any]) -> Sequence[Toleration]:
    """The tolerations of a Pod."""
    return (pod.get("spec") or {}).get("tolerations") or ()


def same_taint(one: Taint, other: Taint) -> bool:
    """Whether two taints are the same one: key and effect identify a taint, its value does not."""
    return bool(one["key"] == other["key"] and one["effect"] == other["effect"])


def has_taint(taints: Iterable[Taint], key: str, effect: str) -> bool:
    """Whether a taint of that key and effect is among the taints."""
    return any(taint["key"] == key and taint["effect"] == effect for taint in taints)


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether one toleration tolerates one taint.

    An empty effect matches every effect, an empty key every key; without operator the values must be equal.
    """
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    match toleration.get("operator") or "Equal":
        case "Exists":
            return True
        case "Equal":
            return (toleration.get("value") or "") == (taint.get("value") or "")
        case _:
            return False


def first_tolerating(tolerations: Iterable[Toleration], taint: Taint) -> Toleration | None:
    """The first toleration, in the order of the pod's spec, that tolerates the taint; None when there is none."""
    return next((toleration for toleration in tolerations if tolerates(toleration, taint)), None)


def untolerated(
    taints: Iterable[Taint], tolerations: Sequence[Toleration], effects: Sequence[str] = (NO_SCHEDULE, NO_EXECUTE)
) -> Taint | None:
    """The first taint of the given effects that no toleration tolerates; None when all are tolerated."""
    for taint in taints:
        if taint["effect"] in effects and first_tolerating(tolerations, taint) is None:
            return taint
    return None
