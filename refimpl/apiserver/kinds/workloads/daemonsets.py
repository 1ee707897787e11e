"""DaemonSets: a pod on every node that suits.

Source: kube-apiserver 1.36 `pkg/apis/apps`, `pkg/registry/apps/daemonset`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, internal, labelselectors, printing
from refimpl.apiserver.kinds.workloads import rules
from refimpl.apiserver.kinds.workloads.base import Workload, default
from refimpl.apiserver.strategy import Column, Context
from refimpl.clock import Clock

TEMPLATE_GENERATION: Final = "deprecated.daemonset.template.generation"

_COUNTS: Final = (
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
)


def node_selector(daemon_set: Object, _clock: Clock) -> str:
    """Where the pods go."""
    selector = printing.dig(daemon_set, ("spec", "template", "spec", "nodeSelector"), {})
    assert isinstance(selector, dict)
    return printing.format_labels(selector)


def _count(name: str, key: str) -> Column:
    return Column(name, printing.field(f"status.{key}", 0), type="integer", documents=f"status.{key}")


class DaemonSets(Workload):
    """Behaviour of DaemonSet."""

    empty_status: ClassVar[Object] = dict.fromkeys(_COUNTS[:4], 0)
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        _count("Desired", "desiredNumberScheduled"),
        _count("Current", "currentNumberScheduled"),
        _count("Ready", "numberReady"),
        _count("Up-to-date", "updatedNumberScheduled"),
        _count("Available", "numberAvailable"),
        Column("Node Selector", node_selector, documents="spec.template.spec.nodeSelector"),
        printing.AGE,
        *printing.template_columns(),
    )

    def default_spec(self, spec: Object) -> None:
        """See `Workload`."""
        default(spec, updateStrategy={}, revisionHistoryLimit=10)
        strategy = spec["updateStrategy"]
        strategy["type"] = strategy.get("type") or "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            default(strategy, rollingUpdate={})
            default(strategy["rollingUpdate"], maxUnavailable=1, maxSurge=0)

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        """See `Strategy`."""
        super().prepare_for_create(ctx, obj)
        _set_template_generation(obj, max(template_generation(obj), 1))

    def prepare_for_update(self, ctx: Context, old: Object, new: Object) -> None:
        """The server counts the changes of the template in an annotation."""
        super().prepare_for_update(ctx, old, new)
        changed = old["spec"].get("template") != new["spec"].get("template")
        _set_template_generation(new, template_generation(old) + changed)

    def spec_causes(self, spec: Object) -> Iterable[Cause]:
        """See `Workload`."""
        selector, template = spec.get("selector"), spec.get("template") or {}
        yield from labelselectors.label_selector_causes(selector, "spec.selector")
        yield from rules.match_causes(selector, template)
        yield from rules.empty_selector_causes(selector, "daemonset")
        yield from rules.always_running_causes(template, "DaemonSet")
        yield from rules.not_negative_causes(spec, "spec", "minReadySeconds")
        yield from strategy_causes(spec.get("updateStrategy") or {})
        yield from rules.not_negative_causes(spec, "spec", "revisionHistoryLimit")

    def status_change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        return rules.not_negative_causes(new.get("status") or {}, "status", *_COUNTS)


def template_generation(daemon_set: Object) -> int:
    """How often the template was set; 0 when the annotation does not say."""
    text = (daemon_set["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "")
    return int(text) if text.isdigit() and text.isascii() else 0


def _set_template_generation(daemon_set: Object, count: int) -> None:
    annotations = daemon_set["metadata"].get("annotations") or {}
    daemon_set["metadata"]["annotations"] = {**annotations, TEMPLATE_GENERATION: str(count)}


def strategy_causes(strategy: Object) -> Iterable[Cause]:
    """Rules for how pods are replaced."""
    kind, path = strategy.get("type", ""), "spec.updateStrategy"
    if kind == "OnDelete":
        return
    if kind != "RollingUpdate":
        yield causes.not_supported(path, internal.shown("UpdateStrategy", strategy), ("RollingUpdate", "OnDelete"))
        return
    rolling, here = strategy.get("rollingUpdate") or {}, f"{path}.rollingUpdate"
    missing, extra = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    for key in ("maxUnavailable", "maxSurge"):
        yield from rules.amount_causes(rolling.get(key), f"{here}.{key}")
        yield from rules.at_most_all_causes(rolling.get(key), f"{here}.{key}")
    if not rules.is_zero(missing) and not rules.is_zero(extra):
        yield causes.invalid(f"{here}.maxSurge", extra, "may not be set when maxUnavailable is non-zero")
    if rules.is_zero(missing) and rules.is_zero(extra):
        yield causes.required(f"{here}.maxUnavailable", "cannot be 0 when maxSurge is 0")
