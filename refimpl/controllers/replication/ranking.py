"""Which pods go first when there are too many.

Source: kube-controller-manager 1.36 `controller_utils.go` (`ActivePodsWithRanks`, logarithmic scale-down).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cmp_to_key

from refimpl.api.errors import Object
from refimpl.clock import parse_time
from refimpl.controllers.workloads import pods

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"

_PHASE_ORDER = {"Pending": 0, "Unknown": 1, "Running": 2}


def choose(candidates: Sequence[Object], related: Iterable[Object], count: int, now: datetime) -> list[Object]:
    """The `count` pods to delete.

    Args:
        candidates: active pods of the owner.
        related: pods of the owner and of its siblings (the other ReplicaSets of a Deployment); a node that has many of
            them gives one up first.
        count: how many are too many.
        now: for how long pods have been ready.
    """
    if count >= len(candidates):
        return list(candidates)
    crowd = Counter(pods.node_of(pod) for pod in related if pods.is_active(pod))

    def order(one: Object, other: Object) -> int:
        return compare(one, other, crowd, now)

    return sorted(candidates, key=cmp_to_key(order))[:count]


def compare(one: Object, other: Object, crowd: Counter[str], now: datetime) -> int:
    """Negative when `one` goes before `other`.

    In this order: unbound before bound, Pending before Unknown before Running, not ready before ready, cheap before
    dear (annotation), crowded node before empty one, freshly ready before long ready, many restarts before few, young
    before old. Ages within a factor of two count as equal, and then the uid decides, so that no zone loses all its pods
    only because it filled last.
    """
    first, second = _standing(one, crowd), _standing(other, crowd)
    if first != second:
        return -1 if first < second else 1
    by_readiness = _compare_age(pods.ready_since(one), pods.ready_since(other), one, other, now)
    if by_readiness:
        return by_readiness
    more_restarts = pods.restarts(other) - pods.restarts(one)
    if more_restarts:
        return more_restarts
    return _compare_age(_created(one), _created(other), one, other, now)


def deletion_cost(pod: Object) -> int:
    """The pod's own wish, as an annotation; 0 without one or when it is not a number."""
    text = (pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0")
    try:
        return int(text)
    except ValueError:
        return 0


def _standing(pod: Object, crowd: Counter[str]) -> tuple[bool, int, bool, int, int]:
    node = pods.node_of(pod)
    return (
        node != "",
        _PHASE_ORDER.get(pods.phase(pod), 2),
        pods.is_ready(pod),
        deletion_cost(pod),
        -crowd[node] if node else 0,
    )


def _compare_age(
    since: datetime | None, other_since: datetime | None, one: Object, other: Object, now: datetime
) -> int:
    """The younger first; unknown is youngest."""
    if since == other_since:
        return 0
    if since is None or other_since is None:
        return -1 if since is None else 1
    difference = _magnitude(since, now) - _magnitude(other_since, now)
    if difference:
        return difference
    return -1 if one["metadata"]["uid"] < other["metadata"]["uid"] else 1


def _magnitude(since: datetime, now: datetime) -> int:
    nanoseconds = (now - since).total_seconds() * 1e9
    return int(math.log2(nanoseconds)) if nanoseconds > 0 else -1


def _created(pod: Object) -> datetime | None:
    stamp = pod["metadata"].get("creationTimestamp")
    return parse_time(stamp) if stamp else None
