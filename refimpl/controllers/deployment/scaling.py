"""How large each ReplicaSet of a Deployment should be: pure arithmetic.

Every function takes the present sizes and returns the wanted ones, by ReplicaSet name; a name that is missing in the
answer keeps its size.
Source: kube-controller-manager 1.36 `rolling.go`, `recreate.go`, `sync.go` (`scale`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from refimpl.api.errors import Object
from refimpl.controllers.deployment.limits import Limits
from refimpl.controllers.deployment.replicasets import MAX_REPLICAS, Family, annotation_number, reported, size

Sizes = Mapping[str, int]


def name_of(replica_set: Object) -> str:
    """The ReplicaSet's name."""
    return str(replica_set["metadata"]["name"])


def total(replica_sets: Iterable[Object]) -> int:
    """The sum of the present sizes."""
    return sum(size(one) for one in replica_sets)


def first_size(limits: Limits, old: Sequence[Object], *, rolling: bool) -> int:
    """The size with which the new ReplicaSet is created."""
    return growth(limits, 0, total(old), rolling=rolling)


def growth(limits: Limits, present: int, everything: int, *, rolling: bool) -> int:
    """The next size of the new ReplicaSet on its way up.

    Args:
        limits: of the rollout.
        present: its size.
        everything: the sum of the sizes of all ReplicaSets, it among them.
        rolling: whether old pods stay meanwhile, so that the surge bounds the sum.
    """
    if not rolling:
        return limits.replicas
    room = limits.maximum - everything
    if room <= 0:
        return present
    return present + min(room, limits.replicas - present)


def roll_up(limits: Limits, members: Family) -> Sizes:
    """The new ReplicaSet's next size in a rolling update; empty when it has its size."""
    assert members.new is not None
    present = size(members.new)
    if present == limits.replicas:
        return {}
    if present > limits.replicas:
        return {name_of(members.new): limits.replicas}
    larger = growth(limits, present, total(members.all), rolling=True)
    return {name_of(members.new): larger} if larger != present else {}


def roll_down(limits: Limits, members: Family) -> Sizes:
    """What the old ReplicaSets may give up in a rolling update: unhealthy pods first, then what is surplus."""
    assert members.new is not None
    pending = size(members.new) - reported(members.new, "availableReplicas")
    spare = total(members.all) - limits.minimum_available - pending
    if total(members.old) == 0 or spare <= 0:
        return {}
    sizes = _without_unhealthy(members.old, spare)
    available = sum(reported(one, "availableReplicas") for one in members.all)
    surplus = available - limits.minimum_available
    for one in members.old:
        present = sizes.get(name_of(one), size(one))
        given = min(present, surplus)
        if given > 0:
            sizes[name_of(one)] = present - given
            surplus -= given
    return sizes


def _without_unhealthy(old: Sequence[Object], spare: int) -> dict[str, int]:
    """Takes away pods that are not available anyway; the ReplicaSet deletes exactly such pods first."""
    sizes: dict[str, int] = {}
    for one in old:
        unhealthy = min(spare, size(one) - reported(one, "availableReplicas"))
        if unhealthy > 0:
            sizes[name_of(one)] = size(one) - unhealthy
            spare -= unhealthy
    return sizes


def all_to_zero(old: Iterable[Object]) -> Sizes:
    """Every old ReplicaSet gives up all its pods."""
    return {name_of(one): 0 for one in old if size(one)}


def proportional(limits: Limits, members: Family, *, rolling: bool, pods: int) -> Sizes:
    """The sizes after `spec.replicas` was changed in the middle of a rollout, or while it is paused.

    Args:
        limits: of the Deployment.
        members: its ReplicaSets.
        rolling: whether the strategy is RollingUpdate.
        pods: `status.replicas` of the Deployment, for ReplicaSets that do not remember what they were part of.
    """
    active = [one for one in members.all if size(one)]
    if len(active) <= 1:
        only = active[0] if active else members.new or (members.old[-1] if members.old else None)
        return {name_of(only): limits.replicas} if only is not None and size(only) != limits.replicas else {}
    if _saturated(limits, members.new):
        return all_to_zero(members.old)
    return _share(limits, active, pods) if rolling else {}


def _saturated(limits: Limits, new: Object | None) -> bool:
    if new is None or size(new) != limits.replicas:
        return False
    return reported(new, "availableReplicas") == limits.replicas


def _share(limits: Limits, active: Sequence[Object], pods: int) -> Sizes:
    """Distributes the difference by size; what rounding leaves over goes to the largest."""
    change = (limits.maximum if limits.replicas else 0) - total(active)
    if change == 0:
        return {}
    # Equal sizes: the newer one grows first, the older one shrinks first. `active` is ordered by age.
    by_age = list(active) if change < 0 else list(reversed(active))
    ordered = sorted(by_age, key=size, reverse=True)
    sizes: dict[str, int] = {}
    given = 0
    for one in ordered:
        rest = change - given
        part = _fraction(one, limits, pods) if rest else 0
        part = min(part, rest) if change > 0 else max(part, rest)
        sizes[name_of(one)] = size(one) + part
        given += part
    largest = name_of(ordered[0])
    sizes[largest] = max(0, sizes[largest] + change - given)
    return sizes


def _fraction(replica_set: Object, limits: Limits, pods: int) -> int:
    if limits.replicas == 0:
        return -size(replica_set)
    was = annotation_number(replica_set, MAX_REPLICAS) or pods
    if not was:
        return 0
    exact = size(replica_set) * limits.maximum / was
    return math.floor(exact + 0.5) - size(replica_set)
