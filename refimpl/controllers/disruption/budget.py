"""The arithmetic of a disruption budget: pure functions.

Source: kube-controller-manager 1.36 `disruption.go` (`trySync`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import attrs

from refimpl.api.errors import Object
from refimpl.api.meta import is_terminating
from refimpl.clock import format_time, parse_time
from refimpl.controllers.workloads import pods
from refimpl.controllers.workloads.conditions import with_condition
from refimpl.controllers.workloads.numbers import scaled

DELETION_TIMEOUT = timedelta(minutes=2)
"""An eviction that was granted and not followed by a deletion for so long is not waited for any more."""


@attrs.frozen
class Need:
    """What a budget demands, in pods.

    Attributes:
        expected: how many pods there should be.
        healthy: how many of them must be healthy.
    """

    expected: int
    healthy: int


def needs_scale(budget: Object) -> bool:
    """Whether the demand depends on how many pods their controllers want."""
    spec = budget["spec"]
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def need(budget: Object, matching: int, scale: int) -> Need:
    """The demand of a budget.

    Args:
        budget: the PodDisruptionBudget.
        matching: how many pods it selects.
        scale: how many pods their controllers want together.
    """
    spec = budget["spec"]
    if spec.get("maxUnavailable") is not None:
        return Need(scale, max(0, scale - scaled(spec["maxUnavailable"], scale, round_up=True)))
    if isinstance(spec.get("minAvailable"), str):
        return Need(scale, scaled(spec["minAvailable"], scale, round_up=True))
    return Need(matching, int(spec.get("minAvailable") or 0))


def still_disrupted(budget: Object, matching: Sequence[Object], now: datetime) -> dict[str, str]:
    """Granted evictions whose pods are not seen terminating yet, with the time of the grant."""
    granted: Mapping[str, str] = (budget.get("status") or {}).get("disruptedPods") or {}
    waiting = {pod["metadata"]["name"] for pod in matching if not is_terminating(pod)}
    return {
        name: stamp
        for name, stamp in granted.items()
        if name in waiting and parse_time(stamp) + DELETION_TIMEOUT >= now
    }


def healthy(matching: Sequence[Object], disrupted: Mapping[str, str]) -> int:
    """Pods that are ready and not on their way out."""
    return sum(
        pods.is_ready(pod) and not is_terminating(pod) and pod["metadata"]["name"] not in disrupted for pod in matching
    )


def calculate_status(budget: Object, matching: Sequence[Object], demand: Need, now: datetime) -> Object:
    """The new `status`."""
    disrupted = still_disrupted(budget, matching, now)
    current = healthy(matching, disrupted)
    allowed = max(0, current - demand.healthy) if demand.expected > 0 else 0
    enough = allowed > 0
    generation = budget["metadata"].get("generation", 0)
    condition = {
        "type": "DisruptionAllowed",
        "status": "True" if enough else "False",
        "observedGeneration": generation,
        "lastTransitionTime": format_time(now),
        "reason": "SufficientPods" if enough else "InsufficientPods",
        "message": "",
    }
    known = (budget.get("status") or {}).get("conditions") or []
    status: Object = {
        "observedGeneration": generation,
        "disruptionsAllowed": allowed,
        "currentHealthy": current,
        "desiredHealthy": demand.healthy,
        "expectedPods": demand.expected,
        "conditions": with_condition(known, condition),
    }
    return {**status, "disruptedPods": disrupted} if disrupted else status


def failed_status(budget: Object, message: str, now: datetime) -> Object:
    """The status when the demand cannot be told: no disruption is allowed."""
    known = budget.get("status") or {}
    generation = budget["metadata"].get("generation", 0)
    condition = {
        "type": "DisruptionAllowed",
        "status": "False",
        "observedGeneration": generation,
        "lastTransitionTime": format_time(now),
        "reason": "SyncFailed",
        "message": message,
    }
    counts = {"currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
    listed = with_condition(known.get("conditions") or [], condition)
    return {**counts, **known, "disruptionsAllowed": 0, "conditions": listed}
