"""A claim that names no storage class gets the cluster's default one.

Source: kube-apiserver 1.36 `plugin/pkg/admission/storage/storageclass/setdefault`.
"""

from __future__ import annotations

from typing import Final

from refimpl.api.errors import Object
from refimpl.api.resources import PERSISTENTVOLUMECLAIMS, STORAGECLASSES
from refimpl.apiserver.strategy import Context

CONCERNS: Final = (PERSISTENTVOLUMECLAIMS,)

MARK: Final = "storageclass.kubernetes.io/is-default-class"
OLD_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"


def admit(ctx: Context, _old: Object | None, new: Object | None) -> None:
    """See `chain.Plugin`."""
    if ctx.operation != "CREATE" or new is None:
        return
    spec = new.setdefault("spec", {})
    chosen = spec.get("storageClassName") is not None or OLD_ANNOTATION in (new["metadata"].get("annotations") or {})
    default = None if chosen else default_class(ctx)
    if default is not None:
        spec["storageClassName"] = default["metadata"]["name"]


def default_class(ctx: Context) -> Object | None:
    """The newest class that is marked as default; by name among those of one second."""
    marked = [
        found
        for found in ctx.reader.list(STORAGECLASSES)
        if (found["metadata"].get("annotations") or {}).get(MARK) == "true"
    ]
    marked.sort(key=lambda found: str(found["metadata"]["name"]))
    return max(marked, key=lambda found: str(found["metadata"]["creationTimestamp"]), default=None)
