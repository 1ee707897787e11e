"""Namespaces: deleted in two steps, the second of which is `finalize`.

Source: kube-apiserver 1.36 `pkg/registry/core/namespace`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from refimpl.api import names
from refimpl.api.errors import Cause, Object
from refimpl.api.fieldlabels import FieldGetter, FieldLabel
from refimpl.apiserver.kinds import causes, metadata, printing
from refimpl.apiserver.kinds.kind import NAME_LABEL, Kind, keep
from refimpl.apiserver.strategy import Column, Context

NAME_AS_LABEL: Final = "kubernetes.io/metadata.name"
FINALIZER: Final = "kubernetes"


class Namespaces(Kind):
    """Behaviour of Namespace."""

    has_status: ClassVar[bool] = True
    empty_status: ClassVar[Object] = {"phase": "Active"}
    update_without_version: ClassVar[bool] = True
    answers_delete_with_object: ClassVar[bool] = True
    marked_first: ClassVar[bool] = True
    own_field_labels: ClassVar[bool] = True
    fields: ClassVar[dict[str, FieldGetter]] = {**NAME_LABEL, "status.phase": FieldLabel("status.phase")}
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Status", printing.field("status.phase"), description="The status of the namespace"),
        printing.AGE,
    )

    def default(self, obj: Object) -> None:
        """Every namespace carries its name as a label, whatever a client says."""
        obj.setdefault("spec", {})
        status = obj.setdefault("status", {})
        status["phase"] = status.get("phase") or "Active"
        name = obj["metadata"].get("name")
        if name:
            obj["metadata"]["labels"] = {**(obj["metadata"].get("labels") or {}), NAME_AS_LABEL: name}

    def name_problems(self, name: str) -> Iterable[str]:
        """A namespace's name is a label of a host name."""
        return names.dns1123_label(name)

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        """A new namespace is active and waits for the namespace controller before it goes."""
        super().prepare_for_create(ctx, obj)
        finalizers = obj["spec"].get("finalizers") or []
        obj["spec"]["finalizers"] = finalizers if FINALIZER in finalizers else [*finalizers, FINALIZER]

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        return finalizer_causes(obj)

    def prepare_for_update(self, ctx: Context, old: Object, new: Object) -> None:
        """The main resource touches neither status nor finalizers."""
        super().prepare_for_update(ctx, old, new)
        _keep_finalizers(old, new)

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        if old["metadata"] != new["metadata"]:
            yield from metadata.object_causes(new, False, self.name_problems)
        yield from metadata.kind_change_causes(old, new)

    def prepare_for_status_update(self, ctx: Context, old: Object, new: Object) -> None:
        """`status` changes only the status, `finalize` only the finalizers."""
        if ctx.subresource == "finalize":
            keep(old, new, "status")
        else:
            keep(old, new, "spec")

    def validate_status_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        yield from metadata.kind_change_causes(old, new)
        if ctx.subresource == "finalize":
            yield from finalizer_causes(new)
        else:
            yield from phase_causes(new)

    def mark_terminating(self, ctx: Context, obj: Object) -> None:
        """See `Strategy`."""
        obj.setdefault("status", {})["phase"] = "Terminating"

    def holds_deletion(self, obj: Object) -> bool:
        """A namespace stays until the namespace controller has emptied it."""
        return bool((obj.get("spec") or {}).get("finalizers"))


def _keep_finalizers(old: Object, new: Object) -> None:
    keep(old.get("spec") or {}, new["spec"], "finalizers")


def finalizer_causes(namespace: Object) -> Iterable[Cause]:
    """Rules for `spec.finalizers`."""
    for index, finalizer in enumerate((namespace.get("spec") or {}).get("finalizers") or []):
        for why in names.qualified_name(finalizer):
            yield causes.invalid("spec.finalizers", finalizer, why)
        if "/" not in finalizer and finalizer not in metadata.STANDARD_FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            yield causes.invalid(f"spec.finalizers[{index}]", finalizer, why)


def phase_causes(namespace: Object) -> Iterable[Cause]:
    """The phase goes with the deletion."""
    phase = (namespace.get("status") or {}).get("phase", "")
    terminating = bool(namespace["metadata"].get("deletionTimestamp"))
    if not terminating and phase != "Active":
        yield causes.invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")
    if terminating and phase != "Terminating":
        yield causes.invalid("status.Phase", phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")
