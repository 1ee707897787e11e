"""ReplicationControllers and ReplicaSets: so many pods of one template.

Source: kube-apiserver 1.36 `pkg/apis/core`, `pkg/registry/core/replicationcontroller`, `pkg/registry/apps/replicaset`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from refimpl.api import meta, selectors
from refimpl.api.errors import Cause, Object
from refimpl.api.fieldlabels import FieldGetter, FieldLabel
from refimpl.apiserver.kinds import causes, printing
from refimpl.apiserver.kinds.kind import NAMESPACED_LABELS
from refimpl.apiserver.kinds.workloads import rules
from refimpl.apiserver.kinds.workloads.base import Workload, default
from refimpl.apiserver.strategy import Column

_COLUMNS = (
    printing.NAME,
    Column("Desired", printing.field("spec.replicas", 0), type="integer", documents="spec.replicas"),
    Column("Current", printing.field("status.replicas", 0), type="integer", documents="status.replicas"),
    Column("Ready", printing.field("status.readyReplicas", 0), type="integer", documents="status.readyReplicas"),
    printing.AGE,
    *printing.template_columns(),
)


class ReplicationControllers(Workload):
    """Behaviour of ReplicationController."""

    empty_status: ClassVar[Object] = {"replicas": 0}
    default_propagation: ClassVar[Literal["Background", "Orphan"]] = "Orphan"
    selector_is_fixed: ClassVar[bool] = False
    own_field_labels: ClassVar[bool] = True
    fields: ClassVar[dict[str, FieldGetter]] = {
        **NAMESPACED_LABELS,
        "status.replicas": FieldLabel("status.replicas", "0"),
    }
    columns: ClassVar[tuple[Column, ...] | None] = _COLUMNS

    def default(self, obj: Object) -> None:
        """Selector and labels come from the template, one replica is the default."""
        super().default(obj)
        spec = obj["spec"]
        own = meta.labels(spec.get("template") or {})
        if own and not spec.get("selector"):
            spec["selector"] = dict(own)
        if own and not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(own)
        default(spec, replicas=1)

    def spec_causes(self, spec: Object) -> Iterable[Cause]:
        """See `Workload`."""
        yield from rules.not_negative_causes(spec, "spec", "minReadySeconds")
        selector, template = spec.get("selector"), spec.get("template")
        if not selector:
            yield causes.required("spec.selector")
        yield from rules.not_negative_causes(spec, "spec", "replicas")
        if template is None:
            yield causes.required("spec.template")
            return
        if selector and not selectors.from_map(selector).matches(meta.labels(template)):
            yield causes.invalid("spec.template.metadata.labels", meta.labels(template) or None, rules.NO_MATCH)
        yield from rules.always_running_causes(template, "ReplicationController")

    def status_change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        return rules.replica_status_causes(new.get("status") or {})


class ReplicaSets(Workload):
    """Behaviour of ReplicaSet."""

    empty_status: ClassVar[Object] = {"replicas": 0}
    columns: ClassVar[tuple[Column, ...] | None] = _COLUMNS

    def default_spec(self, spec: Object) -> None:
        """See `Workload`."""
        default(spec, replicas=1)

    def spec_causes(self, spec: Object) -> Iterable[Cause]:
        """See `Workload`."""
        yield from rules.not_negative_causes(spec, "spec", "replicas", "minReadySeconds")
        selector, template = spec.get("selector"), spec.get("template") or {}
        # The text speaks of a deployment in the real server, too.
        yield from rules.selector_causes(selector, "deployment")
        yield from rules.selected_template_causes(selector, template, "ReplicaSet")

    def status_change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        return rules.replica_status_causes(new.get("status") or {})
