"""Counting the pods of a Job so that each counts exactly once, even when it is deleted meanwhile.

A finished pod keeps the Job's finalizer until its uid stands in `status.uncountedTerminatedPods`; it is counted when
the finalizer is off, and only then may it vanish.
Source: kube-controller-manager 1.36 `job_controller.go` (`trackJobStatusAndRemoveFinalizers`).
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from refimpl.api.errors import Object
from refimpl.api.meta import finalizers, is_terminating
from refimpl.controllers.workloads import pods

FINALIZER = "batch.kubernetes.io/job-tracking"


@attrs.frozen
class Census:
    """The pods of a Job, sorted.

    Attributes:
        active: neither finished nor about to go.
        terminating: about to go and not finished.
        ready: how many active ones are ready.
        counted_succeeded: pods that succeeded and are counted in the status for good.
        counted_failed: pods that failed and are counted in the status for good.
        succeeded: uids that succeeded and are not counted for good yet.
        failed: uids that failed and are not counted for good yet.
        fresh_failed: pods that failed and were not seen as such before.
        releasable: finished pods whose uids are in the stored status already: their finalizer may go.
    """

    active: tuple[Object, ...]
    terminating: tuple[Object, ...]
    ready: int
    counted_succeeded: int
    counted_failed: int
    succeeded: tuple[str, ...]
    failed: tuple[str, ...]
    fresh_failed: tuple[Object, ...]
    releasable: tuple[Object, ...]

    @property
    def all_succeeded(self) -> int:
        """Everything that succeeded so far."""
        return self.counted_succeeded + len(self.succeeded)

    @property
    def all_failed(self) -> int:
        """Everything that failed so far."""
        return self.counted_failed + len(self.failed)


def replaces_only_failed(job: Object) -> bool:
    """Whether a pod is replaced only when it is finished, not already when it is terminating."""
    if job["spec"].get("podFailurePolicy"):
        return True
    return bool(job["spec"].get("podReplacementPolicy") == "Failed")


def has_failed(job: Object, pod: Object) -> bool:
    """Whether a pod counts as failed: also one deleted before it finished, unless the policy waits for its end."""
    if pods.phase(pod) == "Failed":
        return True
    return is_terminating(pod) and pods.phase(pod) != "Succeeded" and not replaces_only_failed(job)


def take(job: Object, mine: Sequence[Object]) -> Census:
    """Sorts the pods of a Job."""
    status = job.get("status") or {}
    uncounted = status.get("uncountedTerminatedPods") or {}
    held = {pod["metadata"]["uid"]: pod for pod in mine if FINALIZER in finalizers(pod)}
    old_succeeded, old_failed = uncounted.get("succeeded") or [], uncounted.get("failed") or []
    known = {*old_succeeded, *old_failed}
    succeeded = [uid for uid in old_succeeded if uid in held]
    failed = [uid for uid in old_failed if uid in held]
    fresh_failed: list[Object] = []
    for uid, pod in held.items():
        if uid in known:
            continue
        if pods.phase(pod) == "Succeeded":
            succeeded.append(uid)
        elif has_failed(job, pod):
            failed.append(uid)
            fresh_failed.append(pod)
    active = tuple(pod for pod in mine if pods.is_active(pod))
    return Census(
        active=active,
        terminating=tuple(pod for pod in mine if is_terminating(pod) and not pods.is_terminal(pod)),
        ready=sum(pods.is_ready(pod) for pod in active),
        counted_succeeded=int(status.get("succeeded", 0)) + sum(uid not in held for uid in old_succeeded),
        counted_failed=int(status.get("failed", 0)) + sum(uid not in held for uid in old_failed),
        succeeded=tuple(succeeded),
        failed=tuple(failed),
        fresh_failed=tuple(fresh_failed),
        releasable=tuple(held[uid] for uid in (*old_succeeded, *old_failed) if uid in held),
    )
