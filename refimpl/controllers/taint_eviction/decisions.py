"""How long a pod may stay on a tainted node.

Source: kube-controller-manager 1.36 `taint_eviction.processPodOnNode`, `getMinTolerationTime`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

import attrs

from refimpl.api.errors import Object
from refimpl.api.taints import NO_EXECUTE, Taint, Toleration, first_tolerating, taints_of


class Stay(Enum):
    """What becomes of a pod."""

    FOREVER = "forever"
    FOR_A_TIME = "for a time"
    NOT_AT_ALL = "not at all"


@attrs.frozen
class Verdict:
    """What becomes of a pod, and for `FOR_A_TIME`, how many seconds it has."""

    stay: Stay
    seconds: int = 0


def judge(taints: Sequence[Taint], tolerations: Sequence[Toleration]) -> Verdict:
    """Weighs a pod's tolerations against its node's NoExecute taints.

    Every taint needs a toleration; the shortest of those that are used decides.
    """
    used = used_tolerations(taints, tolerations)
    if used is None:
        return Verdict(Stay.NOT_AT_ALL)
    seconds = shortest(used)
    return Verdict(Stay.FOREVER) if seconds is None else Verdict(Stay.FOR_A_TIME, seconds)


def used_tolerations(taints: Iterable[Taint], tolerations: Sequence[Toleration]) -> list[Toleration] | None:
    """The toleration that is used for each taint: the first in spec order; None when a taint has none."""
    used = []
    for taint in taints:
        toleration = first_tolerating(tolerations, taint)
        if toleration is None:
            return None
        used.append(toleration)
    return used


def shortest(used: Iterable[Toleration]) -> int | None:
    """The least `tolerationSeconds`, 0 where it is negative; None when all are without limit."""
    limits = [limit for toleration in used if (limit := toleration.get("tolerationSeconds")) is not None]
    return max(min(limits), 0) if limits else None


def no_execute_taints(node: Object) -> tuple[Taint, ...]:
    """The node's taints that can evict; others never do."""
    return tuple(taint for taint in taints_of(node) if taint["effect"] == NO_EXECUTE)
