"""The next step of a Job: which pods to create or delete, and whether it is over.

Source: kube-controller-manager 1.36 `job_controller.go` (`syncJob`, `manageJob`), `backoff_utils.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import attrs

from refimpl.api.errors import Object
from refimpl.api.meta import is_terminating, is_true
from refimpl.clock import format_time, parse_time
from refimpl.controllers.job import census as counting
from refimpl.controllers.job.census import Census
from refimpl.controllers.replication import ranking
from refimpl.controllers.workloads import pods
from refimpl.controllers.workloads.conditions import with_condition, without

BURST = 500
FIRST_DELAY = timedelta(seconds=10)
LONGEST_DELAY = timedelta(minutes=10)


@attrs.frozen
class Failures:
    """The failures since the last success, for the delay before the next pod.

    Attributes:
        count: how many.
        last: when the last one happened, or None.
    """

    count: int = 0
    last: datetime | None = None

    def remaining(self, now: datetime) -> float:
        """Seconds until the next pod may be created: 10, 20, 40, ... after the last failure."""
        if not self.count or self.last is None:
            return 0.0
        delay: timedelta = min(FIRST_DELAY * (1 << min(self.count - 1, 20)), LONGEST_DELAY)
        return max(0.0, (self.last + delay - now).total_seconds())


@attrs.frozen
class End:
    """Why a Job is over.

    Attributes:
        kind: `Complete` or `Failed`.
        reason: CamelCase word.
        message: the sentence for people.
    """

    kind: str
    reason: str
    message: str

    @property
    def announcement(self) -> str:
        """The condition that stands until the last pod is gone."""
        return "SuccessCriteriaMet" if self.kind == "Complete" else "FailureTarget"


@attrs.frozen
class Decision:
    """What is to be done.

    Attributes:
        create: number of pods to create.
        delete: pods to delete.
        status: the new status.
        end: set once the Job is over for good.
        wait: seconds after which to decide again, or None.
    """

    create: int
    delete: tuple[Object, ...]
    status: Object
    end: End | None = None
    wait: float | None = None


def is_over(job: Object) -> bool:
    """Whether the Job is complete or failed for good."""
    return is_true(job, "Complete") or is_true(job, "Failed")


def reconcile(job: Object, census: Census, failures: Failures, now: datetime) -> Decision:
    """The next step of a Job that is not over.

    Args:
        job: the Job.
        census: its pods.
        failures: the recent ones.
        now: the time.
    """
    if is_terminating(job):
        return Decision(0, (), _status(job, census, now))
    end = ending(job, census, now)
    if end is None and job["spec"].get("suspend"):
        return Decision(0, census.active, _suspended(job, census, now))
    if end is not None:
        return _finish(job, census, end, now)
    create, delete = manage(job, census, now)
    delay = failures.remaining(now) if create else 0.0
    status = _resumed(_status(job, census, now), now)
    waits = [delay] if delay else []
    deadline = job["spec"].get("activeDeadlineSeconds")
    if deadline is not None:
        waits.append((_started(job, now) + timedelta(seconds=deadline) - now).total_seconds())
    return Decision(0 if delay else create, delete, status, wait=min(waits, default=None))


def ending(job: Object, census: Census, now: datetime) -> End | None:
    """Whether and why the Job is over, apart from pods that still run."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in {"FailureTarget", "SuccessCriteriaMet"} and condition["status"] == "True":
            kind = "Failed" if condition["type"] == "FailureTarget" else "Complete"
            return End(kind, condition.get("reason", ""), condition.get("message", ""))
    spec = job["spec"]
    if exceeds_backoff_limit(job, census):
        return End("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not spec.get("suspend") and now - _started(job, now) >= timedelta(seconds=deadline):
        return End("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    completions = spec.get("completions")
    if completions is None:
        done = census.all_succeeded > 0 and not census.active
    else:
        done = census.all_succeeded >= int(completions)
    return End("Complete", "CompletionsReached", "Reached expected number of succeeded pods") if done else None


def exceeds_backoff_limit(job: Object, census: Census) -> bool:
    """Too many pods failed; where pods restart by themselves, too many restarts count as well."""
    limit = int(job["spec"].get("backoffLimit", 6))
    if census.all_failed > limit:
        return True
    if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    restarts = sum(pods.restarts(pod) for pod in census.active)
    return restarts > 0 if limit == 0 else restarts >= limit


def manage(job: Object, census: Census, now: datetime) -> tuple[int, tuple[Object, ...]]:
    """How many pods to create, or which to delete, to run as many as the Job wants now."""
    spec = job["spec"]
    parallelism = int(spec.get("parallelism", 1))
    completions = spec.get("completions")
    if completions is None:
        wanted = min(len(census.active), parallelism) if census.all_succeeded else parallelism
    else:
        wanted = min(parallelism, max(0, int(completions) - census.all_succeeded))
    surplus = len(census.active) - wanted
    if surplus > 0:
        return 0, tuple(ranking.choose(census.active, census.active, surplus, now))
    leaving = len(census.terminating) if counting.replaces_only_failed(job) else 0
    return min(BURST, max(0, -surplus - leaving)), ()


def recent(failures: Failures, job: Object, census: Census, now: datetime) -> Failures:
    """The failures after what the census shows: a success ends the series."""
    if census.all_succeeded > int((job.get("status") or {}).get("succeeded", 0)) and not census.fresh_failed:
        return Failures()
    if not census.fresh_failed:
        return failures
    return Failures(failures.count + len(census.fresh_failed), now)


def _finish(job: Object, census: Census, end: End, now: datetime) -> Decision:
    """Stops what still runs; the end is final when nothing does and everything is counted."""
    status = _status(job, census, now)
    status["conditions"] = with_condition(status.get("conditions") or [], _condition(end.announcement, end, now))
    rest = bool(census.active or census.terminating or census.succeeded or census.failed)
    if rest:
        return Decision(0, census.active, status)
    status["conditions"] = with_condition(status["conditions"], _condition(end.kind, end, now))
    if end.kind == "Complete":
        status["completionTime"] = format_time(now)
    return Decision(0, (), status, end)


def _status(job: Object, census: Census, now: datetime) -> Object:
    known = job.get("status") or {}
    status: Object = {}
    if known.get("conditions"):
        status["conditions"] = known["conditions"]
    if not job["spec"].get("suspend"):
        status["startTime"] = known.get("startTime") or format_time(now)
    counts = {
        "active": len(census.active),
        "succeeded": census.counted_succeeded,
        "failed": census.counted_failed,
    }
    status |= {field: count for field, count in counts.items() if count}
    status |= {"terminating": len(census.terminating), "ready": census.ready}
    uncounted: Object = {}
    if census.succeeded:
        uncounted["succeeded"] = list(census.succeeded)
    if census.failed:
        uncounted["failed"] = list(census.failed)
    return {**status, "uncountedTerminatedPods": uncounted}


def _suspended(job: Object, census: Census, now: datetime) -> Object:
    status = _status(job, census, now)
    suspended = _condition("Suspended", End("", "JobSuspended", "Job suspended"), now)
    return {**status, "conditions": with_condition(status.get("conditions") or [], suspended)}


def _resumed(status: Object, now: datetime) -> Object:
    listed: Sequence[Object] = status.get("conditions") or []
    if not any(one["type"] == "Suspended" and one["status"] == "True" for one in listed):
        return status
    resumed = {**_condition("Suspended", End("", "JobResumed", "Job resumed"), now), "status": "False"}
    return {**status, "conditions": [*without(listed, "Suspended"), resumed]}


def _condition(kind: str, end: End, now: datetime) -> Object:
    stamp = format_time(now)
    return {
        "type": kind,
        "status": "True",
        "lastProbeTime": stamp,
        "lastTransitionTime": stamp,
        "reason": end.reason,
        "message": end.message,
    }


def _started(job: Object, now: datetime) -> datetime:
    stamp = (job.get("status") or {}).get("startTime")
    return parse_time(stamp) if stamp else now
