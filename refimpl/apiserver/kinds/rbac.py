"""Roles and their bindings.

Source: kube-apiserver 1.36 `pkg/apis/rbac`, `pkg/registry/rbac`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Final

from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, labelselectors, printing
from refimpl.apiserver.kinds.kind import Kind
from refimpl.apiserver.kinds.metadata import path_problems
from refimpl.apiserver.strategy import Column, Context
from refimpl.clock import Clock

GROUP: Final = "rbac.authorization.k8s.io"
SUBJECT_KINDS: Final = ("ServiceAccount", "User", "Group")


class Roles(Kind):
    """Behaviour of Role and ClusterRole."""

    create_on_update: ClassVar[bool] = True
    update_without_version: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Created At", printing.field("metadata.creationTimestamp"), type="date"),
    )

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        obj.setdefault("rules", None)

    def name_problems(self, name: str) -> Iterable[str]:
        """Names of roles may be anything that a URL can hold, such as `system:node`."""
        return path_problems(name)

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        for index, rule in enumerate(obj.get("rules") or []):
            yield from rule_causes(rule, not ctx.resource.namespaced, f"rules[{index}]")
        if obj.get("aggregationRule") is not None and not ctx.resource.namespaced:
            yield from aggregation_causes(obj["aggregationRule"])

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        yield from self.validate(ctx, new)
        yield from super().validate_update(ctx, old, new)


def aggregation_causes(rule: Object) -> Iterable[Cause]:
    """A role that is put together from others names them."""
    chosen = rule.get("clusterRoleSelectors") or []
    path = "aggregationRule.clusterRoleSelectors"
    if not chosen:
        yield causes.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
    for index, selector in enumerate(chosen):
        yield from labelselectors.label_selector_causes(selector, f"{path}[{index}]")


def rule_causes(rule: Object, cluster_wide: bool, path: str) -> Iterable[Cause]:
    """Rules for a policy rule: verbs on resources, or on URLs."""
    if not rule.get("verbs"):
        yield causes.required(f"{path}.verbs", "verbs must contain at least one value")
    urls = rule.get("nonResourceURLs") or []
    if urls:
        if not cluster_wide:
            why = "namespaced rules cannot apply to non-resource URLs"
            yield causes.invalid(f"{path}.nonResourceURLs", urls, why)
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            yield causes.invalid(f"{path}.nonResourceURLs", urls, why)
        return
    if not rule.get("apiGroups"):
        yield causes.required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield causes.required(f"{path}.resources", "resource rules must supply at least one resource")


def _subjects(kind: str) -> Callable[[Object, Clock], object]:
    def cell(obj: Object, _clock: Clock) -> str:
        found = [subject for subject in obj.get("subjects") or [] if subject.get("kind") == kind]
        spaces = [f"{subject.get('namespace', '')}/" if kind == "ServiceAccount" else "" for subject in found]
        return ", ".join(f"{space}{subject.get('name', '')}" for space, subject in zip(spaces, found, strict=True))

    return cell


def _role(obj: Object, _clock: Clock) -> str:
    reference = obj.get("roleRef") or {}
    return f"{reference.get('kind', '')}/{reference.get('name', '')}"


class Bindings(Kind):
    """Behaviour of RoleBinding and ClusterRoleBinding."""

    create_on_update: ClassVar[bool] = True
    update_without_version: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Role", _role, documents="roleRef"),
        printing.AGE,
        Column("Users", _subjects("User"), description="Users in the roleBinding", priority=1),
        Column("Groups", _subjects("Group"), description="Groups in the roleBinding", priority=1),
        Column(
            "ServiceAccounts", _subjects("ServiceAccount"), description="ServiceAccounts in the roleBinding", priority=1
        ),
    )

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        reference = obj.setdefault("roleRef", {})
        reference["apiGroup"] = reference.get("apiGroup") or GROUP
        for subject in obj.get("subjects") or []:
            if not subject.get("apiGroup") and subject.get("kind") in {"User", "Group"}:
                subject["apiGroup"] = GROUP

    def name_problems(self, name: str) -> Iterable[str]:
        """Names of bindings may be anything that a URL can hold."""
        return path_problems(name)

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        reference = obj.get("roleRef") or {}
        kinds = ("Role", "ClusterRole") if ctx.resource.namespaced else ("ClusterRole",)
        if reference.get("apiGroup") != GROUP:
            yield causes.not_supported("roleRef.apiGroup", reference.get("apiGroup", ""), (GROUP,))
        if reference.get("kind") not in kinds:
            yield causes.not_supported("roleRef.kind", reference.get("kind", ""), kinds)
        if not reference.get("name"):
            yield causes.required("roleRef.name")
        for index, subject in enumerate(obj.get("subjects") or []):
            yield from _subject_causes(subject, ctx.resource.namespaced, f"subjects[{index}]")

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        yield from self.validate(ctx, new)
        yield from super().validate_update(ctx, old, new)

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        if old.get("roleRef") != new.get("roleRef"):
            yield causes.invalid("roleRef", new.get("roleRef"), "cannot change roleRef")


def _subject_causes(subject: Object, namespaced: bool, path: str) -> Iterable[Cause]:
    kind = subject.get("kind", "")
    if not subject.get("name"):
        yield causes.required(f"{path}.name")
    if kind not in SUBJECT_KINDS:
        yield causes.not_supported(f"{path}.kind", kind, SUBJECT_KINDS)
    elif kind == "ServiceAccount":
        if not namespaced and not subject.get("namespace"):
            yield causes.required(f"{path}.namespace")
        if subject.get("apiGroup"):
            yield causes.not_supported(f"{path}.apiGroup", subject["apiGroup"], ("",))
    elif subject.get("apiGroup") != GROUP:
        yield causes.not_supported(f"{path}.apiGroup", subject.get("apiGroup", ""), (GROUP,))
