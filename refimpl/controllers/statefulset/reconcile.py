"""The next step of a StatefulSet: at most one pod changes at a time, unless its pods are managed in parallel.

A name is never given twice: as long as a pod of an ordinal exists, even terminating on a node that is silent, there is
no other.
Source: kube-controller-manager 1.36 `stateful_set_control.go` (`updateStatefulSet`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs

from refimpl.api.errors import Object
from refimpl.api.meta import is_terminating
from refimpl.controllers.statefulset import identity
from refimpl.controllers.workloads import pods
from refimpl.controllers.workloads.numbers import scaled
from refimpl.controllers.workloads.revisions import hash_of


@attrs.frozen
class View:
    """What the decision is made from.

    Attributes:
        statefulset: the StatefulSet.
        mine: its pods.
        current: name of the revision that it comes from.
        update: name of the revision that it goes to.
        now: the time.
    """

    statefulset: Object
    mine: Sequence[Object]
    current: str
    update: str
    now: datetime


@attrs.frozen
class Decision:
    """What is to be done.

    Attributes:
        create: ordinals that need a pod, and whether it is to be of the updated template.
        delete: pods to delete.
        failed: those among them that finished by themselves, to be told in an event.
    """

    create: tuple[tuple[int, bool], ...] = ()
    delete: tuple[Object, ...] = ()
    failed: tuple[Object, ...] = ()


@attrs.define
class _Plan:
    """A decision in the making; `full` once no more may change at this time."""

    parallel: bool
    create: list[tuple[int, bool]] = attrs.field(factory=list)
    delete: list[Object] = attrs.field(factory=list)
    failed: list[Object] = attrs.field(factory=list)
    full: bool = False

    def wait(self) -> None:
        """Nothing after this one may change before it has settled."""
        self.full = not self.parallel


def reconcile(view: View) -> Decision:
    """Creates missing pods upwards, deletes surplus ones downwards, then replaces old ones downwards."""
    if is_terminating(view.statefulset):
        return Decision()
    by_ordinal = {identity.ordinal_of(view.statefulset, pod): pod for pod in view.mine}
    plan = _Plan(parallel=view.statefulset["spec"].get("podManagementPolicy") == "Parallel")
    for ordinal in identity.ordinals(view.statefulset):
        if not plan.full:
            _fill(view, plan, ordinal, by_ordinal.get(ordinal))
    if not plan.full:
        _shrink(view, plan)
    if not plan.full and not plan.create and not plan.delete:
        plan.delete += _outdated(view, by_ordinal)
    return Decision(tuple(plan.create), tuple(plan.delete), tuple(plan.failed))


def _fill(view: View, plan: _Plan, ordinal: int, pod: Object | None) -> None:
    if pod is None:
        plan.create.append((ordinal, wants_update(view, ordinal)))
        plan.wait()
    elif is_terminating(pod):
        plan.wait()
    elif pods.is_terminal(pod):
        plan.delete.append(pod)
        plan.failed.append(pod)
        plan.wait()
    elif not is_healthy(view, pod):
        plan.wait()


def _shrink(view: View, plan: _Plan) -> None:
    """Surplus pods go from the highest ordinal down."""
    wanted = identity.ordinals(view.statefulset)
    numbered = [(identity.ordinal_of(view.statefulset, pod), pod) for pod in view.mine]
    surplus = [(number, pod) for number, pod in numbered if number is not None and number not in wanted]
    for _, pod in sorted(surplus, key=lambda pair: pair[0], reverse=True):
        if plan.full:
            return
        if not is_terminating(pod):
            plan.delete.append(pod)
        plan.wait()


def is_healthy(view: View, pod: Object) -> bool:
    """Running and ready, for `minReadySeconds`, and not about to go."""
    seconds = int(view.statefulset["spec"].get("minReadySeconds") or 0)
    running = pods.phase(pod) == "Running" and not is_terminating(pod)
    return running and pods.is_available(pod, seconds, view.now)


def partition(statefulset: Object) -> int:
    """The lowest ordinal that an update reaches."""
    rolling = (statefulset["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    return int(rolling.get("partition") or 0)


def updates_by_itself(statefulset: Object) -> bool:
    """Whether the strategy is RollingUpdate (the default), not OnDelete."""
    return (statefulset["spec"].get("updateStrategy") or {}).get("type") != "OnDelete"


def wants_update(view: View, ordinal: int) -> bool:
    """Whether a pod that is created now is to be of the new template.

    Below the partition the old one holds. Without a partition pods lost during an update are created as they were, as
    long as the update has not come down to them.
    """
    if not updates_by_itself(view.statefulset):
        return True
    first = identity.ordinals(view.statefulset).start
    bound = partition(view.statefulset)
    if bound:
        return ordinal >= max(bound, first)
    wanted = identity.ordinals(view.statefulset)
    alive = [
        pod for pod in view.mine if not is_terminating(pod) and identity.ordinal_of(view.statefulset, pod) in wanted
    ]
    return ordinal >= first + sum(hash_of(pod) == view.current for pod in alive)


def _outdated(view: View, by_ordinal: dict[int | None, Object]) -> list[Object]:
    """The next pods to replace, from the highest ordinal down, as many as may be unavailable (one by default)."""
    if not updates_by_itself(view.statefulset):
        return []
    wanted = identity.ordinals(view.statefulset)
    rolling = (view.statefulset["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    allowed = scaled(rolling.get("maxUnavailable", 1), len(wanted), round_up=True)
    reached = [
        by_ordinal[number] for number in wanted if number >= partition(view.statefulset) and number in by_ordinal
    ]
    if allowed > 1:
        return _several_outdated(view, list(reversed(reached)), allowed)
    for pod in reversed(reached):
        if hash_of(pod) != view.update and not is_terminating(pod):
            return [pod]
        if not is_healthy(view, pod):
            return []
    return []


def _several_outdated(view: View, downwards: Sequence[Object], allowed: int) -> list[Object]:
    old = [pod for pod in downwards if hash_of(pod) != view.update and not is_terminating(pod)]
    room = max(0, allowed - sum(not is_healthy(view, pod) for pod in downwards))
    broken = [pod for pod in old if not is_healthy(view, pod)]
    return [*broken, *[pod for pod in old if is_healthy(view, pod)][:room]]


def calculate_status(view: View) -> Object:
    """The new `status`; a finished update makes the new revision the current one."""
    known = view.statefulset.get("status") or {}
    created = [pod for pod in view.mine if (pod.get("status") or {}).get("phase")]
    alive = [pod for pod in created if not is_terminating(pod)]
    seconds = int(view.statefulset["spec"].get("minReadySeconds") or 0)
    running = [pod for pod in created if pods.phase(pod) == "Running" and pods.is_ready(pod)]
    counts = {
        "readyReplicas": len(running),
        "currentReplicas": sum(hash_of(pod) == view.current for pod in alive),
        "updatedReplicas": sum(hash_of(pod) == view.update for pod in alive),
    }
    status: Object = {
        "observedGeneration": view.statefulset["metadata"].get("generation", 0),
        "replicas": len(created),
        "availableReplicas": sum(pods.is_available(pod, seconds, view.now) for pod in running),
        "currentRevision": view.current,
        "updateRevision": view.update,
        "collisionCount": known.get("collisionCount", 0),
    }
    wanted = len(identity.ordinals(view.statefulset))
    done = counts["updatedReplicas"] == counts["readyReplicas"] == status["replicas"] == wanted
    if updates_by_itself(view.statefulset) and done:
        status["currentRevision"] = view.update
        counts["currentReplicas"] = counts["updatedReplicas"]
    return status | {field: count for field, count in counts.items() if count}
