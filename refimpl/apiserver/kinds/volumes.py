"""Persistent volumes and claims.

Source: kube-apiserver 1.36 `pkg/apis/core`, `pkg/registry/core`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from refimpl.api import names, quantity
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, internal, labelselectors, printing, quantities
from refimpl.apiserver.kinds.kind import Kind, keep
from refimpl.apiserver.kinds.podspec.volumes import set_claim_spec_defaults, set_source_defaults
from refimpl.apiserver.strategy import Column, Context
from refimpl.clock import Clock

ACCESS_MODES: Final = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
VOLUME_MODES: Final = ("Block", "Filesystem")
RECLAIM_POLICIES: Final = ("Delete", "Recycle", "Retain")
CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
CLAIM_IS_FIXED: Final = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)

_NOT_SOURCES: Final = frozenset(
    {
        "capacity",
        "accessModes",
        "claimRef",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "mountOptions",
        "volumeMode",
        "nodeAffinity",
        "volumeAttributesClassName",
    }
)


def modes(listed: list[str] | None) -> str:
    """Access modes, abbreviated and each once, in a fixed order."""
    return ",".join(short for mode, short in ACCESS_MODES.items() if mode in (listed or []))


def phase(obj: Object, _clock: Clock) -> str:
    """The phase; `Terminating` once deleted."""
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str((obj.get("status") or {}).get("phase", ""))


def class_of(obj: Object, _clock: Clock) -> str:
    """Name of the storage class, from where it stands."""
    annotations = obj["metadata"].get("annotations") or {}
    return str(annotations.get(CLASS_ANNOTATION) or obj["spec"].get("storageClassName") or "")


def _claim_of(volume: Object, _clock: Clock) -> str:
    claim = volume["spec"].get("claimRef")
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""


def mode_causes(listed: list[str], path: str) -> Iterable[Cause]:
    """Rules for access modes."""
    for mode in listed:
        if mode not in ACCESS_MODES:
            yield causes.not_supported(path, mode, sorted(ACCESS_MODES))
    if "ReadWriteOncePod" in listed and len(listed) > 1:
        why = "may not use ReadWriteOncePod with other access modes"
        yield causes.forbidden(path, why)


class PersistentVolumes(Kind):
    """Behaviour of PersistentVolume."""

    has_status: ClassVar[bool] = True
    update_without_version: ClassVar[bool] = True
    answers_delete_with_object: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Capacity", printing.field("spec.capacity.storage", "0"), documents="spec.capacity"),
        Column("Access Modes", lambda obj, _: modes(obj["spec"].get("accessModes")), documents="spec.accessModes"),
        Column(
            "Reclaim Policy",
            printing.field("spec.persistentVolumeReclaimPolicy"),
            documents="spec.persistentVolumeReclaimPolicy",
        ),
        Column("Status", phase, documents="status.phase"),
        Column("Claim", _claim_of, documents="spec.claimRef"),
        Column("StorageClass", class_of, description="StorageClass of the pv"),
        Column(
            "VolumeAttributesClass",
            printing.field("spec.volumeAttributesClassName", printing.UNSET),
            documents="spec.volumeAttributesClassName",
        ),
        Column("Reason", printing.field("status.reason"), documents="status.reason"),
        printing.AGE,
        Column(
            "VolumeMode", printing.field("spec.volumeMode", printing.UNSET), documents="spec.volumeMode", priority=1
        ),
    )

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        spec, status = obj.setdefault("spec", {}), obj.setdefault("status", {})
        status["phase"] = status.get("phase") or "Pending"
        spec["persistentVolumeReclaimPolicy"] = spec.get("persistentVolumeReclaimPolicy") or "Retain"
        spec["volumeMode"] = spec.get("volumeMode") or "Filesystem"
        quantities.canonicalize(spec, "capacity")
        set_source_defaults(spec)

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        """See `Strategy`."""
        obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": ctx.clock.timestamp()}

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        return volume_causes(obj["spec"])

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """A changed volume is checked as a volume twice, and as a change."""
        yield from volume_causes(new["spec"])
        yield from volume_causes(new["spec"])
        before, after = sources(old["spec"]), sources(new["spec"])
        if before != after:
            diff = internal.difference("PersistentVolumeSource", before, after)
            why = f"spec.persistentvolumesource is immutable after creation\n{diff}"
            yield causes.forbidden("spec.persistentvolumesource", why)
        yield from causes.immutable("volumeMode", old["spec"].get("volumeMode"), new["spec"].get("volumeMode"))

    def prepare_for_status_update(self, ctx: Context, old: Object, new: Object) -> None:
        """The server notes when the phase changed."""
        keep(old, new, "spec")
        before, after = old.get("status") or {}, new.setdefault("status", {})
        if before.get("phase") != after.get("phase"):
            after["lastPhaseTransitionTime"] = ctx.clock.timestamp()
        else:
            keep(before, after, "lastPhaseTransitionTime")


def sources(spec: Object) -> Object:
    """Where a volume's bytes are: one key of many."""
    return {key: value for key, value in spec.items() if key not in _NOT_SOURCES and value is not None}


