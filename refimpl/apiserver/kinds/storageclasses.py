"""Storage classes, and what nodes and drivers tell about storage.

Source: kube-apiserver 1.36 `pkg/apis/storage`, `pkg/registry/storage`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from refimpl.api import names
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, internal, numbers, printing
from refimpl.apiserver.kinds.kind import Kind
from refimpl.apiserver.strategy import Column, Context

MAX_DRIVER_NAME: Final = 63
GROUP_POLICIES: Final = ("File", "None", "ReadWriteOnceWithFSType")
LIFECYCLE_MODES: Final = ("Persistent", "Ephemeral")


class StorageClasses(Kind):
    """Behaviour of StorageClass."""

    update_without_version: ClassVar[bool] = True
    answers_delete_with_object: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        Column(
            "Name",
            lambda obj, _: f"{obj['metadata']['name']}{' (default)' if _is_default(obj) else ''}",
            format="name",
            documents="metadata.name",
        ),
        Column("Provisioner", printing.field("provisioner"), documents="provisioner"),
        Column("ReclaimPolicy", printing.field("reclaimPolicy"), documents="reclaimPolicy"),
        Column("VolumeBindingMode", printing.field("volumeBindingMode"), documents="volumeBindingMode"),
        Column("AllowVolumeExpansion", printing.field("allowVolumeExpansion", False), documents="allowVolumeExpansion"),
        printing.AGE,
    )

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        obj["reclaimPolicy"] = obj.get("reclaimPolicy") or "Delete"
        obj["volumeBindingMode"] = obj.get("volumeBindingMode") or "Immediate"

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        if not obj.get("provisioner"):
            yield causes.required("provisioner")
        for why in names.qualified_name(obj["provisioner"].lower()) if obj.get("provisioner") else ():
            yield causes.invalid("provisioner", obj["provisioner"], why)
        if "" in (obj.get("parameters") or {}):
            yield causes.invalid("parameters", "", "field can not be empty.")
        if obj["reclaimPolicy"] not in {"Delete", "Retain"}:
            yield causes.not_supported("reclaimPolicy", obj["reclaimPolicy"], ("Delete", "Retain"))
        if obj["volumeBindingMode"] not in {"Immediate", "WaitForFirstConsumer"}:
            allowed = ("Immediate", "WaitForFirstConsumer")
            yield causes.not_supported("volumeBindingMode", obj["volumeBindingMode"], allowed)

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        for key in ("parameters", "provisioner", "reclaimPolicy"):
            if (old.get(key) or None) != (new.get(key) or None):
                yield causes.forbidden(key, "updates to " + key + " are forbidden.")
        yield from causes.immutable("volumeBindingMode", old.get("volumeBindingMode"), new.get("volumeBindingMode"))


def _is_default(obj: Object) -> bool:
    annotations = obj["metadata"].get("annotations") or {}
    return "true" in {annotations.get(f"storageclass{beta}.kubernetes.io/is-default-class") for beta in ("", ".beta")}


class CSINodes(Kind):
    """Behaviour of CSINode."""

    answers_delete_with_object: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column(
            "Drivers",
            lambda obj, _: len((obj.get("spec") or {}).get("drivers") or []),
            type="integer",
            description="Drivers indicates the number of CSI drivers registered on the node",
        ),
        printing.AGE,
    )

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        spec = obj.setdefault("spec", {})
        if "drivers" not in spec:
            spec["drivers"] = None

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        seen: list[str] = []
        for index, driver in enumerate(obj["spec"].get("drivers") or []):
            path, name = f"spec.drivers[{index}]", driver.get("name", "")
            yield from driver_name_causes(name, f"{path}.name")
            if not driver.get("nodeID"):
                yield causes.required(f"{path}.nodeID")
            count = (driver.get("allocatable") or {}).get("count")
            yield from numbers.not_negative(count, f"{path}.allocatable.count")
            if name in seen:
                yield causes.duplicate(f"{path}.name", name)
            seen.append(name)
            yield from _topology_causes(driver.get("topologyKeys") or [], path)

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """A driver that is known stays as it is, but for how many volumes it takes."""
        now = {driver.get("name"): driver for driver in new["spec"].get("drivers") or []}
        for driver in old["spec"].get("drivers") or []:
            later = now.get(driver.get("name"))
            if later is not None and {**later, "allocatable": None} != {**driver, "allocatable": None}:
                yield causes.invalid("CSINodeDriver", internal.shown("CSINodeDriver", later), causes.IMMUTABLE)

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        yield from super().validate_update(ctx, old, new)
        yield from self.validate(ctx, new)


def driver_name_causes(name: str, path: str) -> Iterable[Cause]:
    """Rules for the name of a storage driver where something refers to it."""
    if not name:
        yield causes.required(path)
    if len(name) > MAX_DRIVER_NAME:
        yield causes.too_long(path, MAX_DRIVER_NAME)
    for why in names.dns1123_subdomain(name.lower()):
        yield causes.invalid(path, name, why)


def _topology_causes(keys: list[str], path: str) -> Iterable[Cause]:
    for index, key in enumerate(keys):
        if not key:
            yield causes.required(path)
        if key in keys[:index]:
            yield causes.duplicate(path, key)
        for why in names.qualified_name(key):
            yield causes.invalid(path, keys, why)


class CSIDrivers(Kind):
    """Behaviour of CSIDriver."""

    answers_delete_with_object: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("AttachRequired", printing.field("spec.attachRequired", True), type="boolean"),
        Column("PodInfoOnMount", printing.field("spec.podInfoOnMount", False), type="boolean"),
        Column("StorageCapacity", printing.field("spec.storageCapacity", False), type="boolean"),
        Column(
            "TokenRequests",
            lambda obj, _: (
                ",".join(str(item.get("audience", "")) for item in obj["spec"].get("tokenRequests") or [])
                or printing.UNSET
            ),
        ),
        Column("RequiresRepublish", printing.field("spec.requiresRepublish", False), type="boolean"),
        Column("Modes", lambda obj, _: ",".join(obj["spec"].get("volumeLifecycleModes") or []) or printing.NONE),
        printing.AGE,
    )

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        spec = obj.setdefault("spec", {})
        for key, value in (("attachRequired", True), ("podInfoOnMount", False), ("storageCapacity", False)):
            if spec.get(key) is None:
                spec[key] = value
        spec["fsGroupPolicy"] = spec.get("fsGroupPolicy") or "ReadWriteOnceWithFSType"
        spec["volumeLifecycleModes"] = spec.get("volumeLifecycleModes") or ["Persistent"]
        for key in ("requiresRepublish", "seLinuxMount"):
            if spec.get(key) is None:
                spec[key] = False

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        spec = obj["spec"]
        if spec["fsGroupPolicy"] not in GROUP_POLICIES:
            yield causes.not_supported("spec.fsGroupPolicy", spec["fsGroupPolicy"], GROUP_POLICIES)
        seen: list[str] = []
        for index, request in enumerate(spec.get("tokenRequests") or []):
            path, audience = f"spec.tokenRequests[{index}]", request.get("audience", "")
            if audience in seen:
                yield causes.duplicate(f"{path}.audience", audience)
            seen.append(audience)
        for mode in spec["volumeLifecycleModes"]:
            if mode not in LIFECYCLE_MODES:
                yield causes.not_supported("spec.volumeLifecycleModes", mode, LIFECYCLE_MODES)

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """What pods were started with stays as it is."""
        before, after = old["spec"], new["spec"]
        yield from causes.immutable("spec.attachedRequired", before["attachRequired"], after["attachRequired"])
        modes = "volumeLifecycleModes"
        yield from causes.immutable(f"spec.{modes}", before[modes], after[modes])
