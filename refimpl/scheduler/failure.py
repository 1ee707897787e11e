"""Telling a pod's owner that it could not be scheduled: condition, nomination, event.

Source: kube-scheduler 1.36 `handleSchedulingFailure`; Kubernetes 1.36 pod conditions.
"""

from __future__ import annotations

import logging
from typing import Any

from refimpl.api import meta
from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import PODS
from refimpl.client.client import Client
from refimpl.client.transport import Unreachable
from refimpl.clock import Clock
from refimpl.scheduler.podinfo import PodInfo

log = logging.getLogger(__name__)

UNSCHEDULABLE = "Unschedulable"
SCHEDULER_ERROR = "SchedulerError"


def unscheduled_condition(reason: str, message: str) -> Object:
    """The condition of a pod that no node was found for."""
    return {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}


def status_patch(pod: Object, now: str, *, condition: Object | None = None, nomination: str | None = None) -> Object:
    """The strategic merge patch of a pod's status; empty when it says all that already.

    Args:
        pod: the pod as last seen.
        now: the present time as the API writes it.
        condition: type, status, reason and message to set.
        nomination: node to nominate the pod to, empty to end its nomination, None to leave it as it is.
    """
    changes: dict[str, Any] = {}
    if condition is not None:
        changed = _changed_condition(pod, condition, now)
        if changed is not None:
            changes["conditions"] = [changed]
    if nomination is not None and nomination != ((pod.get("status") or {}).get("nominatedNodeName") or ""):
        changes["nominatedNodeName"] = nomination or None
    return {"metadata": {"uid": pod["metadata"]["uid"]}, "status": changes} if changes else {}


def _changed_condition(pod: Object, condition: Object, now: str) -> Object | None:
    wanted = dict(condition)
    generation = pod["metadata"].get("generation")
    if generation:
        wanted["observedGeneration"] = generation
    before = [dict(one) for one in meta.conditions(pod) if one["type"] == wanted["type"]]
    if not meta.set_condition(before, wanted, now):
        return None
    return before[0]


async def patch_pod_status(client: Client, pod: PodInfo, patch: Object) -> bool:
    """Applies a status patch, if there is anything to patch; False when the API refused or did not answer."""
    if not patch:
        return True
    try:
        await client.patch(PODS, pod.name, patch, namespace=pod.namespace, subresource="status")
    except ApiError as error:
        if error.code != 404:
            log.warning("status of %s/%s: %s", pod.namespace, pod.name, error)
        return error.code == 404
    except Unreachable as error:
        log.warning("status of %s/%s: %s", pod.namespace, pod.name, error)
        return False
    return True


async def say_unscheduled(
    client: Client, clock: Clock, pod: PodInfo, *, reason: str, message: str, nomination: str | None
) -> None:
    """Writes `PodScheduled=False`, and the nomination where it changes."""
    condition = unscheduled_condition(reason, message)
    await patch_pod_status(
        client, pod, status_patch(pod.pod, clock.timestamp(), condition=condition, nomination=nomination)
    )
