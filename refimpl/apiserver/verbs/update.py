"""PUT and the loop that every change of a stored object goes through: read, change, check, compare and swap.

Source: apiserver 1.36, `registry/generic/registry/store.go` and `registry/rest/update.go`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from refimpl.api.errors import (
    OBJECT_MODIFIED,
    ApiError,
    Cause,
    Object,
    bad_request,
    conflict,
    failure,
    invalid,
    not_found,
)
from refimpl.apiserver import admission
from refimpl.apiserver.kinds import metadata as metadata_rules
from refimpl.apiserver.objects.cache import Entry
from refimpl.apiserver.strategy import Context
from refimpl.apiserver.verbs import create, decoding, fieldmanager, writeoptions
from refimpl.apiserver.verbs.call import Answer, Call
from refimpl.storage.base import Mismatch

Transform = Callable[[Object], Object]
"""Makes the wanted object from the stored one (a private tree it may change)."""

Fresh = Callable[[], Object]
"""Decodes the stored object once more."""

Note = Callable[[Call, Object, Object], None]
"""Notes in the new object who owns its fields."""

_SET_BY_SERVER = ("creationTimestamp", "generation")
_NEVER_REMOVED = ("uid", "deletionTimestamp", "deletionGracePeriodSeconds")
_UNSET = frozenset({"", "0"})


async def put(call: Call) -> Answer:
    """Replaces an object, or creates it where the kind allows that.

    Raises:
        ApiError: 400, 404, 409, 415, 422.
    """
    options = writeoptions.read(call, "UpdateOptions")
    new = decoding.read_object(call, options.field_validation)
    target = call.target
    check_name(call, new["metadata"])
    create.check_namespace(call, new["metadata"])
    if call.registry.entry(target.resource, target.name, target.namespace) is None:
        return await _put_missing(call, new, dry_run=options.dry_run)
    return await _apply(call, lambda _: new, dry_run=options.dry_run)


async def _put_missing(call: Call, new: Object, *, dry_run: bool) -> Answer:
    target, metadata = call.target, new["metadata"]
    if not call.strategy.create_on_update or target.subresource:
        raise not_found(target.resource, target.name)
    if metadata.get("uid"):
        raise conflict(target.resource, target.name, storage_precondition(call, metadata["uid"], ""))
    if metadata.get("resourceVersion", "") not in _UNSET:
        raise conflict(target.resource, target.name)
    return await create.store_new(call, new, dry_run=dry_run)


def check_name(call: Call, metadata: Object) -> None:
    """The name in the body must be that of the URL.

    Raises:
        ApiError: 400.
    """
    name = metadata.get("name")
    if not name:
        why = f"the name of the object ({call.target.name} based on URL) was undeterminable: name must be provided"
        raise bad_request(why)
    if name != call.target.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({call.target.name})")


async def change(
    call: Call, transform: Transform, *, dry_run: bool = False, note: Note = fieldmanager.note_changed
) -> Answer:
    """Applies a client's change to the stored object until it sticks or cannot.

    Raises:
        ApiError: 404, 409 when the change names another resourceVersion or uid, 422, and what `transform` raises.
    """
    return await _apply(call, lambda fresh: transform(fresh()), dry_run=dry_run, note=note)


async def _apply(
    call: Call, make: Callable[[Fresh], Object], *, dry_run: bool, note: Note = fieldmanager.note_changed
) -> Answer:
    async def attempt(entry: Entry, old: Object) -> Answer:
        new = make(partial(call.registry.decode, call.target.resource, entry.item))
        check_version(call, entry, new["metadata"])
        keep_metadata(call, old, new)
        ctx = call.context("UPDATE", dry_run=dry_run)
        prepare(ctx, call, old, new, note)
        return await store(ctx, call, entry, old, new)

    return await until_it_sticks(call, attempt)


async def rewrite(call: Call, transform: Transform, *, dry_run: bool = False) -> Answer:
    """Applies a change of the server's own (a binding, a condition): no admission, no validation.

    Raises:
        ApiError: 404, and what `transform` raises.
    """

    async def attempt(entry: Entry, old: Object) -> Answer:
        new = transform(call.registry.decode(call.target.resource, entry.item))
        return await store(call.context("UPDATE", dry_run=dry_run), call, entry, old, new)

    return await until_it_sticks(call, attempt)


async def until_it_sticks(call: Call, attempt: Callable[[Entry, Object], Awaitable[Answer]]) -> Answer:
    """Has a write of the target attempted until nobody else wrote it meanwhile.

    Args:
        call: the request.
        attempt: given the stored object, as entry and decoded, answers what it made of it, or raises `Mismatch`.

    Raises:
        ApiError: 404, and what the attempt raises.
    """
    target = call.target
    while True:
        entry = call.registry.entry(target.resource, target.name, target.namespace)
        if entry is None:
            raise not_found(target.resource, target.name)
        try:
            return await attempt(entry, call.registry.decode(target.resource, entry.item))
        except Mismatch as mismatch:
            await call.registry.reach(mismatch.revision)


def check_version(call: Call, entry: Entry, metadata: Object) -> None:
    """Compares the resourceVersion of the wanted object with the stored one.

    Raises:
        ApiError: 409, 422 when the kind insists on a version, 500 when it is no number.
    """
    target = call.target
    given = metadata.get("resourceVersion") or ""
    if given in _UNSET:
        if call.request.method == "PUT" and not call.strategy.update_without_version:
            raise _version_required(call)
    elif not (given.isascii() and given.isdigit()):
        raise failure(500, "", f'strconv.ParseUint: parsing "{given}": invalid syntax')
    elif int(given) != entry.revision:
        raise conflict(target.resource, target.name, OBJECT_MODIFIED)


def _version_required(call: Call) -> ApiError:
    """422, which names the resource where other invalid objects name their kind."""
    resource, name = call.target.resource, call.target.name
    cause = Cause("FieldValueInvalid", "Invalid value: 0: must be specified for an update", "metadata.resourceVersion")
    details: Object = {"name": name}
    if resource.group:
        details["group"] = resource.group
    details |= {"kind": resource.plural, "causes": [cause.to_wire()]}
    message = f'{resource.qualified_plural} "{name}" is invalid: {cause.field}: {cause.message}'
    return failure(422, "Invalid", message, details)


def keep_metadata(call: Call, old: Object, new: Object) -> None:
    """Restores what an update cannot change or leave out; what it may not change is refused by validation.

    Raises:
        ApiError: 409, the object of a PUT has another uid.
    """
    before, after = old["metadata"], new["metadata"]
    wanted = after.get("uid")
    if wanted and wanted != before["uid"] and call.request.method == "PUT":
        why = storage_precondition(call, wanted, before["uid"])
        raise conflict(call.target.resource, call.target.name, why)
    owners = fieldmanager.owners(call, before.get("managedFields"), after.get("managedFields"))
    fieldmanager.name_owners(after, owners)
    after.pop("selfLink", None)
    for field in _SET_BY_SERVER:
        if field in before:
            after[field] = before[field]
        else:
            after.pop(field, None)
    for field in _NEVER_REMOVED:
        if field in before and not after.get(field):
            after[field] = before[field]
    after["resourceVersion"] = before["resourceVersion"]


def storage_precondition(call: Call, wanted: str, found: str) -> str:
    """What is said about an object that is not the one a uid names."""
    key = call.registry.storage_key(call.target.resource, (call.target.namespace, call.target.name))
    return (
        f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
        f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    )


def prepare(ctx: Context, call: Call, old: Object, new: Object, note: Note = fieldmanager.note_changed) -> None:
    """Defaults, admission, the kind's own preparation, validation, generation."""
    strategy = call.strategy
    strategy.default_changed(old, new)
    note(call, old, new)
    admission.admit(ctx, old, new)
    if ctx.subresource:
        strategy.prepare_for_status_update(ctx, old, new)
        causes = [*metadata_rules.validate_update(ctx, old, new), *strategy.validate_status_update(ctx, old, new)]
    else:
        strategy.prepare_for_update(ctx, old, new)
        causes = [*metadata_rules.validate_update(ctx, old, new), *strategy.validate_update(ctx, old, new)]
    if causes:
        raise invalid(call.strategy.stored_as or ctx.resource, ctx.name, causes)
    if not ctx.subresource:
        strategy.begin_update(ctx, old, new)
        if strategy.has_generation and strategy.counted(old) != strategy.counted(new):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


async def store(ctx: Context, call: Call, entry: Entry, old: Object, new: Object) -> Answer:
    """Writes a changed object, removes it when nothing holds it any more, or does nothing when nothing changed.

    Raises:
        Mismatch: the stored object has changed meanwhile.
    """
    if completes_deletion(call, new):
        if not ctx.dry_run:
            await call.registry.remove(ctx.resource, entry)
        return Answer(200, obj=new)
    if ctx.dry_run:
        return Answer(200, obj=new)
    if is_unchanged(old, new):
        return Answer(200, item=call.registry.item(ctx.resource, entry.item))
    written = await call.registry.write(ctx.resource, new, entry.revision)
    return Answer(200, item=call.registry.item(ctx.resource, written.item))


def is_unchanged(old: Object, new: Object) -> bool:
    """Whether a write would change nothing: then it makes no version and no event."""
    return old == new


def completes_deletion(call: Call, obj: Object) -> bool:
    """Whether a terminating object has nothing left that keeps it."""
    metadata = obj["metadata"]
    return (
        "deletionTimestamp" in metadata
        and not metadata.get("deletionGracePeriodSeconds")
        and not metadata.get("finalizers")
        and not call.strategy.holds_deletion(obj)
    )
