"""The next step of a Deployment: which ReplicaSets to create, resize or drop, and what to report.

Each call makes one step; the ReplicaSets' answer to it (seen through the cache) leads to the next call.
Source: kube-controller-manager 1.36 `deployment_controller.go` (`syncDeployment`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

import attrs

from refimpl.api.errors import Object
from refimpl.api.meta import is_terminating
from refimpl.api.resources import DEPLOYMENTS, REPLICASETS
from refimpl.controllers.deployment import scaling, status
from refimpl.controllers.deployment.limits import Limits, is_rolling, limits_of
from refimpl.controllers.deployment.replicasets import (
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    REVISION,
    Family,
    annotation_number,
    build,
    family,
    inherited_annotations,
    reported,
    size,
)
from refimpl.controllers.workloads import conditions, pods
from refimpl.controllers.workloads.actions import Action, After, Create, Delete, Event, Update, annotated, spec_changed


@attrs.frozen
class View:
    """What the decision is made from.

    Attributes:
        deployment: the Deployment.
        replica_sets: its ReplicaSets.
        pods_of: the pods of a ReplicaSet; asked for only by the Recreate strategy.
        now: the time.
    """

    deployment: Object
    replica_sets: Sequence[Object]
    pods_of: Callable[[Object], Iterable[Object]]
    now: datetime


def reconcile(view: View) -> list[Action]:
    """The actions of this step, in order."""
    members = family(view.deployment, view.replica_sets)
    limits = limits_of(view.deployment)
    if is_terminating(view.deployment):
        return _report(view, status.counts(view.deployment, members, limits, view.now))
    if is_paused(view.deployment) or was_scaled(members, limits):
        return _rescale(view, members, limits)
    if members.new is None and (is_rolling(view.deployment) or _old_ones_are_gone(view, members)):
        return _start(view, members, limits)
    sizes = next_sizes(view, members, limits)
    fresh = status.with_progress(
        view.deployment, status.counts(view.deployment, members, limits, view.now), members, view.now
    )
    actions = [*_resize(view, members, limits, sizes)]
    if status.is_complete(view.deployment, fresh):
        actions += [*_forget_history(view, members)]
    actions += _report(view, _found(view, members, fresh), members)
    wait = status.next_check(view.deployment, fresh, view.now)
    return actions if wait is None else [*actions, After(wait)]


def is_paused(deployment: Object) -> bool:
    """Whether `spec.paused` is set: sizes are kept in proportion, nothing is rolled out."""
    return bool(deployment["spec"].get("paused"))


def was_scaled(members: Family, limits: Limits) -> bool:
    """Whether `spec.replicas` was changed since the active ReplicaSets got their sizes."""
    remembered = [annotation_number(one, DESIRED_REPLICAS) for one in members.all if size(one)]
    return any(desired is not None and desired != limits.replicas for desired in remembered)


def next_sizes(view: View, members: Family, limits: Limits) -> scaling.Sizes:
    """The next sizes of a rollout; empty when there is nothing to change at the moment."""
    if is_rolling(view.deployment):
        return scaling.roll_up(limits, members) or scaling.roll_down(limits, members)
    down = scaling.all_to_zero(members.old)
    if down or not _old_ones_are_gone(view, members):
        return down
    return {scaling.name_of(members.new): limits.replicas} if members.new is not None else {}


def _old_ones_are_gone(view: View, members: Family) -> bool:
    """Recreate: no pod of an older template may still run, not even as terminating."""
    if any(size(one) for one in members.old):
        return False
    return all(pods.is_terminal(pod) for one in members.old for pod in view.pods_of(one))


def _start(view: View, members: Family, limits: Limits) -> list[Action]:
    """Creates the ReplicaSet of the present template."""
    deployment = view.deployment
    first = scaling.first_size(limits, members.old, rolling=is_rolling(deployment))
    annotations = inherited_annotations(deployment, None, members.old) | _remembered(limits)
    new = build(deployment, first, annotations)
    name = new["metadata"]["name"]
    actions: list[Action] = [Create(REPLICASETS, new)]
    if first:
        actions.append(_scaling_event(deployment, name, 0, first))
    fresh = status.counts(deployment, members, limits, view.now)
    if status.has_deadline(deployment):
        message = f'Created new replica set "{name}"'
        created = status.condition("Progressing", "True", "NewReplicaSetCreated", message, view.now)
        fresh["conditions"] = conditions.with_condition(fresh["conditions"], created)
    return actions + _report(view, fresh, Family(new, members.old))


def _rescale(view: View, members: Family, limits: Limits) -> list[Action]:
    """After a change of `spec.replicas`, and while paused: sizes in proportion, and no judgement of progress."""
    deployment = view.deployment
    sizes = scaling.proportional(
        limits, members, rolling=is_rolling(deployment), pods=int((deployment.get("status") or {}).get("replicas", 0))
    )
    actions = [*_resize(view, members, limits, sizes, remember=True)]
    if is_paused(deployment):
        actions += [*_forget_history(view, members)]
    fresh = _pause(view, status.counts(deployment, members, limits, view.now))
    return actions + _report(view, fresh, members)


def _pause(view: View, fresh: Object) -> Object:
    """The condition Progressing says Unknown while paused, and when that ends."""
    if not status.has_deadline(view.deployment):
        return fresh
    known = conditions.find(fresh["conditions"], "Progressing") or {}
    if known.get("reason") == status.TIMED_OUT_REASON or not is_paused(view.deployment):
        return fresh
    paused = status.condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", view.now)
    return {**fresh, "conditions": conditions.with_condition(fresh["conditions"], paused)}


def _found(view: View, members: Family, fresh: Object) -> Object:
    """The condition Progressing of a Deployment that met its new ReplicaSet already there, or was just resumed."""
    if not status.has_deadline(view.deployment) or members.new is None:
        return fresh
    known = conditions.find(fresh["conditions"], "Progressing")
    if known is None:
        message = f'Found new replica set "{scaling.name_of(members.new)}"'
        begun = status.condition("Progressing", "True", "FoundNewReplicaSet", message, view.now)
    elif known.get("reason") == "DeploymentPaused":
        begun = status.condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed", view.now)
    else:
        return fresh
    return {**fresh, "conditions": conditions.with_condition(fresh["conditions"], begun)}


def _resize(
    view: View, members: Family, limits: Limits, sizes: scaling.Sizes, *, remember: bool = False
) -> Iterator[Action]:
    """Updates of ReplicaSets: new sizes, and what the new one takes over from the Deployment."""
    for one in members.all:
        name = scaling.name_of(one)
        present, wanted = size(one), sizes.get(name, size(one))
        changed = spec_changed(one, replicas=wanted) if wanted != present else one
        if wanted != present or (remember and present):
            changed = annotated(changed, _remembered(limits))
        if one is members.new:
            changed = _taken_over(view.deployment, changed, members.old)
        if changed["spec"] != one["spec"] or changed["metadata"] != one["metadata"]:
            yield Update(REPLICASETS, changed)
        if wanted != present:
            yield _scaling_event(view.deployment, name, present, wanted)


def _taken_over(deployment: Object, new: Object, old: Sequence[Object]) -> Object:
    changed = annotated(new, inherited_annotations(deployment, new, old))
    min_ready_seconds = deployment["spec"].get("minReadySeconds", 0)
    if new["spec"].get("minReadySeconds", 0) != min_ready_seconds:
        changed = spec_changed(changed, minReadySeconds=min_ready_seconds)
    return changed


def _remembered(limits: Limits) -> dict[str, str]:
    return {DESIRED_REPLICAS: str(limits.replicas), MAX_REPLICAS: str(limits.maximum)}


def _scaling_event(deployment: Object, name: str, before: int, after: int) -> Event:
    direction = "up" if after > before else "down"
    message = f"Scaled {direction} replica set {name} from {before} to {after}"
    return Event(deployment, "Normal", "ScalingReplicaSet", message)


def _forget_history(view: View, members: Family) -> Iterator[Action]:
    """Deletes the oldest empty ReplicaSets beyond `revisionHistoryLimit`."""
    limit = view.deployment["spec"].get("revisionHistoryLimit")
    if limit is None:
        return
    alive = [one for one in members.old if not is_terminating(one)]
    for one in alive[: max(0, len(alive) - int(limit))]:
        seen = one["metadata"].get("generation", 0) <= reported(one, "observedGeneration")
        if seen and not size(one) and not reported(one, "replicas"):
            yield Delete(REPLICASETS, one)


def _report(view: View, fresh: Object, members: Family | None = None) -> list[Action]:
    """Writes status, and the revision as an annotation, when either changed."""
    deployment = view.deployment
    changed = {**deployment, "status": fresh}
    if members is not None and members.new is not None:
        revision = inherited_annotations(deployment, members.new, members.old)[REVISION]
        changed = annotated(changed, {REVISION: revision})
    unchanged = fresh == deployment.get("status") and changed["metadata"] == deployment["metadata"]
    return [] if unchanged else [Update(DEPLOYMENTS, changed, "status")]
