"""PUT and PATCH: one read-change-compare-and-swap loop for all of them."""

from __future__ import annotations

from collections.abc import Callable

from refimpl.api.errors import OBJECT_MODIFIED, Cause, Object, bad_request, conflict, failure, invalid, not_found
from refimpl.apiserver import admission, create, decoding
from refimpl.apiserver.cache import Entry
from refimpl.apiserver.call import Answer, Call
from refimpl.apiserver.kinds import metadata as metadata_rules
from refimpl.apiserver.strategy import Context
from refimpl.storage.base import Mismatch

Transform = Callable[[Object], Object]
"""Makes the wanted object from the stored one (a private tree it may change)."""

_KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "generateName")


async def put(call: Call) -> Answer:
    """Replaces an object, or creates it where the kind allows that."""
    new = decoding.read_object(call)
    target = call.target
    metadata = new["metadata"]
    name = metadata.get("name") or target.name
    if name != target.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
    metadata["name"] = name
    create.check_namespace(call, metadata)
    dry_run = call.request.parameter("dryRun") == "All"
    if call.registry.entry(target.resource, target.name, target.namespace) is None:
        if not call.strategy.create_on_update or target.subresource:
            raise not_found(target.resource, target.name)
        return await create.store_new(call, new, dry_run=dry_run)
    return await change(call, lambda _: new, dry_run=dry_run)


async def change(call: Call, transform: Transform, *, dry_run: bool = False) -> Answer:
    """Applies a change to the stored object until it sticks or cannot.

    Raises:
        ApiError: 404, 409 when the change names another resourceVersion or uid, 422, and what `transform` raises.
    """
    target = call.target
    while True:
        entry = call.registry.entry(target.resource, target.name, target.namespace)
        if entry is None:
            raise not_found(target.resource, target.name)
        old = call.registry.decode(target.resource, entry.item)
        new = transform(call.registry.decode(target.resource, entry.item))
        pinned = check_version(call, entry, new)
        keep_metadata(old, new)
        ctx = call.context("UPDATE", dry_run=dry_run)
        prepare(ctx, call, old, new)
        try:
            return await _store(ctx, call, entry, old, new)
        except Mismatch as mismatch:
            await call.registry.reach(mismatch.revision)
            if pinned:
                raise conflict(target.resource, target.name) from None


def check_version(call: Call, entry: Entry, new: Object) -> bool:
    """Compares the resourceVersion and uid of the wanted object with the stored one.

    Returns:
        Whether the request insists on the stored version.
    """
    target = call.target
    metadata = new["metadata"]
    given = metadata.get("resourceVersion") or ""
    if given in {"", "0"}:
        if not call.strategy.update_without_version and call.request.method == "PUT":
            cause = Cause(
                "FieldValueInvalid", "Invalid value: 0: must be specified for an update", "metadata.resourceVersion"
            )
            raise invalid(target.resource, target.name, [cause])
    elif not given.isdigit():
        raise failure(
            500, "", f'resourceVersion: Invalid value: "{given}": strconv.ParseUint: parsing "{given}": invalid syntax'
        )
    elif int(given) != entry.revision:
        raise conflict(target.resource, target.name, OBJECT_MODIFIED)
    return given not in {"", "0"} and call.request.method == "PUT"


def keep_metadata(old: Object, new: Object) -> None:
    """Restores what no update may change."""
    before, after = old["metadata"], new["metadata"]
    after.pop("managedFields", None)
    after.pop("selfLink", None)
    for field in _KEPT:
        if field in before:
            after[field] = before[field]
        else:
            after.pop(field, None)
    after["resourceVersion"] = before["resourceVersion"]


def prepare(ctx: Context, call: Call, old: Object, new: Object) -> None:
    """Defaults, admission, the kind's own preparation, validation, generation."""
    strategy = call.strategy
    strategy.default(new)
    admission.admit(ctx, old, new)
    if ctx.subresource:
        strategy.prepare_for_status_update(ctx, old, new)
        causes = [*metadata_rules.validate_update(ctx, old, new), *strategy.validate_status_update(ctx, old, new)]
    else:
        if strategy.has_status:
            _keep_status(old, new)
        strategy.prepare_for_update(ctx, old, new)
        causes = [*metadata_rules.validate_update(ctx, old, new), *strategy.validate_update(ctx, old, new)]
    if causes:
        raise invalid(ctx.resource, ctx.name, causes)
    if not ctx.subresource:
        strategy.begin_update(ctx, old, new)
        if strategy.has_generation and old.get("spec") != new.get("spec"):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def _keep_status(old: Object, new: Object) -> None:
    new.pop("status", None)
    if "status" in old:
        new["status"] = old["status"]


async def _store(ctx: Context, call: Call, entry: Entry, old: Object, new: Object) -> Answer:
    if completes_deletion(call, new):
        if not ctx.dry_run:
            await call.registry.remove(ctx.resource, entry)
        return Answer(200, obj=new)
    if ctx.dry_run:
        return Answer(200, obj=new)
    if new == old:
        return Answer(200, item=call.registry.item(ctx.resource, entry.item))
    written = await call.registry.write(ctx.resource, new, entry.revision)
    return Answer(200, item=call.registry.item(ctx.resource, written.item))


def completes_deletion(call: Call, obj: Object) -> bool:
    """Whether a terminating object has nothing left that keeps it."""
    metadata = obj["metadata"]
    return (
        "deletionTimestamp" in metadata
        and not metadata.get("deletionGracePeriodSeconds")
        and not metadata.get("finalizers")
        and not call.strategy.holds_deletion(obj)
    )
