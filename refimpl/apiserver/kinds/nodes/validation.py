"""What is wrong with a Node.

Source: kube-apiserver 1.36 `pkg/apis/core/validation` (ValidateNode, ValidateNodeUpdate). The paths of taints begin
with `metadata` there, so they do here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from refimpl.api import jsontext, names
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import addresses, causes, internal, quantities

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
TAINTS = "scheduler.alpha.kubernetes.io/taints"
AVOIDED_PODS = "scheduler.alpha.kubernetes.io/preferAvoidPods"
POD_CIDR_IS_FIXED = 'node updates may not change podCIDR except from "" to valid'
PROVIDER_ID_IS_FIXED = 'node updates may not change providerID except from "" to valid'


def node_causes(node: Object) -> Iterable[Cause]:
    """Rules for a node as it stands."""
    spec = node.get("spec") or {}
    yield from annotation_causes(node["metadata"].get("annotations") or {})
    yield from taint_causes(spec.get("taints") or [])
    yield from resource_causes(node)
    yield from pod_cidr_causes(spec.get("podCIDRs") or [])


def annotation_causes(annotations: Mapping[str, str]) -> Iterable[Cause]:
    """What old agents and controllers said in annotations must be readable."""
    for key, path in ((TAINTS, "metadata.annotations"), (AVOIDED_PODS, "metadata.annotations.AvoidPods")):
        text = annotations.get(key)
        if not text:
            continue
        try:
            value = jsontext.decode(text.encode())
        except jsontext.JsonError as wrong:
            yield causes.invalid(path, key, str(wrong))
            continue
        if key == TAINTS and isinstance(value, list) and all(isinstance(taint, dict) for taint in value):
            yield from taint_causes(value, f"{path}.{TAINTS}")


def change_causes(old: Object, new: Object) -> Iterable[Cause]:
    """Rules for a change, of the main resource or of the status; what stays as it was has been looked at before."""
    known, status = old.get("status") or {}, new.get("status") or {}
    if any(known.get(field) != status.get(field) for field in ("capacity", "allocatable")):
        yield from resource_causes(new)
    if known.get("addresses") != status.get("addresses"):
        yield from address_causes(status.get("addresses") or [])
    before, after = old.get("spec") or {}, new.get("spec") or {}
    yield from pod_cidr_change_causes(before, after)
    yield from provider_id_change_causes(before, after)
    if before.get("taints") != after.get("taints"):
        yield from taint_causes(after.get("taints") or [])
    if before.get("externalID", "") != after.get("externalID", ""):
        yield causes.forbidden("spec.externalID", "may not be updated")


def resource_causes(node: Object) -> Iterable[Cause]:
    """Capacity and allocatable are at least zero, and whole where only whole amounts make sense."""
    status = node.get("status") or {}
    yield from quantities.list_causes(status.get("capacity"), "status.capacity")
    yield from quantities.list_causes(status.get("allocatable"), "status.allocatable")


def address_causes(listed: list[Object]) -> Iterable[Cause]:
    """No address occurs twice with one type."""
    seen: list[Object] = []
    for index, address in enumerate(listed):
        if address in seen:
            yield causes.duplicate(f"status.addresses[{index}]", internal.shown("NodeAddress", address))
        seen.append(address)


def pod_cidr_change_causes(before: Object, after: Object) -> Iterable[Cause]:
    """Pod ranges are set once."""
    fixed = before.get("podCIDRs") or []
    if fixed and fixed != (after.get("podCIDRs") or []):
        yield causes.forbidden("spec.podCIDRs", POD_CIDR_IS_FIXED)


def provider_id_change_causes(before: Object, after: Object) -> Iterable[Cause]:
    """The provider's name of the machine is set once."""
    fixed = before.get("providerID", "")
    if fixed and fixed != after.get("providerID", ""):
        yield causes.forbidden("spec.providerID", PROVIDER_ID_IS_FIXED)


def taint_causes(taints: list[Object], place: str = "metadata.taints") -> Iterable[Cause]:
    """Taints have good keys, values and effects, and are unique by key and effect."""
    seen: list[tuple[str, str]] = []
    for index, taint in enumerate(taints):
        path = f"{place}[{index}]"
        key, value, effect = taint.get("key", ""), taint.get("value", ""), taint.get("effect", "")
        for why in names.qualified_name(key):
            yield causes.invalid(f"{path}.key", key, why)
        if wrong := names.label_value(value):
            yield causes.invalid(f"{path}.value", value, ";".join(wrong))
        yield from effect_causes(effect, f"{path}.effect")
        if (key, effect) in seen:
            yield causes.duplicate(path, internal.shown("Taint", taint), "taints must be unique by key and effect pair")
        seen.append((key, effect))


def effect_causes(effect: str, path: str, *, may_be_empty: bool = False) -> Iterable[Cause]:
    """The effect of a taint, or of a toleration (where empty means all)."""
    if effect in TAINT_EFFECTS or (may_be_empty and not effect):
        return
    yield causes.not_supported(path, effect, TAINT_EFFECTS) if effect else causes.required(path)


def pod_cidr_causes(cidrs: list[str]) -> Iterable[Cause]:
    """Pod ranges are ranges, at most one for each IP family."""
    for index, cidr in enumerate(cidrs):
        yield from addresses.cidr_causes(cidr, f"spec.podCIDRs[{index}]")
    families = [addresses.family(cidr) for cidr in cidrs]
    if len(set(families)) < len(families):
        yield causes.invalid("spec.podCIDRs", cidrs, "may specify no more than one CIDR for each IP family")
    for index, cidr in enumerate(cidrs):
        if cidr in cidrs[:index]:
            yield causes.duplicate(f"spec.podCIDRs[{index}]", cidr)
