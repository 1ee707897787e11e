"""Rules for `metadata` that hold for every kind.

Source: kube-apiserver 1.36 `apimachinery/pkg/api/validation` and `apiserver/pkg/registry/rest`. On update the real
server checks metadata several times over (for all kinds alike, then in the kind's own rules) and lists every cause that
often; clients can see that, so it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from refimpl.api import names
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes
from refimpl.apiserver.strategy import Context, Strategy

MAX_ANNOTATION_BYTES: Final = 256 * 1024
STANDARD_FINALIZERS: Final = frozenset({"kubernetes", "orphan", "foregroundDeletion"})

_FIXED: Final = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")

NameProblems = Callable[[str], Iterable[str]]


def validate_create(ctx: Context, strategy: Strategy, obj: Object) -> list[Cause]:
    """What is wrong with the metadata of a new object."""
    found = list(object_causes(obj, ctx.resource.namespaced, strategy.name_problems))
    return found or list(_name_causes(obj["metadata"], path_problems))


def validate_update(ctx: Context, old: Object, new: Object) -> list[Cause]:
    """What is wrong with the metadata of a changed object, as far as all kinds are checked alike."""
    if _same(old, new):
        return []
    found = list(common_causes(new["metadata"], ctx.resource.namespaced, path_problems))
    return [*found, *change_causes(old["metadata"], new["metadata"])]


def object_causes(obj: Object, namespaced: bool, problems: NameProblems) -> Iterable[Cause]:
    """The rules that a kind itself applies to the metadata of an object.

    Args:
        obj: the object.
        namespaced: whether objects of the kind live in namespaces.
        problems: the kind's rule for names.
    """
    metadata = obj["metadata"]
    yield from common_causes(metadata, namespaced, problems)
    yield from short_finalizer_causes(metadata.get("finalizers") or [])


def kind_change_causes(old: Object, new: Object) -> Iterable[Cause]:
    """The rules that a kind itself applies to a change of metadata."""
    if _same(old, new):
        return
    yield from change_causes(old["metadata"], new["metadata"])
    yield from short_finalizer_causes(new["metadata"].get("finalizers") or [])


def path_problems(name: str) -> Iterable[str]:
    """What is wrong with a name as part of a URL; holds for all kinds."""
    if name in {".", ".."}:
        return (f"may not be '{name}'",)
    return tuple(f"may not contain '{character}'" for character in "/%" if character in name)


def common_causes(metadata: Object, namespaced: bool, problems: NameProblems) -> Iterable[Cause]:
    """Name, namespace, labels, annotations, owners and finalizers."""
    yield from _name_causes(metadata, problems)
    if namespaced:
        for why in names.dns1123_label(metadata.get("namespace", "")):
            yield causes.invalid("metadata.namespace", metadata.get("namespace", ""), why)
    if metadata.get("generation", 0) < 0:
        yield causes.invalid("metadata.generation", metadata["generation"], "must be greater than or equal to 0")
    yield from label_causes(metadata.get("labels"), "metadata.labels")
    yield from annotation_causes(metadata.get("annotations"), "metadata.annotations")
    yield from owner_causes(metadata.get("ownerReferences") or [])
    yield from finalizer_causes(metadata.get("finalizers") or [])


def _name_causes(metadata: Object, problems: NameProblems) -> Iterable[Cause]:
    prefix, name = metadata.get("generateName", ""), metadata.get("name", "")
    if prefix:
        for why in problems(names.of_prefix(prefix)):
            yield causes.invalid("metadata.generateName", prefix, why)
    if not name:
        yield causes.required("metadata.name", "name or generateName is required")
        return
    for why in problems(name):
        yield causes.invalid("metadata.name", name, why)


def label_causes(labels: dict[str, str] | None, path: str) -> Iterable[Cause]:
    """Labels, or a selector made of labels."""
    for key, value in sorted((labels or {}).items()):
        for why in names.qualified_name(key):
            yield causes.invalid(path, key, why)
        for why in names.label_value(value):
            yield causes.invalid(path, value, why)


def annotation_causes(annotations: dict[str, str] | None, path: str) -> Iterable[Cause]:
    """Annotations: keys like those of labels in any case of letters, all together of limited size."""
    total = 0
    for key, value in sorted((annotations or {}).items()):
        for why in names.qualified_name(key.lower()):
            yield causes.invalid(path, key, why)
        total += len(key.encode()) + len(value.encode())
    if total > MAX_ANNOTATION_BYTES:
        yield causes.too_long(path, MAX_ANNOTATION_BYTES)


def owner_causes(owners: list[Object]) -> Iterable[Cause]:
    """Owner references: complete, not an Event, at most one controller."""
    path = "metadata.ownerReferences"
    controller = ""
    for owner in owners:
        yield from _owner_causes(owner, path)
        if owner.get("controller"):
            this = f"{owner.get('kind', '')}/{owner.get('name', '')}"
            if controller:
                both = f'Found "true" in references for {controller} and {this}'
                yield causes.invalid(path, owners, f"Only one reference can have Controller set to true. {both}")
            else:
                controller = this


def _owner_causes(owner: Object, path: str) -> Iterable[Cause]:
    group, _, version = owner.get("apiVersion", "").rpartition("/")
    if not version or "/" in group:
        yield causes.invalid(f"{path}.apiVersion", owner.get("apiVersion", ""), "version must not be empty")
    for key in ("kind", "name", "uid"):
        if not owner.get(key):
            yield causes.invalid(f"{path}.{key}", "", "must not be empty")
    if (group, version, owner.get("kind")) == ("", "v1", "Event"):
        yield causes.invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner")


def finalizer_causes(finalizers: list[str]) -> Iterable[Cause]:
    """Finalizers are qualified names, and do not ask for both ways to treat dependents."""
    path = "metadata.finalizers"
    for finalizer in finalizers:
        for why in names.qualified_name(finalizer):
            yield causes.invalid(path, finalizer, why)
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        why = "finalizer orphan and foregroundDeletion cannot be both set"
        yield causes.invalid(path, finalizers, why)


def short_finalizer_causes(finalizers: list[str]) -> Iterable[Cause]:
    """A finalizer without a domain is one that Kubernetes itself defines."""
    for index, finalizer in enumerate(finalizers):
        if "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            yield causes.invalid(f"metadata.finalizers[{index}]", finalizer, why)


def change_causes(old: Object, new: Object) -> Iterable[Cause]:
    """What may not change in metadata."""
    if old.get("deletionTimestamp"):
        yield from _new_finalizer_causes(old.get("finalizers") or [], new.get("finalizers") or [])
    for key in _FIXED:
        yield from causes.immutable(f"metadata.{key}", _default(key, old), _default(key, new))
    yield from label_causes(new.get("labels"), "metadata.labels")
    yield from annotation_causes(new.get("annotations"), "metadata.annotations")
    yield from owner_causes(new.get("ownerReferences") or [])


def _default(key: str, metadata: Object) -> Any:
    return metadata.get(key, "" if key in {"name", "namespace", "uid"} else None)


def _new_finalizer_causes(old: list[str], new: list[str]) -> Iterable[Cause]:
    added = sorted(set(new) - set(old))
    if added:
        listed = ", ".join(causes.show(finalizer) for finalizer in added)
        why = (
            f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}"
        )
        yield causes.forbidden("metadata.finalizers", why)


def _same(old: Object, new: Object) -> bool:
    """Whether nothing that these rules look at has changed: the usual case of a status report or a renewal."""
    before, after = old["metadata"], new["metadata"]
    if before == after:
        return True
    ignored = {"resourceVersion", "managedFields", "generation"}
    return {key: value for key, value in before.items() if key not in ignored} == {
        key: value for key, value in after.items() if key not in ignored
    }
