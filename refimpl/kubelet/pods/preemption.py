"""Which pods must go so that a critical one fits: as few as possible, and the least assured ones first.

Source: kubelet 1.36 `preemption/preemption.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from refimpl.api.errors import Object
from refimpl.kubelet import resources
from refimpl.kubelet.pods.predicates import Shortage

QUALITIES: Final = ("BestEffort", "Burstable", "Guaranteed")


def victims(pod: Object, others: Sequence[Object], short: Iterable[Shortage]) -> list[Object] | None:
    """Which pods must go; None when even all that may go would not be enough.

    A pod of a better class goes only for what all those of the lower classes together do not free.

    Args:
        pod: the critical pod.
        others: the pods that take room on the node.
        short: what there is too little of.
    """
    classes = [
        [other for other in others if may_preempt(pod, other) and resources.qos_class(other) == quality]
        for quality in QUALITIES
    ]
    missing = {each.resource: each.requested + each.used - each.capacity for each in short}
    chosen: list[list[Object]] = [[], [], []]
    for rank in (2, 1, 0):
        lower = [other for listed in classes[:rank] for other in listed]
        higher = [other for listed in chosen[rank + 1 :] for other in listed]
        picked = closest(classes[rank], less(missing, [*lower, *higher]))
        if picked is None:
            return None
        chosen[rank] = picked
    return [other for listed in chosen for other in listed]


def may_preempt(pod: Object, other: Object) -> bool:
    """Critical pods push out pods that are not, and less important ones."""
    return not resources.is_critical(other) or resources.priority(other) < resources.priority(pod)


def closest(pods: Iterable[Object], missing: Mapping[str, int]) -> list[Object] | None:
    """Pods that together free what is missing, each time the one that frees most of it; None when all do not."""
    left, chosen = list(pods), []
    while missing:
        if not left:
            return None
        best = min(left, key=lambda other: (_distance(other, missing), _size(other)))
        left.remove(best)
        chosen.append(best)
        missing = less(missing, [best])
    return chosen


def less(missing: Mapping[str, int], gone: Iterable[Object]) -> dict[str, int]:
    """What would still be missing without some pods."""
    rest = dict(missing)
    for other in gone:
        freed = _freed(other)
        rest = {resource: amount - freed.get(resource, 0) for resource, amount in rest.items()}
    return {resource: amount for resource, amount in rest.items() if amount > 0}


def _distance(pod: Object, missing: Mapping[str, int]) -> float:
    """How far a pod's end is from freeing everything: each resource counts alike."""
    freed = _freed(pod)
    shares = (max(0, amount - freed.get(resource, 0)) / amount for resource, amount in missing.items())
    return sum(share * share for share in shares)


def _size(pod: Object) -> tuple[int, int]:
    requests = resources.pod_requests(pod)
    return requests.get("memory", 0), requests.get("cpu", 0)


def _freed(pod: Object) -> Mapping[str, int]:
    return {**resources.pod_requests(pod), "pods": 1}
