"""DELETE of one object and of a collection.

Source: apiserver 1.36, `registry/rest/delete.go` and `registry/generic/registry/store.go`.
"""

from __future__ import annotations

from datetime import timedelta

import attrs

from refimpl.api.errors import ApiError, Object, conflict, failure
from refimpl.apiserver import admission
from refimpl.apiserver.objects.cache import Entry
from refimpl.apiserver.strategy import Context
from refimpl.apiserver.verbs import deleteoptions, update
from refimpl.apiserver.verbs.call import Answer, Call, success
from refimpl.apiserver.verbs.deleteoptions import DeleteOptions
from refimpl.apiserver.verbs.read import Listing, find
from refimpl.clock import format_time

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


async def delete(call: Call) -> Answer:
    """Deletes an object, or makes it terminating."""
    options = deleteoptions.read(call)
    answer = await delete_with(call, options)
    if options.accepted and call.registry.entry(call.target.resource, call.target.name, call.target.namespace):
        return attrs.evolve(answer, status=202)
    return answer


async def delete_collection(call: Call) -> Listing:
    """Deletes every object a list with the same parameters would show; answers that list."""
    options = deleteoptions.read(call)
    listing = await find(call)
    for entry in listing.entries:
        namespace, name = entry.key
        one = attrs.evolve(call, target=attrs.evolve(call.target, namespace=namespace, name=name))
        try:
            await delete_with(one, options)
        except ApiError as error:
            if error.code != 404:
                raise
    return listing


async def delete_with(call: Call, options: DeleteOptions, *, admitted: bool = False) -> Answer:
    """Deletes the target with given options; also the end of an eviction.

    Args:
        call: the request.
        options: how to delete.
        admitted: admission has had its say about what led here.

    Raises:
        ApiError: 404, 409 when a precondition does not hold, and what admission raises.
    """

    async def attempt(entry: Entry, old: Object) -> Answer:
        check_preconditions(call, options, old)
        ctx = call.context("DELETE", dry_run=options.dry_run)
        if not admitted:
            admission.admit(ctx, old, None)
        return await _delete(ctx, call, options, entry, old)

    return await update.until_it_sticks(call, attempt)


def check_preconditions(call: Call, options: DeleteOptions, obj: Object) -> None:
    """Compares uid and resourceVersion with what the client insists on.

    Raises:
        ApiError: 409.
    """
    metadata = obj["metadata"]
    if call.strategy.marked_first:
        _check_marked_first(call, options, metadata)
    if options.uid is not None and options.uid != metadata["uid"]:
        raise _precondition(call, "UID", options.uid, metadata["uid"], "deleted and then recreated")
    version = options.resource_version
    if version is not None and version != metadata["resourceVersion"]:
        raise _precondition(call, "ResourceVersion", version, metadata["resourceVersion"], "modified")


def _check_marked_first(call: Call, options: DeleteOptions, metadata: Object) -> None:
    """Namespaces have a way of their own to look at preconditions, and words of their own."""
    for field, wanted, found in (
        ("UID", options.uid, metadata["uid"]),
        ("ResourceVersion", options.resource_version, metadata["resourceVersion"]),
    ):
        if wanted is not None and wanted != found:
            why = f"Precondition failed: {field} in precondition: {wanted}, {field} in object meta: {found}"
            raise conflict(call.target.resource, call.target.name, why)


def _precondition(call: Call, field: str, wanted: str, found: str, event: str) -> ApiError:
    resource, name = call.target.resource, call.target.name
    qualified = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    why = (
        f"the {field} in the precondition ({wanted}) does not match the {field} in record ({found}). "
        f"The object might have been {event}"
    )
    details = {"name": name, **({"group": resource.group} if resource.group else {}), "kind": resource.kind}
    return failure(409, "Conflict", f'Operation cannot be fulfilled on {qualified} "{name}": {why}', details)


