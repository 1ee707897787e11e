"""Services: an address and ports, allocated once and kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from refimpl.api import names
from refimpl.api.errors import Cause, Object
from refimpl.api.fieldlabels import FieldGetter, FieldLabel
from refimpl.apiserver.kinds import metadata
from refimpl.apiserver.kinds.kind import NAMESPACED_LABELS, Kind, keep
from refimpl.apiserver.kinds.services import allocation, columns, defaults, validation
from refimpl.apiserver.strategy import Column, Context


class Services(Kind):
    """Behaviour of Service.

    Source: kube-apiserver 1.36 `pkg/registry/core/service`.
    """

    has_status: ClassVar[bool] = True
    empty_status: ClassVar[Object] = {"loadBalancer": {}}
    create_on_update: ClassVar[bool] = True
    update_without_version: ClassVar[bool] = True
    answers_delete_with_object: ClassVar[bool] = True
    own_field_labels: ClassVar[bool] = True
    fields: ClassVar[dict[str, FieldGetter]] = {
        **NAMESPACED_LABELS,
        "spec.clusterIP": FieldLabel("spec.clusterIP"),
        "spec.type": FieldLabel("spec.type"),
    }
    columns: ClassVar[tuple[Column, ...] | None] = columns.COLUMNS

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        defaults.set_defaults(obj)

    def name_problems(self, name: str) -> Iterable[str]:
        """A service's name is a label of a host name."""
        return names.dns1123_label(name)

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        """See `Strategy`."""
        super().prepare_for_create(ctx, obj)
        defaults.same_cluster_ip(obj["spec"])

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        return validation.service_causes(obj)

    def begin_create(self, ctx: Context, obj: Object) -> None:
        """See `Strategy`."""
        allocation.allocate(ctx, obj)

    def prepare_for_update(self, ctx: Context, old: Object, new: Object) -> None:
        """See `Strategy`."""
        super().prepare_for_update(ctx, old, new)
        defaults.follow_cluster_ip(old["spec"], new["spec"])
        defaults.keep_allocated(old["spec"], new["spec"])
        defaults.drop_outdated(old["spec"], new["spec"])

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        yield from metadata.kind_change_causes(old, new)
        yield from validation.change_causes(old["spec"], new["spec"])
        if old["metadata"] != new["metadata"]:
            yield from metadata.object_causes(new, True, self.name_problems)
        yield from validation.service_causes(new)

    def begin_update(self, ctx: Context, old: Object, new: Object) -> None:
        """See `Strategy`."""
        if old["spec"] != new["spec"]:
            allocation.allocate(ctx, new)

    def prepare_for_status_update(self, ctx: Context, old: Object, new: Object) -> None:
        """See `Strategy`."""
        keep(old, new, "spec")

    def status_change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        return validation.status_change_causes(new)
