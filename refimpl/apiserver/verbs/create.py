"""POST of a new object."""

from __future__ import annotations

from refimpl.api import meta
from refimpl.api.errors import ApiError, Object, already_exists, bad_request, failure, invalid
from refimpl.apiserver import admission
from refimpl.apiserver.kinds import metadata as metadata_rules
from refimpl.apiserver.strategy import Context
from refimpl.apiserver.verbs import decoding, fieldmanager, writeoptions
from refimpl.apiserver.verbs.call import Answer, Call
from refimpl.storage.base import Mismatch

_MAX_GENERATED_BASE = 58
_ATTEMPTS = 8
_SERVER_FIELDS = ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields", "resourceVersion")


async def create(call: Call) -> Answer:
    """Creates an object.

    Raises:
        ApiError: 400, 403, 409, 422, or 500 for a resourceVersion in the body.
    """
    options = writeoptions.read(call, "CreateOptions")
    obj = decoding.read_object(call, options.field_validation)
    return await store_new(call, obj, dry_run=options.dry_run)


async def store_new(call: Call, obj: Object, *, dry_run: bool, applied: bool = False) -> Answer:
    """Completes, checks and stores a new object; also the way of a PUT that creates, and of an apply."""
    metadata = obj["metadata"]
    owners = metadata.get("managedFields") if applied else None
    check_namespace(call, metadata)
    if metadata.get("resourceVersion", "").strip("0").isdigit():
        raise failure(500, "", "resourceVersion should not be set on objects to be created")
    attempts = _ATTEMPTS if metadata.get("generateName") and not metadata.get("name") else 1
    for left in reversed(range(attempts)):
        complete_metadata(call, metadata)
        ctx = call.context("CREATE", name=metadata.get("name", ""), dry_run=dry_run)
        call.strategy.default(obj)
        if owners:
            metadata["managedFields"] = owners
        else:
            fieldmanager.note_created(call, obj)
        prepare(ctx, call, obj)
        if dry_run:
            if call.registry.entry(ctx.resource, metadata["name"], ctx.namespace) is not None:
                raise taken(ctx, metadata["name"])
            return Answer(201, obj=obj)
        try:
            entry = await call.registry.write(ctx.resource, obj, 0)
        except Mismatch:
            if not left:
                raise taken(ctx, metadata["name"]) from None
            metadata["name"] = ""
            continue
        return Answer(201, item=call.registry.item(ctx.resource, entry.item))
    raise AssertionError("the last attempt returns or raises")


def taken(ctx: Context, name: str) -> ApiError:
    """409: the name is in use; the text says so when what has it is on its way out."""
    found = ctx.reader.get(ctx.resource, name, ctx.namespace)
    error = already_exists(ctx.resource, name)
    if found is None or not meta.is_terminating(found):
        return error
    return ApiError({**error.status, "message": f"object is being deleted: {error.status['message']}"})


def check_namespace(call: Call, metadata: Object) -> None:
    """Fills in the namespace of the path, or refuses another one in the body."""
    if not call.target.resource.namespaced:
        metadata.pop("namespace", None)
        return
    given = metadata.get("namespace") or call.target.namespace
    if given != call.target.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    metadata["namespace"] = given


def complete_metadata(call: Call, metadata: Object) -> None:
    """Sets what only the server may say about a new object."""
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = generate_name(call, metadata["generateName"])
    for field in _SERVER_FIELDS:
        metadata.pop(field, None)
    metadata["uid"] = call.clock.uid()
    metadata["creationTimestamp"] = call.clock.timestamp()
    if call.strategy.has_generation:
        metadata["generation"] = 1


def generate_name(call: Call, base: str) -> str:
    """A name made of a prefix and random characters, never longer than 63."""
    return base[:_MAX_GENERATED_BASE] + call.clock.name_suffix()


def prepare(ctx: Context, call: Call, obj: Object) -> None:
    """Admission, the kind's own preparation, validation, allocation."""
    strategy = call.strategy
    admission.admit(ctx, None, obj)
    strategy.prepare_for_create(ctx, obj)
    causes = [*metadata_rules.validate_create(ctx, strategy, obj), *strategy.validate(ctx, obj)]
    if causes:
        raise invalid(call.strategy.stored_as or ctx.resource, obj["metadata"].get("name", ""), causes)
    strategy.begin_create(ctx, obj)
