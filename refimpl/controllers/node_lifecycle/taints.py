"""Which taints a node's state calls for, and what is to be changed to get there.

The keys in `BY_CONDITION` belong to the controller: with effect NoSchedule all of them, with NoExecute those of the
Ready condition. Put there by somebody else they are taken off, taken off by somebody else they come back. All other
taints are left alone, and so are these keys with effect PreferNoSchedule.

Source: kube-controller-manager 1.36 `node_lifecycle_controller.doNoScheduleTaintingPass`, `processTaintBaseEviction`.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from refimpl.api import meta
from refimpl.api import taints as api
from refimpl.api.errors import Object
from refimpl.api.taints import NO_EXECUTE, NO_SCHEDULE, Taint, has_taint, same_taint, taints_of

BY_CONDITION: Mapping[tuple[str, str], str] = {
    ("Ready", "False"): api.NOT_READY,
    ("Ready", "Unknown"): api.UNREACHABLE,
    ("MemoryPressure", "True"): api.MEMORY_PRESSURE,
    ("DiskPressure", "True"): api.DISK_PRESSURE,
    ("PIDPressure", "True"): api.PID_PRESSURE,
    ("NetworkUnavailable", "True"): api.NETWORK_UNAVAILABLE,
}
"""Condition type and status, and the key of the taint they lead to."""

OWNED_KEYS = (*BY_CONDITION.values(), api.UNSCHEDULABLE)


@attrs.frozen
class TaintChange:
    """What to put on a node and what to take off; added first, so that there is no moment without either."""

    add: tuple[Taint, ...] = ()
    remove: tuple[Taint, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)


def no_schedule_change(node: Object) -> TaintChange:
    """What brings the NoSchedule taints in line with conditions and cordon."""
    wanted = wanted_no_schedule(node)
    present = [taint for taint in taints_of(node) if is_owned_no_schedule(taint)]
    return TaintChange(
        tuple(taint for taint in wanted if not any(same_taint(taint, other) for other in present)),
        tuple(taint for taint in present if not any(same_taint(taint, other) for other in wanted)),
    )


def wanted_no_schedule(node: Object) -> list[Taint]:
    """The NoSchedule taints that conditions and cordon call for."""
    keys = [taint_key(condition) for condition in meta.conditions(node)]
    if (node.get("spec") or {}).get("unschedulable"):
        keys.append(api.UNSCHEDULABLE)
    return [{"key": key, "effect": NO_SCHEDULE} for key in keys if key]


def taint_key(condition: Object) -> str | None:
    """The key of the taint that a node condition leads to, or None."""
    return BY_CONDITION.get((condition["type"], condition["status"]))


def is_owned_no_schedule(taint: Taint) -> bool:
    """Whether a taint is one that only the controller may decide on."""
    return bool(taint["effect"] == NO_SCHEDULE and taint["key"] in OWNED_KEYS)


def no_execute_key(ready: Object) -> str | None:
    """The key of the NoExecute taint for a Ready condition; None while it is True."""
    return BY_CONDITION.get(("Ready", ready["status"]))


def no_execute_swap(ready: Object) -> TaintChange | None:
    """Puts the NoExecute taint of a Ready condition in the place of its opposite; None while the condition is True."""
    key = no_execute_key(ready)
    if key is None:
        return None
    return TaintChange(({"key": key, "effect": NO_EXECUTE},), ({"key": opposite_key(key), "effect": NO_EXECUTE},))


def opposite_key(key: str) -> str:
    """Not-ready and unreachable exclude each other."""
    return api.NOT_READY if key == api.UNREACHABLE else api.UNREACHABLE


def reachable_removals(node: Object) -> tuple[Taint, ...]:
    """The controller's NoExecute taints on a node: what goes when it is ready again."""
    present = taints_of(node)
    if not present:
        return ()
    return tuple(
        {"key": key, "effect": NO_EXECUTE}
        for key in (api.UNREACHABLE, api.NOT_READY)
        if has_taint(present, key, NO_EXECUTE)
    )
