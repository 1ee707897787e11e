"""Pods: placed once, mostly immutable, deleted in two steps when they run on a node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from refimpl.api.errors import Cause, Object
from refimpl.api.fieldlabels import FieldGetter, FieldLabel
from refimpl.apiserver.kinds import metadata
from refimpl.apiserver.kinds.kind import NAMESPACED_LABELS, Kind, keep
from refimpl.apiserver.kinds.pods import changes, columns, defaults, resize, validation
from refimpl.apiserver.strategy import Column, Context


def _no_address(_pod: Object) -> str:
    """`status.podIPs` may be named in a selector, but has never been filled."""
    return ""


class Pods(Kind):
    """Behaviour of Pod.

    Source: kube-apiserver 1.36 `pkg/registry/core/pod`.
    """

    notes_owners: ClassVar[bool] = False
    has_generation: ClassVar[bool] = True
    update_without_version: ClassVar[bool] = True
    answers_delete_with_object: ClassVar[bool] = True
    graceful: ClassVar[bool] = True
    own_field_labels: ClassVar[bool] = True
    fields: ClassVar[dict[str, FieldGetter]] = {
        **NAMESPACED_LABELS,
        "spec.hostNetwork": FieldLabel("spec.hostNetwork", "false"),
        "spec.nodeName": FieldLabel("spec.nodeName"),
        "spec.restartPolicy": FieldLabel("spec.restartPolicy"),
        "spec.schedulerName": FieldLabel("spec.schedulerName"),
        "spec.serviceAccountName": FieldLabel("spec.serviceAccountName"),
        "status.nominatedNodeName": FieldLabel("status.nominatedNodeName"),
        "status.phase": FieldLabel("status.phase"),
        "status.podIP": FieldLabel("status.podIP"),
        "status.podIPs": _no_address,
    }
    field_aliases: ClassVar[dict[str, str]] = {"spec.host": "spec.nodeName"}
    columns: ClassVar[tuple[Column, ...] | None] = columns.COLUMNS

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        defaults.set_defaults(obj)

    def default_changed(self, old: Object, new: Object) -> None:
        """See `Strategy`: a pod's status changes often, its spec hardly ever."""
        if new.get("spec") == old["spec"]:
            defaults.same_address(new.setdefault("status", {}))
        else:
            defaults.set_defaults(new)

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        """A new pod is pending, whatever its status said."""
        obj["status"] = defaults.new_status(obj)
        defaults.select_own_revision(obj)

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        return validation.create_causes(obj)

    def prepare_for_update(self, ctx: Context, old: Object, new: Object) -> None:
        """The main resource does not touch the status."""
        keep(old, new, "status")

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        yield from metadata.kind_change_causes(old, new)
        if old["metadata"] != new["metadata"]:
            yield from metadata.object_causes(new, True, self.name_problems)
        yield from validation.pod_causes(new)
        yield from changes.spec_change_causes(old, new)

    def prepare_for_status_update(self, ctx: Context, old: Object, new: Object) -> None:
        """The status subresource leaves the spec alone, and owner references, which old kubelets send damaged."""
        if ctx.subresource in {"ephemeralcontainers", "resize"}:
            self._prepare_for_part(ctx.subresource, old, new)
            return
        keep(old, new, "spec")
        keep(old["metadata"], new["metadata"], "ownerReferences", "deletionTimestamp", "deletionGracePeriodSeconds")
        new.setdefault("status", {}).setdefault("qosClass", old["status"].get("qosClass", ""))

    def _prepare_for_part(self, subresource: str, old: Object, new: Object) -> None:
        """Two subresources change a part of the spec, and with it the generation, but nothing else."""
        if subresource == "resize":
            new.update(resize.resized(old, new))
        else:
            spec = dict(old["spec"])
            keep(new["spec"], spec, "ephemeralContainers")
            keep(old, new, "status")
            new.update(spec=spec, metadata=dict(old["metadata"]))
        if new["spec"] != old["spec"]:
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def validate_status_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        if ctx.subresource == "resize":
            refusal = resize.refusal(old)
            if refusal is not None:
                yield refusal
                return
        yield from metadata.kind_change_causes(old, new)
        if ctx.subresource == "resize":
            yield from validation.pod_causes(new)
            yield from resize.resize_causes(old, new)
        elif ctx.subresource == "ephemeralcontainers":
            yield from changes.ephemeral_change_causes(old, new)
        else:
            yield from changes.status_change_causes(old, new)

    def row_conditions(self, obj: Object) -> list[Object]:
        """See `Strategy`."""
        return columns.row_conditions(obj)

    def grace_period(self, obj: Object, requested: int | None) -> int:
        """Seconds until a pod has to be gone: only one that runs on a node needs any.

        Args:
            obj: the stored pod.
            requested: by the client; None means the pod's own period.
        """
        spec, phase = obj["spec"], (obj.get("status") or {}).get("phase")
        if not spec.get("nodeName") or phase in {"Succeeded", "Failed"}:
            return 0
        period = spec.get("terminationGracePeriodSeconds", 0) if requested is None else requested
        return int(period) if period >= 0 else 1
