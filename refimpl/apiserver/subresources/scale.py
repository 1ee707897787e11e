"""`scale`: the replica count of a workload as an `autoscaling/v1` Scale.

Source: kube-apiserver 1.36, `registry/apps/*/storage` and `registry/core/replicationcontroller/storage`.
"""

from __future__ import annotations

from typing import ClassVar, Final

import attrs

from refimpl.api import selectors
from refimpl.api.errors import ApiError, Cause, Object, conflict, invalid, not_found
from refimpl.api.http import Response
from refimpl.api.resources import REPLICATIONCONTROLLERS, Resource
from refimpl.apiserver.kinds import printing
from refimpl.apiserver.kinds.kind import Kind
from refimpl.apiserver.strategy import Column
from refimpl.apiserver.verbs import decoding, patch, rendering, update, writeoptions
from refimpl.apiserver.verbs.call import Answer, Call

SCALES = Resource("autoscaling", "v1", "Scale", "scales")
_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


async def get(call: Call) -> Answer:
    """Reads the scale of a workload.

    Raises:
        ApiError: 404.
    """
    target = call.target
    workload = call.registry.get(target.resource, target.name, target.namespace)
    if workload is None:
        raise not_found(target.resource, target.name)
    return Answer(200, obj=scale_of(target.resource, workload))


async def put(call: Call) -> Answer:
    """Sets the replica count; a resourceVersion in the body must be the current one.

    Raises:
        ApiError: 400, 404, 409, 422.
    """
    options = writeoptions.read(call, "UpdateOptions")
    scale = decoding.read_object(call, options.field_validation, SCALES)
    return await _store(call, lambda _: scale, dry_run=options.dry_run)


async def patch_scale(call: Call) -> Answer:
    """Patches the Scale, not the workload.

    Raises:
        ApiError: as for `put`, and what the patch costs.
    """
    options = writeoptions.read(call, "PatchOptions")
    return await _store(call, patch.transformation(call, options, SCALES), dry_run=options.dry_run)


async def _store(call: Call, transform: update.Transform, *, dry_run: bool) -> Answer:
    """Carries a change of the Scale over to the workload, through the workload's own update."""
    resource = call.target.resource
    whole = attrs.evolve(call, target=attrs.evolve(call.target, subresource=""))

    def to_workload(workload: Object) -> Object:
        scale = transform(scale_of(resource, workload))
        _check(call, workload, scale)
        workload.setdefault("spec", {})["replicas"] = (scale.get("spec") or {}).get("replicas", 0)
        return workload

    answer = await update.change(whole, to_workload, dry_run=dry_run)
    workload = answer.obj if answer.obj is not None else call.registry.decode(resource, answer.item or b"")
    return Answer(200, obj=scale_of(resource, workload))


def _check(call: Call, workload: Object, scale: Object) -> None:
    metadata = scale.get("metadata") or {}
    update.check_name(call, metadata)
    wanted, found = metadata.get("uid", ""), workload["metadata"]["uid"]
    if wanted and wanted != found:
        raise _another(call, wanted, found)
    version = metadata.get("resourceVersion", "")
    if version and version != workload["metadata"]["resourceVersion"]:
        raise conflict(call.target.resource, call.target.name)
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if replicas < 0:
        why = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise invalid(SCALES, call.target.name, [Cause("FieldValueInvalid", why, "spec.replicas")])


def _another(call: Call, wanted: str, found: str) -> ApiError:
    """409: the Scale is that of an earlier workload of the same name."""
    resource, name = call.target.resource, call.target.name
    if call.request.method == "PUT":
        return conflict(resource, name, update.storage_precondition(call, wanted, found))
    why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    return conflict(attrs.evolve(resource, plural=f"{resource.plural}/scale"), name, why)


class Scales(Kind):
    """How a Scale is shown in a Table."""

    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Desired", printing.field("spec.replicas", 0), type="integer", documents="spec.replicas"),
        Column("Available", printing.field("status.replicas", 0), type="integer", documents="status.replicas"),
        printing.AGE,
    )


SHOWN: Final = Scales()


def rendered(call: Call, answer: Answer) -> Response:
    """The answer with a Scale, in the form that was asked for."""
    target = attrs.evolve(call.target, resource=SCALES)
    return rendering.render(attrs.evolve(call, target=target, strategy=SHOWN), answer)


def scale_of(resource: Resource, workload: Object) -> Object:
    """The Scale of a workload."""
    metadata, spec, status = workload["metadata"], workload.get("spec") or {}, workload.get("status") or {}
    shown = {"replicas": status.get("replicas", 0)}
    selector = selector_text(resource, spec.get("selector"))
    if selector:
        shown["selector"] = selector
    replicas = spec.get("replicas", 0)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in _METADATA if key in metadata},
        "spec": {"replicas": replicas} if replicas else {},
        "status": shown,
    }


def selector_text(resource: Resource, selector: Object | None) -> str:
    """A workload's selector in the form of a query."""
    if resource is REPLICATIONCONTROLLERS:
        return ",".join(f"{key}={value}" for key, value in sorted((selector or {}).items()))
    try:
        return str(selectors.from_object(selector))
    except ValueError:
        return ""
