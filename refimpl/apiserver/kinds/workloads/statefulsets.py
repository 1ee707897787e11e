"""StatefulSets: pods with names, in order.

Source: kube-apiserver 1.36 `pkg/apis/apps`, `pkg/registry/apps/statefulset`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from refimpl.api import names
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, internal, printing
from refimpl.apiserver.kinds.podspec.volumes import set_claim_spec_defaults
from refimpl.apiserver.kinds.workloads import rules
from refimpl.apiserver.kinds.workloads.base import Workload, default
from refimpl.apiserver.kinds.workloads.deployments import ready
from refimpl.apiserver.strategy import Column

MUTABLE: Final = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
FIXED: Final = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


class StatefulSets(Workload):
    """Behaviour of StatefulSet."""

    checked_as_new: ClassVar[bool] = False
    empty_status: ClassVar[Object] = {"replicas": 0, "availableReplicas": 0}
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Ready", ready, description="Number of the pod with ready state"),
        printing.AGE,
        *printing.template_columns(None),
    )

    def name_problems(self, name: str) -> Iterable[str]:
        """The pods' host names are made from a stateful set's name."""
        return names.dns1123_label(name)

    def default_spec(self, spec: Object) -> None:
        """See `Workload`."""
        default(spec, replicas=1, revisionHistoryLimit=10, podManagementPolicy="OrderedReady", updateStrategy={})
        strategy = spec["updateStrategy"]
        if not strategy.get("type"):
            strategy["type"] = "RollingUpdate"
            default(strategy, rollingUpdate={})
        if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
            default(strategy["rollingUpdate"], partition=0, maxUnavailable=1)
        default(spec, persistentVolumeClaimRetentionPolicy={})
        default(spec["persistentVolumeClaimRetentionPolicy"], whenDeleted="Retain", whenScaled="Retain")
        for claim in spec.get("volumeClaimTemplates") or []:
            default(claim, apiVersion="v1", kind="PersistentVolumeClaim", metadata={}, spec={}, status={})
            set_claim_spec_defaults(claim["spec"])
            default(claim["status"], phase="Pending")

    def spec_causes(self, spec: Object) -> Iterable[Cause]:
        """See `Workload`."""
        policy = spec.get("podManagementPolicy", "")
        if policy not in {"OrderedReady", "Parallel"}:
            yield causes.invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
        yield from _strategy_causes(spec.get("updateStrategy") or {})
        yield from rules.not_negative_causes(spec, "spec", "replicas", "minReadySeconds")
        selector, template = spec.get("selector"), spec.get("template") or {}
        yield from rules.selector_causes(selector, "statefulset")
        yield from rules.selected_template_causes(selector, template, "StatefulSet")

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        yield from self.spec_causes(new["spec"])
        before = {key: value for key, value in old["spec"].items() if key not in MUTABLE}
        after = {key: value for key, value in new["spec"].items() if key not in MUTABLE}
        if before != after:
            yield causes.forbidden("spec", FIXED)

    def status_change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        counts = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
        fields = (*counts, "observedGeneration", "collisionCount")
        return rules.not_negative_causes(new.get("status") or {}, "status", *fields)


def _strategy_causes(strategy: Object) -> Iterable[Cause]:
    kind, rolling, path = strategy.get("type", ""), strategy.get("rollingUpdate"), "spec.updateStrategy"
    if kind == "OnDelete":
        if rolling is not None:
            why = "only allowed for updateStrategy 'RollingUpdate'"
            yield causes.invalid(f"{path}.rollingUpdate", internal.shown("RollingUpdateStatefulSet", rolling), why)
    elif kind == "RollingUpdate":
        yield from rules.not_negative_causes(rolling or {}, f"{path}.rollingUpdate", "partition")
    else:
        shown = internal.shown("StatefulSetUpdateStrategy", strategy)
        yield causes.invalid(path, shown, "must be 'RollingUpdate' or 'OnDelete'")