async def _delete(ctx: Context, call: Call, options: DeleteOptions, entry: Entry, old: Object) -> Answer:
    new = call.registry.decode(ctx.resource, entry.item)
    metadata = new["metadata"]
    finalizers = wanted_finalizers(call, options, metadata.get("finalizers") or [])
    _set_finalizers(metadata, finalizers)
    if call.strategy.marked_first and "deletionTimestamp" not in metadata:
        metadata["deletionTimestamp"] = call.clock.timestamp()
        call.strategy.mark_terminating(ctx, new)
        return await _keep(ctx, call, entry, old, new)
    held = bool(finalizers) or call.strategy.holds_deletion(new)
    if not call.strategy.graceful:
        if not held:
            return await _remove(ctx, call, entry, old)
        if not call.strategy.marked_first:
            mark_at_once(ctx, call, new)
        return await _keep(ctx, call, entry, old, new)
    if not mark_gracefully(ctx, call, new, options.grace_period):
        return await _keep(ctx, call, entry, old, old)
    if held or metadata["deletionGracePeriodSeconds"]:
        return await _keep(ctx, call, entry, old, new)
    return await _mark_and_remove(ctx, call, entry, new)


async def _keep(ctx: Context, call: Call, entry: Entry, old: Object, new: Object) -> Answer:
    """Stores a terminating object; the answer shows it."""
    if new == old:
        return Answer(200, item=call.registry.item(ctx.resource, entry.item))
    if ctx.dry_run:
        return Answer(200, obj=new)
    written = await call.registry.write(ctx.resource, new, entry.revision)
    return Answer(200, item=call.registry.item(ctx.resource, written.item))


async def _remove(ctx: Context, call: Call, entry: Entry, old: Object) -> Answer:
    if not ctx.dry_run:
        old["metadata"]["resourceVersion"] = str(await call.registry.remove(ctx.resource, entry))
    if call.strategy.answers_delete_with_object:
        return Answer(200, obj=old)
    return Answer(200, obj=success(call.target, old["metadata"]["uid"]), plain=True)


async def _mark_and_remove(ctx: Context, call: Call, entry: Entry, new: Object) -> Answer:
    """Removes an object of a graceful kind: watchers see it terminating first."""
    if not ctx.dry_run:
        marked = await call.registry.write(ctx.resource, new, entry.revision)
        revision = await call.registry.remove(ctx.resource, marked)
        new["metadata"]["resourceVersion"] = str(revision)
    if call.strategy.answers_delete_with_object:
        return Answer(200, obj=new)
    return Answer(200, obj=success(call.target, new["metadata"]["uid"]), plain=True)


def _set_finalizers(metadata: Object, finalizers: list[str]) -> None:
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)


def wanted_finalizers(call: Call, options: DeleteOptions, present: list[str]) -> list[str]:
    """The finalizers after a delete request: propagation policies are carried out by finalizers."""
    policy = options.propagation
    if policy is None and call.strategy.default_propagation == "Orphan" and not {FOREGROUND, ORPHAN} & set(present):
        policy = "Orphan"
    if policy is None:
        return list(present)
    kept = [finalizer for finalizer in present if finalizer not in {FOREGROUND, ORPHAN}]
    added = {"Orphan": ORPHAN, "Foreground": FOREGROUND}.get(policy)
    return [*kept, added] if added else kept


def mark_at_once(ctx: Context, call: Call, obj: Object) -> None:
    """Makes an object terminating that only finalizers keep."""
    metadata = obj["metadata"]
    if "deletionTimestamp" in metadata:
        metadata["deletionGracePeriodSeconds"] = 0
        return
    _set_deadline(call, obj, 0)
    call.strategy.mark_terminating(ctx, obj)


def mark_gracefully(ctx: Context, call: Call, obj: Object, requested: int | None) -> bool:
    """Makes an object of a graceful kind terminating, or shortens the grace period that runs.

    Returns:
        False when it is terminating already and its grace period stays as it is.
    """
    metadata = obj["metadata"]
    if "deletionTimestamp" not in metadata:
        _set_deadline(call, obj, call.strategy.grace_period(obj, requested))
        call.strategy.mark_terminating(ctx, obj)
        return True
    running = metadata.get("deletionGracePeriodSeconds")
    if running is None or requested is None or requested >= running:
        return False
    _set_deadline(call, obj, requested)
    return True


def _set_deadline(call: Call, obj: Object, grace: int) -> None:
    metadata = obj["metadata"]
    if metadata.get("generation") and "deletionTimestamp" not in metadata:
        metadata["generation"] += 1
    metadata["deletionTimestamp"] = format_time(call.clock.now() + timedelta(seconds=_duration(grace)))
    metadata["deletionGracePeriodSeconds"] = grace


def _duration(seconds: int) -> int:
    """Seconds as a Go duration counts them: beyond 292 years it wraps around."""
    nanoseconds = (seconds * 10**9 + 2**63) % 2**64 - 2**63
    return nanoseconds // 10**9
