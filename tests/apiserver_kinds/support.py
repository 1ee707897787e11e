"""Runs objects through strategies as the generic verbs do, without a server."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import attrs

from refimpl.api.errors import Cause, Object
from refimpl.api.fieldlabels import FieldReader
from refimpl.api.http import ADMIN
from refimpl.api.resources import NAMESPACES, Resource
from refimpl.apiserver import admission
from refimpl.apiserver.kinds import metadata, strategy_for
from refimpl.apiserver.settings import DEFAULTS, Settings
from refimpl.apiserver.strategy import Context, Operation
from refimpl.clock import Clock

ACTIVE = {"metadata": {"name": "default"}, "status": {"phase": "Active"}}


@attrs.define
class Stored:
    """Objects that a strategy or an admission step can read."""

    objects: dict[tuple[Resource, str, str], Object] = attrs.field(factory=dict)

    def put(self, resource: Resource, obj: Object) -> None:
        about = obj["metadata"]
        self.objects[resource, about.get("namespace", ""), about["name"]] = obj

    def get(self, resource: Resource, name: str, namespace: str = "") -> Object | None:
        return self.objects.get((resource, namespace, name))

    def fields(self, resource: Resource, name: str, namespace: str = "") -> Mapping[str, str] | None:
        found = self.get(resource, name, namespace)
        return None if found is None else FieldReader(strategy_for(resource).fields).read(found)

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Object]:
        for (row, space, _), obj in self.objects.items():
            if row is resource and namespace in {"", space}:
                yield obj


def stored(*pairs: tuple[Resource, Object]) -> Stored:
    found = Stored()
    found.put(NAMESPACES, ACTIVE)
    for resource, obj in pairs:
        found.put(resource, obj)
    return found


def context(
    resource: Resource,
    operation: Operation = "CREATE",
    *,
    name: str = "x",
    subresource: str = "",
    reader: Stored | None = None,
    settings: Settings = DEFAULTS,
    seed: int = 0,
) -> Context:
    return Context(
        resource=resource,
        subresource=subresource,
        operation=operation,
        user=ADMIN,
        namespace="default" if resource.namespaced else "",
        name=name,
        clock=Clock.virtual(seed),
        reader=reader or stored(),
        settings=settings,
    )


def named(resource: Resource, body: Object, name: str = "x") -> Object:
    obj = copy.deepcopy(body)
    about = obj.setdefault("metadata", {})
    about.setdefault("name", name)
    about.setdefault("uid", "00000000-0000-4000-8000-000000000001")
    if resource.namespaced:
        about.setdefault("namespace", "default")
    return obj


def create(resource: Resource, body: Object, ctx: Context | None = None) -> tuple[Object, list[Cause]]:
    """What would be stored, and what is wrong with it."""
    strategy = strategy_for(resource)
    obj = named(resource, body)
    ctx = ctx or context(resource, name=obj["metadata"]["name"])
    strategy.default(obj)
    admission.admit(ctx, None, obj)
    strategy.prepare_for_create(ctx, obj)
    causes = [*metadata.validate_create(ctx, strategy, obj), *strategy.validate(ctx, obj)]
    if not causes:
        strategy.begin_create(ctx, obj)
    return obj, causes


def accepted(resource: Resource, body: Object, ctx: Context | None = None) -> Object:
    obj, causes = create(resource, body, ctx)
    assert not causes, causes
    return obj


def refused(resource: Resource, body: Object) -> list[str]:
    """`field: message` of every cause."""
    return texts(create(resource, body)[1])


def texts(causes: Iterable[Cause]) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in causes]


def update(resource: Resource, old: Object, new: Object, subresource: str = "") -> tuple[Object, list[str]]:
    """What would be stored instead of `old`, and what is wrong with it."""
    strategy, new = strategy_for(resource), copy.deepcopy(new)
    ctx = context(resource, "UPDATE", name=old["metadata"]["name"], subresource=subresource)
    strategy.default(new)
    admission.admit(ctx, old, new)
    common = metadata.validate_update
    if subresource:
        strategy.prepare_for_status_update(ctx, old, new)
        causes = [*common(ctx, old, new), *strategy.validate_status_update(ctx, old, new)]
    else:
        strategy.prepare_for_update(ctx, old, new)
        causes = [*common(ctx, old, new), *strategy.validate_update(ctx, old, new)]
        if not causes:
            strategy.begin_update(ctx, old, new)
    return new, texts(causes)


def changed(obj: Object, **parts: Object) -> Object:
    """A copy with fields of top-level parts replaced; None removes a field."""
    copied = copy.deepcopy(obj)
    for part, values in parts.items():
        for key, value in values.items():
            if value is None:
                copied.get(part, {}).pop(key, None)
            else:
                copied.setdefault(part, {})[key] = value
    return copied


def pod(**spec: object) -> Object:
    return {"spec": {"containers": [{"name": "c", "image": "nginx"}], **spec}}


def container(**fields: object) -> Object:
    return {"spec": {"containers": [{"name": "c", "image": "nginx", **fields}]}}


def template(**labels: str) -> Object:
    return {"metadata": {"labels": labels}, **pod()}
