"""Leases: small objects that somebody renews.

Source: kube-apiserver 1.36 `pkg/apis/coordination`, `pkg/registry/coordination/lease`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, printing
from refimpl.apiserver.kinds.kind import Kind
from refimpl.apiserver.kinds.quantities import NOT_NEGATIVE
from refimpl.apiserver.strategy import Column, Context


class Leases(Kind):
    """Behaviour of Lease: PUT may create one, but must name the version that it replaces."""

    notes_owners: ClassVar[bool] = False
    create_on_update: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Holder", printing.field("spec.holderIdentity"), documents="spec.holderIdentity"),
        printing.AGE,
    )

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        return spec_causes(obj.get("spec") or {})

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        return spec_causes(new.get("spec") or {})


def spec_causes(spec: Object) -> Iterable[Cause]:
    """Rules for the spec of a lease."""
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        yield causes.invalid("spec.leaseDurationSeconds", duration, "must be greater than 0")
    if transitions is not None and transitions < 0:
        yield causes.invalid("spec.leaseTransitions", transitions, NOT_NEGATIVE)
    if spec.get("preferredHolder") and not spec.get("strategy"):
        why = "may only be specified if `strategy` is defined"
        yield causes.forbidden("spec.preferredHolder", why)
