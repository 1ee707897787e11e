"""DELETE of one object and of a collection."""

from __future__ import annotations

from datetime import timedelta

import attrs

from refimpl.api.errors import Object, conflict, not_found
from refimpl.apiserver import admission, decoding
from refimpl.apiserver.cache import Entry
from refimpl.apiserver.call import Answer, Call, success
from refimpl.apiserver.strategy import Context
from refimpl.clock import format_time
from refimpl.storage.base import Mismatch

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@attrs.frozen
class DeleteOptions:
    """How an object is to be deleted.

    Attributes:
        grace_period: seconds; None leaves it to the object.
        propagation: `Foreground`, `Background`, `Orphan`, or None for the kind's own.
        uid: precondition; None accepts any.
        resource_version: precondition; None accepts any.
        dry_run: change nothing.
    """

    grace_period: int | None = None
    propagation: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False


def read_options(call: Call) -> DeleteOptions:
    """Delete options from the body, or, without one, from the query."""
    if not call.request.body:
        return DeleteOptions(
            grace_period=call.integer("gracePeriodSeconds"),
            propagation=call.request.parameter("propagationPolicy"),
            dry_run=call.request.parameter("dryRun") == "All",
        )
    body = decoding.read_tree(call) or {}
    preconditions = body.get("preconditions") or {}
    propagation = body.get("propagationPolicy")
    if body.get("orphanDependents") is not None:
        propagation = "Orphan" if body["orphanDependents"] else "Background"
    return DeleteOptions(
        grace_period=body.get("gracePeriodSeconds"),
        propagation=propagation,
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        dry_run="All" in (body.get("dryRun") or ()),
    )


async def delete(call: Call) -> Answer:
    """Deletes an object, or marks it terminating."""
    return await delete_with(call, read_options(call))


async def delete_with(call: Call, options: DeleteOptions) -> Answer:
    """Deletes the target with given options; also the end of an eviction.

    Raises:
        ApiError: 404, 409 when a precondition does not hold, and what admission raises.
    """
    target = call.target
    while True:
        entry = call.registry.entry(target.resource, target.name, target.namespace)
        if entry is None:
            raise not_found(target.resource, target.name)
        old = call.registry.decode(target.resource, entry.item)
        check_preconditions(call, options, old)
        ctx = call.context("DELETE", dry_run=options.dry_run)
        admission.admit(ctx, old, None)
        try:
            return await _delete(ctx, call, options, entry, old)
        except Mismatch as mismatch:
            await call.registry.reach(mismatch.revision)


def check_preconditions(call: Call, options: DeleteOptions, obj: Object) -> None:
    """Compares uid and resourceVersion with what the client insists on."""
    metadata = obj["metadata"]
    for field, label, wanted in (
        ("uid", "UID", options.uid),
        ("resourceVersion", "ResourceVersion", options.resource_version),
    ):
        if wanted is not None and wanted != metadata[field]:
            raise conflict(
                call.target.resource,
                call.target.name,
                f"the {label} in the precondition ({wanted}) does not match the {label} in record ({metadata[field]}). "
                "The object might have been deleted and then recreated",
            )


async def _delete(ctx: Context, call: Call, options: DeleteOptions, entry: Entry, old: Object) -> Answer:
    new = call.registry.decode(ctx.resource, entry.item)
    grace = call.strategy.grace_period(old, options.grace_period)
    metadata = new["metadata"]
    finalizers = wanted_finalizers(call, options, metadata.get("finalizers") or [])
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)
    if not finalizers and not grace and not call.strategy.holds_deletion(new):
        if not ctx.dry_run:
            await call.registry.remove(ctx.resource, entry)
        return _removed(call, old)
    mark(ctx, call, new, grace)
    if ctx.dry_run:
        return Answer(200, obj=new)
    if new == old:
        return Answer(200, item=call.registry.item(ctx.resource, entry.item))
    written = await call.registry.write(ctx.resource, new, entry.revision)
    return Answer(200, item=call.registry.item(ctx.resource, written.item))


def wanted_finalizers(call: Call, options: DeleteOptions, present: list[str]) -> list[str]:
    """The finalizers after a delete request: the propagation policy is carried out by finalizers."""
    policy = options.propagation
    kept = [finalizer for finalizer in present if policy is None or finalizer not in {FOREGROUND, ORPHAN}]
    if policy is None and not {FOREGROUND, ORPHAN} & set(present) and call.strategy.default_propagation == "Orphan":
        policy = "Orphan"
    if policy == "Orphan":
        return [*kept, ORPHAN]
    if policy == "Foreground":
        return [*kept, FOREGROUND]
    return kept


def mark(ctx: Context, call: Call, obj: Object, grace: int) -> None:
    """Makes an object terminating; a later, shorter grace period shortens the one that runs."""
    metadata = obj["metadata"]
    if "deletionTimestamp" in metadata:
        running = metadata.get("deletionGracePeriodSeconds") or 0
        if grace >= running:
            return
    else:
        if metadata.get("generation"):
            metadata["generation"] += 1
        call.strategy.mark_terminating(ctx, obj)
    metadata["deletionTimestamp"] = format_time(call.clock.now() + timedelta(seconds=grace))
    metadata["deletionGracePeriodSeconds"] = grace


def _removed(call: Call, old: Object) -> Answer:
    if call.strategy.answers_delete_with_object:
        return Answer(200, obj=old)
    return Answer(200, obj=success(call.target, old["metadata"]["uid"]), plain=True)
