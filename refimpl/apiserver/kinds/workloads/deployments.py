"""Deployments: replica sets, replaced step by step.

Source: kube-apiserver 1.36 `pkg/apis/apps`, `pkg/registry/apps/deployment`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, internal, printing
from refimpl.apiserver.kinds.kind import keep
from refimpl.apiserver.kinds.workloads import rules
from refimpl.apiserver.kinds.workloads.base import Workload, default
from refimpl.apiserver.strategy import Column, Context
from refimpl.clock import Clock

_COUNTS = (
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
    "terminatingReplicas",
    "collisionCount",
)


def ready(deployment: Object, _clock: Clock) -> str:
    """`ready/wanted`."""
    status = deployment.get("status") or {}
    return f"{status.get('readyReplicas', 0)}/{deployment['spec'].get('replicas', 0)}"


class Deployments(Workload):
    """Behaviour of Deployment."""

    checked_as_new: ClassVar[bool] = False
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Ready", ready, description="Number of the pod with ready state"),
        Column("Up-to-date", printing.field("status.updatedReplicas", 0), documents="status.updatedReplicas"),
        Column("Available", printing.field("status.availableReplicas", 0), documents="status.availableReplicas"),
        printing.AGE,
        *printing.template_columns(),
    )

    def counted(self, obj: Object) -> object:
        """Annotations count as well: the deployment controller reads some."""
        return obj.get("spec"), obj["metadata"].get("annotations")

    def default_spec(self, spec: Object) -> None:
        """See `Workload`."""
        default(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
        strategy = spec["strategy"]
        strategy["type"] = strategy.get("type") or "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            default(strategy, rollingUpdate={})
            default(strategy["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")

    def spec_causes(self, spec: Object) -> Iterable[Cause]:
        """See `Workload`."""
        yield from rules.not_negative_causes(spec, "spec", "replicas")
        selector, template = spec.get("selector"), spec.get("template") or {}
        yield from rules.selector_causes(selector, "deployment")
        yield from rules.selected_template_causes(selector, template, "ReplicaSet")
        yield from strategy_causes(spec.get("strategy") or {})
        yield from rules.not_negative_causes(
            spec, "spec", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"
        )
        deadline = spec.get("progressDeadlineSeconds")
        if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
            yield causes.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")

    def prepare_for_status_update(self, ctx: Context, old: Object, new: Object) -> None:
        """A status update leaves the labels alone as well."""
        super().prepare_for_status_update(ctx, old, new)
        keep(old["metadata"], new["metadata"], "labels")

    def status_change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        status = new.get("status") or {}
        yield from rules.not_negative_causes(status, "status", *_COUNTS)
        total = status.get("replicas", 0)
        for key in ("updatedReplicas", "readyReplicas", "availableReplicas"):
            if status.get(key, 0) > total:
                yield causes.invalid(f"status.{key}", status.get(key, 0), "cannot be greater than status.replicas")
        if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
            why = "cannot be greater than readyReplicas"
            yield causes.invalid("status.availableReplicas", status.get("availableReplicas", 0), why)


def strategy_causes(strategy: Object) -> Iterable[Cause]:
    """Rules for how pods are replaced."""
    kind, rolling, path = strategy.get("type", ""), strategy.get("rollingUpdate"), "spec.strategy"
    if kind == "Recreate":
        if rolling is not None:
            why = "may not be specified when strategy `type` is 'Recreate'"
            yield causes.forbidden(f"{path}.rollingUpdate", why)
    elif kind == "RollingUpdate":
        yield from _rolling_causes(rolling or {}, f"{path}.rollingUpdate")
    else:
        yield causes.not_supported(path, internal.shown("UpdateStrategy", strategy), ("Recreate", "RollingUpdate"))


def _rolling_causes(rolling: Object, path: str) -> Iterable[Cause]:
    missing, extra = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    yield from rules.amount_causes(missing, f"{path}.maxUnavailable")
    yield from rules.amount_causes(extra, f"{path}.maxSurge")
    if rules.is_zero(missing) and rules.is_zero(extra):
        yield causes.invalid(f"{path}.maxUnavailable", missing, "may not be 0 when `maxSurge` is 0")
    yield from rules.at_most_all_causes(missing, f"{path}.maxUnavailable")