def volume_causes(spec: Object) -> Iterable[Cause]:
    """Rules for the spec of a volume."""
    listed, capacity = spec.get("accessModes") or [], spec.get("capacity") or {}
    if not listed:
        yield causes.required("spec.accessModes")
    yield from mode_causes(listed, "spec.accessModes")
    if not capacity:
        yield causes.required("spec.capacity")
    if "storage" not in capacity or len(capacity) > 1:
        yield causes.not_supported("spec.capacity", capacity or None, ("storage",))
    yield from quantities.list_causes(capacity, "spec.capacity")
    policy = spec.get("persistentVolumeReclaimPolicy", "")
    if policy not in RECLAIM_POLICIES:
        yield causes.not_supported("spec.persistentVolumeReclaimPolicy", policy, RECLAIM_POLICIES)
    affinity = (spec.get("nodeAffinity") or {}).get("required")
    if affinity is not None:
        yield from labelselectors.node_selector_causes(affinity, "spec.nodeAffinity.required")
    given = list(sources(spec))
    for key in given[1:]:
        yield causes.forbidden(f"spec.{key}", "may not specify more than 1 volume type")
    if not given:
        yield causes.required("spec", "must specify a volume type")
    name, mode = spec.get("storageClassName", ""), spec.get("volumeMode")
    for why in names.dns1123_subdomain(name) if name else ():
        yield causes.invalid("spec.storageClassName", name, why)
    if mode is not None and mode not in VOLUME_MODES:
        yield causes.not_supported("spec.volumeMode", mode, VOLUME_MODES)


class PersistentVolumeClaims(Kind):
    """Behaviour of PersistentVolumeClaim."""

    has_status: ClassVar[bool] = True
    empty_status: ClassVar[Object] = {"phase": "Pending"}
    update_without_version: ClassVar[bool] = True
    answers_delete_with_object: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Status", phase, documents="status.phase"),
        Column("Volume", printing.field("spec.volumeName"), documents="spec.volumeName"),
        Column(
            "Capacity",
            lambda obj, _: printing.dig(obj, ("status", "capacity", "storage"), "0") if _is_bound(obj) else "",
            documents="status.capacity",
        ),
        Column(
            "Access Modes",
            lambda obj, _: modes((obj.get("status") or {}).get("accessModes")) if _is_bound(obj) else "",
            documents="status.accessModes",
        ),
        Column("StorageClass", class_of, description="StorageClass of the pvc"),
        Column(
            "VolumeAttributesClass",
            printing.field("spec.volumeAttributesClassName", printing.UNSET),
            documents="spec.volumeAttributesClassName",
        ),
        printing.AGE,
        Column(
            "VolumeMode", printing.field("spec.volumeMode", printing.UNSET), documents="spec.volumeMode", priority=1
        ),
    )

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        set_claim_spec_defaults(obj.setdefault("spec", {}))
        status = obj.setdefault("status", {})
        status["phase"] = status.get("phase") or "Pending"
        quantities.canonicalize(status, "capacity", "allocatedResources")

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        return claim_causes(obj["spec"])

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """Only the volume may be named later, and a bound claim may ask for more; a claim is checked twice."""
        yield from claim_causes(new["spec"])
        yield from claim_causes(new["spec"])
        before, after = old["spec"], dict(new["spec"])
        bound = (old.get("status") or {}).get("phase") == "Bound"
        if not before.get("volumeName"):
            keep(before, after, "volumeName")
        if bound:
            keep(before, after, "resources", "volumeAttributesClassName")
        if before != after:
            diff = internal.difference("PersistentVolumeClaimSpec", before, after)
            yield causes.forbidden("spec", f"{CLAIM_IS_FIXED}\n{diff}")
        elif bound:
            yield from _size_causes(old, new)

    def prepare_for_status_update(self, ctx: Context, old: Object, new: Object) -> None:
        """See `Strategy`."""
        keep(old, new, "spec")


def _size_causes(old: Object, new: Object) -> Iterable[Cause]:
    """A claim does not shrink below what it has."""
    least = ((old.get("status") or {}).get("capacity") or {}).get("storage")
    wanted = ((new["spec"].get("resources") or {}).get("requests") or {}).get("storage")
    if least is not None and wanted is not None and quantity.compare(wanted, least) < 0:
        yield causes.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")


def _is_bound(claim: Object) -> bool:
    return bool(claim["spec"].get("volumeName"))


def claim_causes(spec: Object) -> Iterable[Cause]:
    """Rules for the spec of a claim."""
    listed = spec.get("accessModes") or []
    if not listed:
        yield causes.required("spec.accessModes", "at least 1 access mode is required")
    yield from labelselectors.label_selector_causes(spec.get("selector"), "spec.selector")
    yield from mode_causes(listed, "spec.accessModes")
    requests = (spec.get("resources") or {}).get("requests") or {}
    if "storage" not in requests:
        yield causes.required("spec.resources[storage]")
    elif quantity.parse(requests["storage"]) <= 0:
        yield causes.invalid("spec.resources[storage]", requests["storage"], "must be greater than zero")
    if spec.get("volumeMode", "Filesystem") not in VOLUME_MODES:
        yield causes.not_supported("spec.volumeMode", spec["volumeMode"], VOLUME_MODES)
    for key in ("storageClassName", "volumeAttributesClassName"):
        for why in names.dns1123_subdomain(spec[key]) if spec.get(key) else ():
            yield causes.invalid(f"spec.{key}", spec[key], why)
