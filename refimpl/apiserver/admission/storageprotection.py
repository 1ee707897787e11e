"""Claims and volumes get a finalizer that holds them while they are in use.

Source: kube-apiserver 1.36 `plugin/pkg/admission/storage/storageobjectinuseprotection`.
"""

from __future__ import annotations

from typing import Final

from refimpl.api.errors import Object
from refimpl.api.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from refimpl.apiserver.strategy import Context

FINALIZERS: Final = {
    PERSISTENTVOLUMECLAIMS: "kubernetes.io/pvc-protection",
    PERSISTENTVOLUMES: "kubernetes.io/pv-protection",
}

CONCERNS: Final = tuple(FINALIZERS)


def admit(ctx: Context, _old: Object | None, new: Object | None) -> None:
    """See `chain.Plugin`."""
    if ctx.operation != "CREATE" or ctx.subresource or new is None or not ctx.settings.protect_storage:
        return
    finalizer = FINALIZERS[ctx.resource]
    present = new["metadata"].get("finalizers") or []
    if finalizer not in present:
        new["metadata"]["finalizers"] = [*present, finalizer]
