"""PodDisruptionBudgets.

Source: kube-apiserver 1.36 `pkg/apis/policy/validation`, `pkg/registry/policy/poddisruptionbudget`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from refimpl.api.errors import Cause, Object
from refimpl.api.resources import PODDISRUPTIONBUDGETS, Resource
from refimpl.apiserver.kinds import causes, internal, labelselectors, printing
from refimpl.apiserver.kinds.kind import Kind, keep
from refimpl.apiserver.kinds.workloads import rules
from refimpl.apiserver.strategy import Column, Context

_COUNTS: Final = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


def _limit(key: str) -> Column:
    name = "Min Available" if key == "minAvailable" else "Max Unavailable"
    least = "minimum number of pods that must be available" if key == "minAvailable" else ""
    description = f"The {least or 'maximum number of pods that may be unavailable'}."
    return Column(name, lambda obj, _: str((obj.get("spec") or {}).get(key, "N/A")), description=description)


class PodDisruptionBudgets(Kind):
    """Behaviour of PodDisruptionBudget."""

    has_generation: ClassVar[bool] = True
    has_status: ClassVar[bool] = True
    empty_status: ClassVar[Object] = dict.fromkeys(_COUNTS, 0)
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        _limit("minAvailable"),
        _limit("maxUnavailable"),
        Column(
            "Allowed Disruptions",
            printing.field("status.disruptionsAllowed", 0),
            type="integer",
            description="Calculated number of pods that may be disrupted at this time.",
        ),
        printing.AGE,
    )

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        obj.setdefault("spec", {})

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        return spec_causes(obj["spec"])

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        return spec_causes(new["spec"])

    def prepare_for_status_update(self, ctx: Context, old: Object, new: Object) -> None:
        """See `Strategy`."""
        keep(old, new, "spec")

    def status_change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        return rules.not_negative_causes(new.get("status") or {}, "status", *_COUNTS)


class OlderPodDisruptionBudgets(PodDisruptionBudgets):
    """Behaviour of policy/v1beta1 PodDisruptionBudget, a view under another version."""

    stored_as: ClassVar[Resource | None] = PODDISRUPTIONBUDGETS

    def to_stored(self, obj: Object) -> Object:
        """See `Strategy`."""
        return {**obj, "apiVersion": PODDISRUPTIONBUDGETS.api_version}


def spec_causes(spec: Object) -> Iterable[Cause]:
    """Rules for what a budget demands."""
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and most is not None:
        shown = internal.shown("PodDisruptionBudgetSpec", spec)
        yield causes.invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set")
    for key, value in (("minAvailable", least), ("maxUnavailable", most)):
        if value is not None:
            yield from rules.amount_causes(value, f"spec.{key}")
            yield from rules.at_most_all_causes(value, f"spec.{key}")
    yield from labelselectors.label_selector_causes(spec.get("selector"), "spec.selector")
    policy, allowed = spec.get("unhealthyPodEvictionPolicy"), ("AlwaysAllow", "IfHealthyBudget")
    if policy is not None and policy not in allowed:
        yield causes.not_supported("spec.unhealthyPodEvictionPolicy", policy, allowed)
