"""Nodes: one POST stores spec and status together; afterwards each has its own door."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from refimpl.api.errors import Cause, Object
from refimpl.api.fieldlabels import FieldGetter, FieldLabel
from refimpl.apiserver.kinds import metadata
from refimpl.apiserver.kinds.kind import NAME_LABEL, Kind, keep
from refimpl.apiserver.kinds.nodes import columns, defaults, validation
from refimpl.apiserver.strategy import Column, Context

EXTERNAL_ID_WARNING = "spec.externalID: this field is deprecated, and is unused by Kubernetes"


class Nodes(Kind):
    """Behaviour of Node.

    Source: kube-apiserver 1.36 `pkg/registry/core/node`.
    """

    notes_owners: ClassVar[bool] = False
    update_without_version: ClassVar[bool] = True
    own_field_labels: ClassVar[bool] = True
    fields: ClassVar[dict[str, FieldGetter]] = {
        **NAME_LABEL,
        "spec.unschedulable": FieldLabel("spec.unschedulable", "false"),
    }
    columns: ClassVar[tuple[Column, ...] | None] = columns.COLUMNS

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        defaults.set_defaults(obj)

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        """Takes spec and status as they come, without what dynamic kubelet configuration left behind."""
        _drop_configuration(obj)

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        return validation.node_causes(obj)

    def begin_create(self, ctx: Context, obj: Object) -> None:
        """See `Strategy`."""
        _warn(ctx, obj)

    def prepare_for_update(self, ctx: Context, old: Object, new: Object) -> None:
        """The main resource does not touch the status."""
        keep(old, new, "status")
        _drop_configuration(new)

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """A changed node is checked as a node and as a change, and each of them checks metadata."""
        yield from _own_metadata_causes(self, old, new)
        yield from validation.node_causes(new)
        yield from self.validate_status_update(ctx, old, new)

    def begin_update(self, ctx: Context, old: Object, new: Object) -> None:
        """See `Strategy`."""
        _warn(ctx, new)

    def prepare_for_status_update(self, ctx: Context, old: Object, new: Object) -> None:
        """The status subresource does not touch the spec, but does write labels, annotations and finalizers."""
        keep(old, new, "spec")
        _drop_configuration(new)

    def validate_status_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        yield from metadata.kind_change_causes(old, new)
        yield from validation.change_causes(old, new)


def _own_metadata_causes(strategy: Kind, old: Object, new: Object) -> Iterable[Cause]:
    if old["metadata"] != new["metadata"]:
        yield from metadata.object_causes(new, False, strategy.name_problems)


def _drop_configuration(node: Object) -> None:
    (node.get("spec") or {}).pop("configSource", None)
    (node.get("status") or {}).pop("config", None)


def _warn(ctx: Context, node: Object) -> None:
    if (node.get("spec") or {}).get("externalID"):
        ctx.warnings.append(EXTERNAL_ID_WARNING)
