"""Kinds with little behaviour: templates, revisions, quotas, limits, autoscalers, attachments, resource claims.

Source: kube-apiserver 1.36 `pkg/registry` and `pkg/printers/internalversion`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from refimpl.api import meta, names
from refimpl.api.errors import Cause, Object
from refimpl.api.fieldlabels import FieldGetter, FieldLabel
from refimpl.apiserver.kinds import causes, limits, printing, quantities
from refimpl.apiserver.kinds.kind import NAME_LABEL, Kind
from refimpl.apiserver.kinds.podspec.validation import template_causes
from refimpl.apiserver.kinds.storageclasses import driver_name_causes
from refimpl.apiserver.kinds.workloads.base import template_defaults
from refimpl.apiserver.strategy import Column, Context
from refimpl.clock import Clock


class Plain(Kind):
    """A kind that is only kept."""

    update_without_version: ClassVar[bool] = True


class PlainWithStatus(Plain):
    """A kind that is only kept, with a status of its own."""

    has_status: ClassVar[bool] = True


class PlainNamed(Plain):
    """A kind that is only kept and shows its full creation time."""

    columns: ClassVar[tuple[Column, ...] | None] = None


class PodTemplates(Kind):
    """Behaviour of PodTemplate."""

    has_generation: ClassVar[bool] = True
    update_without_version: ClassVar[bool] = True
    answers_delete_with_object: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        *printing.containers_columns("template"),
        Column(
            "Pod Labels",
            lambda obj, _: printing.format_labels(dict(meta.labels(obj.get("template") or {}))),
            description="The labels for the pod template.",
        ),
    )

    def counted(self, obj: Object) -> object:
        """The template counts."""
        return obj.get("template")

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        template_defaults(obj.setdefault("template", {}))

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        return template_causes(obj["template"], "template")

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        return template_causes(new["template"], "template")


def _controller(obj: Object, _clock: Clock) -> str:
    owner = meta.controller_of(obj)
    if owner is None:
        return printing.NONE
    group = str(owner.get("apiVersion", "")).rpartition("/")[0]
    kind = str(owner.get("kind", "")).lower()
    return f"{kind}{f'.{group}' if group else ''}/{owner.get('name', '')}"


class ControllerRevisions(Plain):
    """Behaviour of ControllerRevision."""

    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Controller", _controller, description="Controller of the object"),
        Column("Revision", printing.field("revision", 0), documents="revision"),
        printing.AGE,
    )


def _used(obj: Object, prefix: str) -> str:
    """`name: used/hard` of the resources whose name has, or has not, a prefix."""
    status = obj.get("status") or {}
    used, hard = status.get("used") or {}, status.get("hard") or {}
    shown = [name for name in sorted(hard) if name.startswith("limits.") == (prefix == "limits.")]
    return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in shown)


class ResourceQuotas(PlainWithStatus):
    """Behaviour of ResourceQuota."""

    answers_delete_with_object: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column(
            "Request",
            lambda obj, _: _used(obj, "requests."),
            description="Request represents a minimum amount of cpu/memory that a container may consume.",
        ),
        Column(
            "Limit",
            lambda obj, _: _used(obj, "limits."),
            description="Limits control the maximum amount of cpu/memory that a container may use independent of "
            "contention on the node.",
        ),
        printing.AGE,
    )

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        quantities.canonicalize(obj.setdefault("spec", {}), "hard")
        quantities.canonicalize(obj.setdefault("status", {}), "hard", "used")

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        return limits.quota_causes(obj["spec"])

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        yield from limits.quota_causes(new["spec"])
        yield from limits.quota_change_causes(old["spec"], new["spec"])


class LimitRanges(PlainNamed):
    """Behaviour of LimitRange."""

    create_on_update: ClassVar[bool] = True

    def default(self, obj: Object) -> None:
        """Limits of containers imply each other."""
        spec = obj.setdefault("spec", {})
        for item in spec.get("limits") or []:
            quantities.canonicalize(item, "max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
            if item.get("type") != "Container":
                continue
            default = {**(item.get("max") or {}), **(item.get("default") or {})}
            request = {**(item.get("min") or {}), **default, **(item.get("defaultRequest") or {})}
            if default:
                item["default"] = default
            if request:
                item["defaultRequest"] = request

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        return limits.limit_range_causes(obj["spec"])

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """A changed range is looked at as a new one."""
        return limits.limit_range_causes(new["spec"])


class HorizontalPodAutoscalers(PlainWithStatus):
    """Behaviour of HorizontalPodAutoscaler, without the arithmetic of its metrics."""

    empty_status: ClassVar[Object] = {"desiredReplicas": 0, "currentMetrics": None}
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column(
            "Reference",
            lambda obj, _: "/".join(
                str(printing.dig(obj, ("spec", "scaleTargetRef", key), "")) for key in ("kind", "name")
            ),
            documents="spec.scaleTargetRef",
        ),
        Column(
            "Targets",
            lambda obj, _: ", ".join(_metric(metric) for metric in obj["spec"].get("metrics") or []) or printing.NONE,
            documents="spec.metrics",
        ),
        Column(
            "MinPods", lambda obj, _: str(obj["spec"].get("minReplicas", printing.UNSET)), documents="spec.minReplicas"
        ),
        Column("MaxPods", printing.field("spec.maxReplicas", 0), documents="spec.maxReplicas"),
        Column("Replicas", printing.field("status.currentReplicas", 0), documents="status.currentReplicas"),
        printing.AGE,
    )

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        spec = obj.setdefault("spec", {})
        if spec.get("minReplicas") is None:
            spec["minReplicas"] = 1
        if not spec.get("metrics"):
            target = {"type": "Utilization", "averageUtilization": 80}
            spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def _metric(metric: Object) -> str:
    resource = metric.get("resource")
    if resource is None:
        return f"{printing.UNKNOWN}/{metric.get('type', '')}"
    target = resource.get("target") or {}
    percent = target.get("averageUtilization")
    wanted = target.get("averageValue") if percent is None else f"{percent}%"
    return f"{resource.get('name', '')}: {printing.UNKNOWN}/{wanted}"


class VolumeAttachments(Kind):
    """Behaviour of VolumeAttachment."""

    has_status: ClassVar[bool] = True
    empty_status: ClassVar[Object] = {"attached": False}
    answers_delete_with_object: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Attacher", printing.field("spec.attacher"), format="name", documents="spec.attacher"),
        Column("PV", printing.field("spec.source.persistentVolumeName"), documents="spec.source.persistentVolumeName"),
        Column("Node", printing.field("spec.nodeName"), documents="spec.nodeName"),
        Column("Attached", printing.field("status.attached", False), type="boolean", documents="status.attached"),
        printing.AGE,
    )

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        yield from _attachment_causes(obj.get("spec") or {})
        attacher = (obj.get("spec") or {}).get("attacher", "")
        yield from driver_name_causes(attacher, "spec.attacher")

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        yield from _attachment_causes(new.get("spec") or {})
        yield from causes.immutable("spec", old.get("spec"), new.get("spec"))


def _attachment_causes(spec: Object) -> Iterable[Cause]:
    """What is attached, by whom, where."""
    if not spec.get("attacher"):
        yield causes.required("spec.attacher")
    source, path = spec.get("source") or {}, "spec.source"
    named, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    why = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    if named is None and inline is None:
        yield causes.required(path, why)
    elif named is not None and inline is not None:
        yield causes.forbidden(path, why)
    elif named == "":
        yield causes.required(f"{path}.persistentVolumeName", "must specify non empty persistentVolumeName")
    node = spec.get("nodeName", "")
    for problem in names.dns1123_subdomain(node):
        yield causes.invalid("spec.nodeName", node, problem)


class ResourceSlices(Kind):
    """Behaviour of ResourceSlice, which kubelets and `kubectl describe node` look for by node."""

    has_generation: ClassVar[bool] = True
    update_without_version: ClassVar[bool] = True
    own_field_labels: ClassVar[bool] = True
    fields: ClassVar[dict[str, FieldGetter]] = {
        **NAME_LABEL,
        "spec.nodeName": FieldLabel("spec.nodeName"),
        "spec.driver": FieldLabel("spec.driver"),
    }
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Node", printing.field("spec.nodeName", printing.UNSET), documents="spec.nodeName"),
        Column("Driver", printing.field("spec.driver"), documents="spec.driver"),
        Column("Pool", printing.field("spec.pool.name"), documents="spec.pool.name"),
        printing.AGE,
    )
