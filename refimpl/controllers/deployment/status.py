"""What a Deployment reports: counts, and whether it is available and making progress.

Source: kube-controller-manager 1.36 `sync.go` (`calculateStatus`), `progress.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from refimpl.api.errors import Object
from refimpl.clock import format_time, parse_time
from refimpl.controllers.deployment.limits import Limits
from refimpl.controllers.deployment.replicasets import Family, reported, size
from refimpl.controllers.workloads import conditions

NO_DEADLINE = 2**31 - 1
AVAILABLE_REASON = "NewReplicaSetAvailable"
TIMED_OUT_REASON = "ProgressDeadlineExceeded"


def condition(kind: str, status: str, reason: str, message: str, now: datetime) -> Object:
    """A Deployment condition that begins now."""
    stamp = format_time(now)
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": stamp,
        "lastTransitionTime": stamp,
        "reason": reason,
        "message": message,
    }


def counts(deployment: Object, members: Family, limits: Limits, now: datetime) -> Object:
    """The status without progress: counts, and the condition Available."""
    available = sum(reported(one, "availableReplicas") for one in members.all)
    numbers = {
        "replicas": sum(reported(one, "replicas") for one in members.all),
        "updatedReplicas": reported(members.new, "replicas"),
        "readyReplicas": sum(reported(one, "readyReplicas") for one in members.all),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(size(one) for one in members.all) - available),
    }
    known = deployment.get("status") or {}
    status: Object = {"observedGeneration": deployment["metadata"].get("generation", 0)}
    status |= {field: number for field, number in numbers.items() if number}
    status["terminatingReplicas"] = sum(reported(one, "terminatingReplicas") for one in members.all)
    if known.get("collisionCount"):
        status["collisionCount"] = known["collisionCount"]
    enough = available >= limits.minimum_available
    status["conditions"] = conditions.with_condition(known.get("conditions") or [], _availability(enough, now))
    return status


def _availability(enough: bool, now: datetime) -> Object:
    if enough:
        message = "Deployment has minimum availability."
        return condition("Available", "True", "MinimumReplicasAvailable", message, now)
    message = "Deployment does not have minimum availability."
    return condition("Available", "False", "MinimumReplicasUnavailable", message, now)


def with_progress(deployment: Object, status: Object, members: Family, now: datetime) -> Object:
    """The status with the condition Progressing, and with the ReplicaSets' failure to create pods."""
    listed: Sequence[Object] = status["conditions"]
    if not has_deadline(deployment):
        listed = conditions.without(listed, "Progressing")
    else:
        listed = _progressing(deployment, status, members, now)
    failure = _replica_failure(members)
    listed = conditions.without(listed, "ReplicaFailure") if failure is None else _with_failure(listed, failure)
    return {**status, "conditions": list(listed)}


def _progressing(deployment: Object, status: Object, members: Family, now: datetime) -> Sequence[Object]:
    listed: Sequence[Object] = status["conditions"]
    current = conditions.find((deployment.get("status") or {}).get("conditions") or [], "Progressing")
    finished = current is not None and current.get("reason") == AVAILABLE_REASON
    if finished and status.get("replicas", 0) == status.get("updatedReplicas", 0):
        return listed
    kind = "ReplicaSet" if members.new is not None else "Deployment"
    name = (members.new or deployment)["metadata"]["name"]
    if is_complete(deployment, status):
        message = f'{kind} "{name}" has successfully progressed.'
        return conditions.with_condition(listed, condition("Progressing", "True", AVAILABLE_REASON, message, now))
    if has_moved(deployment.get("status") or {}, status):
        fresh = condition("Progressing", "True", "ReplicaSetUpdated", f'{kind} "{name}" is progressing.', now)
        if current is not None and current["status"] == "True":
            fresh["lastTransitionTime"] = current["lastTransitionTime"]
        return [*conditions.without(listed, "Progressing"), fresh]
    if has_timed_out(deployment, now):
        message = f'{kind} "{name}" has timed out progressing.'
        return conditions.with_condition(listed, condition("Progressing", "False", TIMED_OUT_REASON, message, now))
    return listed


def has_deadline(deployment: Object) -> bool:
    """Whether `progressDeadlineSeconds` is set, and not to its "never"."""
    return (deployment["spec"].get("progressDeadlineSeconds") or NO_DEADLINE) != NO_DEADLINE


def is_complete(deployment: Object, status: Object) -> bool:
    """All wanted pods are of the new template and available, and no other is left."""
    wanted = deployment["spec"].get("replicas", 1)
    return bool(
        status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
        and status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    )


def has_moved(old: Object, new: Object) -> bool:
    """Whether the counts came nearer to what is wanted."""
    old_rest = old.get("replicas", 0) - old.get("updatedReplicas", 0)
    new_rest = new.get("replicas", 0) - new.get("updatedReplicas", 0)
    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return bool(new_rest < old_rest) or any(new.get(field, 0) > old.get(field, 0) for field in grown)


def has_timed_out(deployment: Object, now: datetime) -> bool:
    """Whether there was no progress for `progressDeadlineSeconds`."""
    current = conditions.find((deployment.get("status") or {}).get("conditions") or [], "Progressing")
    if current is None or current.get("reason") == AVAILABLE_REASON:
        return False
    if current.get("reason") == TIMED_OUT_REASON:
        return True
    return deadline(deployment, current) < now


def deadline(deployment: Object, progressing: Object) -> datetime:
    """When the lack of progress becomes a failure."""
    return parse_time(progressing["lastUpdateTime"]) + timedelta(seconds=deployment["spec"]["progressDeadlineSeconds"])


def next_check(deployment: Object, status: Object, now: datetime) -> float | None:
    """Seconds until a time-out has to be looked for, or None."""
    current = conditions.find((deployment.get("status") or {}).get("conditions") or [], "Progressing")
    if not has_deadline(deployment) or current is None:
        return None
    if is_complete(deployment, status) or current.get("reason") == TIMED_OUT_REASON:
        return None
    return max(0.0, (deadline(deployment, current) - now).total_seconds()) + 1


def _replica_failure(members: Family) -> Object | None:
    newest_first = ([members.new] if members.new is not None else []) + list(members.old)
    for one in newest_first:
        found = conditions.find((one.get("status") or {}).get("conditions") or [], "ReplicaFailure")
        if found is not None:
            return found
    return None


def _with_failure(listed: Sequence[Object], failure: Object) -> list[Object]:
    fresh = {
        "type": "ReplicaFailure",
        "status": failure["status"],
        "lastUpdateTime": failure["lastTransitionTime"],
        "lastTransitionTime": failure["lastTransitionTime"],
        "reason": failure["reason"],
        "message": failure["message"],
    }
    return conditions.with_condition(listed, fresh)
