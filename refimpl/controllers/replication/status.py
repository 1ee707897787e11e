"""What a ReplicationController or ReplicaSet reports about its pods.

Source: kube-controller-manager 1.36 `replica_set_utils.go` (`calculateStatus`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs

from refimpl.api.errors import Object
from refimpl.api.meta import labels
from refimpl.api.selectors import from_map
from refimpl.clock import format_time
from refimpl.controllers.replication.census import Replica
from refimpl.controllers.workloads import conditions, pods
from refimpl.controllers.workloads.podcontrol import Failure


@attrs.frozen
class Trouble:
    """Why the number of pods could not be corrected.

    Attributes:
        reason: `FailedCreate` or `FailedDelete`.
        message: what the server said.
        failure: the refusal itself.
    """

    reason: str
    message: str
    failure: Failure


def calculate(
    owner: Object, replicas: Sequence[Replica], trouble: Trouble | None, now: datetime, *, terminating: bool
) -> Object:
    """The new `status`.

    Args:
        owner: the ReplicationController or ReplicaSet.
        replicas: its pods, whatever their state.
        trouble: what stood in the way this time.
        now: decides availability.
        terminating: whether the kind has `terminatingReplicas` (ReplicaSet since 1.35).
    """
    min_ready_seconds = int(owner["spec"].get("minReadySeconds") or 0)
    fully_labeled = from_map(labels(owner["spec"]["template"])).matcher()
    active = [replica for replica in replicas if replica.active]
    ready = [replica.pod for replica in active if replica.ready]
    status: Object = {"replicas": len(active)}
    counts = {
        "fullyLabeledReplicas": sum(fully_labeled(replica.labels) for replica in active),
        "readyReplicas": len(ready),
        "availableReplicas": len(pods.available(ready, min_ready_seconds, now)),
    }
    status |= {field: count for field, count in counts.items() if count}
    if terminating:
        status["terminatingReplicas"] = sum(replica.leaving for replica in replicas)
    if owner["metadata"].get("generation"):
        status["observedGeneration"] = owner["metadata"]["generation"]
    reported = _conditions(owner, trouble, format_time(now))
    if reported:
        status["conditions"] = reported
    return status


def next_availability(owner: Object, replicas: Sequence[Replica], now: datetime) -> float | None:
    """Seconds until one more pod becomes available by the mere passing of time, or None."""
    min_ready_seconds = int(owner["spec"].get("minReadySeconds") or 0)
    if not min_ready_seconds:
        return None
    dues = (pods.available_at(replica.pod, min_ready_seconds) for replica in replicas if replica.active)
    waits = [(due - now).total_seconds() for due in dues if due is not None and due > now]
    return min(waits, default=None)


def _conditions(owner: Object, trouble: Trouble | None, stamp: str) -> list[Object]:
    known = (owner.get("status") or {}).get("conditions") or []
    if trouble is None:
        return conditions.without(known, "ReplicaFailure")
    if conditions.find(known, "ReplicaFailure") is not None:
        return list(known)
    failure = {
        "type": "ReplicaFailure",
        "status": "True",
        "lastTransitionTime": stamp,
        "reason": trouble.reason,
        "message": trouble.message,
    }
    return [*known, failure]
