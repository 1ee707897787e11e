"""Jobs and CronJobs: pods that end.

Source: kube-apiserver 1.36 `pkg/apis/batch`, `pkg/registry/batch`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final, Literal

from refimpl.api import meta
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, labelselectors, printing
from refimpl.apiserver.kinds.podspec.validation import template_causes
from refimpl.apiserver.kinds.workloads import rules
from refimpl.apiserver.kinds.workloads.base import Workload, default, template_defaults
from refimpl.apiserver.strategy import Column, Context
from refimpl.clock import Clock, parse_time

MAX_CRON_NAME: Final = 52
OWN_LABELS: Final = "batch.kubernetes.io/"

_STATES: Final = ("Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet")


def completions(job: Object, _clock: Clock) -> str:
    """How many of how many pods succeeded."""
    done, wanted = (job.get("status") or {}).get("succeeded", 0), job["spec"].get("completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallel = job["spec"].get("parallelism", 0)
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def duration(job: Object, clock: Clock) -> str:
    """From the start to the end, or to now."""
    status = job.get("status") or {}
    start, end = status.get("startTime"), status.get("completionTime")
    if not start:
        return ""
    stop = parse_time(end) if end else clock.now()
    return printing.human_duration((stop - parse_time(start)).total_seconds())


def state(job: Object, _clock: Clock) -> str:
    """One word for the conditions."""
    conditions = (job.get("status") or {}).get("conditions") or []
    held = {condition.get("type") for condition in conditions if condition.get("status") == "True"}
    for name in _STATES:
        if name == "Suspended" and job["metadata"].get("deletionTimestamp"):
            return "Terminating"
        if name in held:
            return name
    return "Running"


class Jobs(Workload):
    """Behaviour of Job."""

    default_propagation: ClassVar[Literal["Background", "Orphan"]] = "Orphan"
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Status", state, description="Status of the job."),
        Column("Completions", completions, documents="status.succeeded"),
        Column("Duration", duration, description="Time required to complete the job."),
        printing.AGE,
        *printing.template_columns(),
    )

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        super().default(obj)
        own = meta.labels(obj["spec"].get("template") or {})
        if own and not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(own)

    def default_spec(self, spec: Object) -> None:
        """See `Workload`."""
        if spec.get("completions") is None and spec.get("parallelism") is None:
            spec["completions"] = 1
        default(spec, parallelism=1, backoffLimit=2**31 - 1 if spec.get("backoffLimitPerIndex") is not None else 6)
        replacement = "TerminatingOrFailed" if spec.get("podFailurePolicy") is None else "Failed"
        default(
            spec, completionMode="NonIndexed", suspend=False, manualSelector=False, podReplacementPolicy=replacement
        )

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        """A job selects its pods by its own uid, unless it brings a selector."""
        super().prepare_for_create(ctx, obj)
        if not obj["spec"].get("manualSelector"):
            inherits = meta.labels(obj) == meta.labels(obj["spec"].get("template") or {})
            select_by_uid(obj)
            if inherits:
                obj["metadata"]["labels"] = dict(obj["spec"]["template"]["metadata"]["labels"])

    def spec_causes(self, spec: Object) -> Iterable[Cause]:
        """See `Workload`."""
        counts = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
        yield from rules.not_negative_causes(spec, "spec", *counts)
        selector, template = spec.get("selector"), spec.get("template") or {}
        if selector is None:
            yield causes.required("spec.selector")
        yield from labelselectors.label_selector_causes(selector, "spec.selector")
        mode = spec.get("completionMode")
        if mode not in {"NonIndexed", "Indexed"}:
            yield causes.not_supported("spec.completionMode", mode, ("Indexed", "NonIndexed"))
        elif mode == "Indexed" and spec.get("completions") is None:
            yield causes.required("spec.completions", "when completion mode is Indexed")
        yield from run_once_causes(template, "spec.template")
        if selector is not None:
            yield from rules.match_causes(selector, template)

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """Selector and template are fixed, the template until the job is suspended."""
        before, after = old["spec"], new["spec"]
        yield from self.spec_causes(after)
        for key in ("completions", "selector", "completionMode", "podFailurePolicy"):
            yield from causes.immutable(f"spec.{key}", before.get(key), after.get(key))
        if not before.get("suspend"):
            yield from causes.immutable("spec.template", before.get("template"), after.get("template"))

    def status_change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        return rules.not_negative_causes(new.get("status") or {}, "status", "active", "succeeded", "failed")


def select_by_uid(job: Object) -> None:
    """Labels the template with name and uid of the job, and selects by uid."""
    uid, name = job["metadata"]["uid"], job["metadata"].get("name", "")
    about = job["spec"].setdefault("template", {}).setdefault("metadata", {})
    own = {"controller-uid": uid, "job-name": name}
    prefixed = {f"{OWN_LABELS}{key}": value for key, value in own.items()}
    about["labels"] = {**(about.get("labels") or {}), **own, **prefixed}
    selector = job["spec"].get("selector") or {}
    chosen = {**(selector.get("matchLabels") or {}), f"{OWN_LABELS}controller-uid": uid}
    job["spec"]["selector"] = {**selector, "matchLabels": chosen}


def run_once_causes(template: Object, path: str) -> Iterable[Cause]:
    """Rules for a template whose pods end."""
    yield from template_causes(template, path)
    policy = (template.get("spec") or {}).get("restartPolicy", "")
    if policy == "Always":
        yield causes.required(f"{path}.spec.restartPolicy", 'valid values: "OnFailure", "Never"')
    elif policy not in {"OnFailure", "Never"}:
        yield causes.not_supported(f"{path}.spec.restartPolicy", policy, ("OnFailure", "Never"))


class CronJobs(Workload):
    """Behaviour of CronJob."""

    checked_as_new: ClassVar[bool] = False
    selector_is_fixed: ClassVar[bool] = False
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Schedule", printing.field("spec.schedule"), documents="spec.schedule"),
        Column("Timezone", printing.field("spec.timeZone", printing.NONE), documents="spec.timeZone"),
        Column("Suspend", lambda obj, _: str(obj["spec"].get("suspend", False)), documents="spec.suspend"),
        Column(
            "Active",
            lambda obj, _: len((obj.get("status") or {}).get("active") or []),
            type="integer",
            documents="status.active",
        ),
        Column(
            "Last Schedule",
            lambda obj, clock: (
                printing.since(stamp, clock.now())
                if (stamp := (obj.get("status") or {}).get("lastScheduleTime"))
                else printing.NONE
            ),
            documents="status.lastScheduleTime",
        ),
        printing.AGE,
        *printing.template_columns("spec.jobTemplate.spec.selector", template="spec.jobTemplate.spec.template"),
    )

    def default_spec(self, spec: Object) -> None:
        """See `Workload`."""
        spec["concurrencyPolicy"] = spec.get("concurrencyPolicy") or "Allow"
        default(spec, suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1, jobTemplate={})
        default(spec["jobTemplate"], metadata={}, spec={})
        default(spec["jobTemplate"]["spec"], template={})
        template_defaults(spec["jobTemplate"]["spec"]["template"])

    def spec_causes(self, spec: Object) -> Iterable[Cause]:
        """See `Workload`."""
        yield from _schedule_causes(spec.get("schedule", ""))
        yield from rules.not_negative_causes(
            spec, "spec", "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"
        )
        policy, allowed = spec.get("concurrencyPolicy", ""), ("Allow", "Forbid", "Replace")
        if policy not in allowed:
            yield causes.not_supported("spec.concurrencyPolicy", policy, allowed)
        template = printing.dig(spec, ("jobTemplate", "spec", "template"), {})
        assert isinstance(template, dict)
        yield from run_once_causes(template, "spec.jobTemplate.spec.template")

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """A name has to leave room for the names of the jobs."""
        yield from super().validate(ctx, obj)
        name = obj["metadata"].get("name", "")
        if len(name) > MAX_CRON_NAME:
            yield causes.invalid("metadata.name", name, f"must be no more than {MAX_CRON_NAME} characters")


def _schedule_causes(schedule: str) -> Iterable[Cause]:
    if not schedule:
        yield causes.required("spec.schedule")
        return
    words = schedule.split()
    if not schedule.startswith("@") and len(words) != 5:
        why = f"expected exactly 5 fields, found {len(words)}: [{' '.join(words)}]"
        yield causes.invalid("spec.schedule", schedule, why)
