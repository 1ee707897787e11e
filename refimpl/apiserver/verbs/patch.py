"""PATCH: JSON patch, merge patch, strategic merge patch and server-side apply.

Source: apiserver 1.36, `endpoints/handlers/patch.go`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refimpl.api import schema, strict, typed
from refimpl.api.errors import (
    ApiError,
    Cause,
    Object,
    bad_request,
    conflict,
    failure,
    invalid,
    unsupported_media_type,
)
from refimpl.api.jsontext import type_name
from refimpl.api.patch import failures, merge, operations, strategic
from refimpl.api.resources import Resource
from refimpl.api.schema import Struct
from refimpl.apiserver.verbs import create, decoding, fieldmanager, sharing, update, writeoptions
from refimpl.apiserver.verbs.call import Answer, Call
from refimpl.apiserver.verbs.writeoptions import WriteOptions

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
_ACCEPTED = (JSON_PATCH, MERGE, STRATEGIC, decoding.APPLY)

Refuse = Callable[[str | typed.DecodeError], ApiError]
"""Makes the answer to a patch that cannot be kept."""

_PATCH_OPTIONS = Resource("meta.k8s.io", "v1", "PatchOptions", "patchoptions")


async def patch(call: Call) -> Answer:
    """Changes parts of an object.

    Raises:
        ApiError: 400, 404, 409, 413, 415, 422, 500 for a strategic patch that cannot be merged.
    """
    options = writeoptions.read(call, "PatchOptions")
    if decoding.media_type(call) == decoding.APPLY:
        return await _apply(call, options)
    transform = transformation(call, options, call.target.resource)
    return await update.change(call, transform, dry_run=options.dry_run)


def transformation(call: Call, options: WriteOptions, resource: Resource) -> update.Transform:
    """What the body of a PATCH does to an object of a resource's kind.

    Raises:
        ApiError: 415; the transformation raises what the patch costs.
    """
    media_type = decoding.media_type(call)
    if media_type not in _ACCEPTED:
        raise unsupported_media_type(
            f"the body of the request was in an unknown format - accepted media types include: {', '.join(_ACCEPTED)}"
        )
    struct = schema.of_kind(resource.api_version, resource.kind)
    assert struct is not None

    def transform(obj: Object) -> Object:
        return _patched(call, options, resource, struct, media_type, obj)

    return transform


def _patched(
    call: Call, options: WriteOptions, resource: Resource, struct: Struct, media_type: str, obj: Object
) -> Object:
    body = call.request.body
    done: operations.Operations | None = None
    document: Object | None = None
    match media_type:
        case "application/json-patch+json":
            done = operations.read(body, checked=options.field_validation != "Ignore")
            patched = operations.apply(done, obj)
            refuse = _refuser(failures.undecodable, patched)
        case "application/merge-patch+json":
            document = merge.read(body)
            patched = merge.apply(document, obj)
            refuse = _refuser(failures.undecodable, patched)
        case _:
            document = strategic.read(body)
            patched = strategic.apply(struct, document, obj)
            refuse = _strategic_refuser(document)
    changed, kept = sharing.split(patched, obj)
    if options.field_validation != "Ignore":
        _report(call, options, resource, changed, refuse, document, done)
    return _decoded(call, resource, struct, patched, refuse, changed, kept)


def _refuser(make: Callable[[Any, str], ApiError], about: Object) -> Refuse:
    return lambda why: make(about, str(why))


def _strategic_refuser(document: Object) -> Refuse:
    """A strategic patch is merged as a tree; so its errors are those of filling structs from a tree."""

    def refuse(why: str | typed.DecodeError) -> ApiError:
        text = why if isinstance(why, str) else why.restoring
        return failures.undecodable_strategic(document, text)

    return refuse


def _report(
    call: Call,
    options: WriteOptions,
    resource: Resource,
    patched: Object,
    refuse: Refuse,
    document: Object | None,
    done: operations.Operations | None,
) -> None:
    """Unknown fields of the patched object and repeated keys of the patch: refused or warned of."""
    errors = strict.duplicate_fields(call.request.body, document)
    if done is not None:
        errors = [f"json patch {error}" for error in errors] + operations.unknown_members(done)
    errors += strict.unknown_fields(resource.api_version, resource.kind, patched)
    if errors and options.field_validation == "Strict":
        raise refuse(f"strict decoding error: {', '.join(errors)}")
    call.warnings[:] = errors


def _decoded(
    call: Call,
    resource: Resource,
    struct: Struct,
    patched: Object,
    refuse: Refuse,
    changed: Object,
    kept: Object,
) -> Object:
    """The patched object as a typed server holds it; a patch may not make another kind of it."""
    kind, api_version = str(patched.get("kind") or resource.kind), str(patched.get("apiVersion") or "")
    if not api_version and kind == resource.kind:
        # It is read as an object of the internal type, which has no names for JSON: so nobody finds its name.
        update.check_name(call, {})
    try:
        if (kind, api_version) != (resource.kind, resource.api_version):
            other = schema.of_kind(api_version, kind)
            if other is not None:
                typed.decode_struct(other, patched)
            raise refuse(decoding.not_convertible(resource, kind, api_version))
        obj = sharing.join(typed.decode_struct(struct, changed), kept, patched)
    except typed.DecodeError as wrong:
        raise refuse(wrong) from None
    obj["metadata"] = obj.get("metadata") or {}
    update.check_name(call, obj["metadata"])
    create.check_namespace(call, obj["metadata"])
    return {**obj, "kind": resource.kind, "apiVersion": resource.api_version}


async def _apply(call: Call, options: WriteOptions) -> Answer:
    """Server-side apply: the configuration is laid over the object, and what its manager no longer names is taken away.

    Raises:
        ApiError: 400, 409 when others own what would change, 422 without a field manager, 500 for unknown fields.
    """
    if not options.manager:
        why = "Required value: is required for apply patch"
        raise invalid(_PATCH_OPTIONS, "", [Cause("FieldValueRequired", why, "fieldManager")])
    target, resource = call.target, call.target.resource
    document = _applied(call, resource)
    if call.registry.entry(resource, target.name, target.namespace) is None and not target.subresource:
        _check_new(call, document["metadata"])
        made = fieldmanager.apply(call, None, document, manager=options.manager, force=options.force)
        obj = typed.decode(resource.api_version, resource.kind, made)
        obj["metadata"]["managedFields"] = made["metadata"].get("managedFields")
        return await create.store_new(call, obj, dry_run=options.dry_run, applied=True)
    struct = schema.of_kind(resource.api_version, resource.kind)
    assert struct is not None
    owners: list[Object] = []

    def merged(obj: Object) -> Object:
        patched = fieldmanager.apply(call, obj, document, manager=options.manager, force=options.force)
        owners[:] = patched["metadata"].pop("managedFields", [])
        refuse = _refuser(failures.undecodable, patched)
        return _decoded(call, resource, struct, patched, refuse, *sharing.split(patched, obj))

    def note(_call: Call, _old: Object, new: Object) -> None:
        fieldmanager.name_owners(new["metadata"], list(owners))

    return await update.change(call, merged, dry_run=options.dry_run, note=note)


def _check_new(call: Call, metadata: Object) -> None:
    """A configuration that makes an object means none that was there; which version of it, is not looked at.

    Raises:
        ApiError: 409.
    """
    metadata.pop("resourceVersion", None)
    if metadata.get("uid"):
        why = f"uid mismatch: the provided object specified uid {metadata['uid']}, and no existing object was found"
        raise conflict(call.target.resource, call.target.name, why)


def _applied(call: Call, resource: Resource) -> Object:
    """The configuration in the body.

    Raises:
        ApiError: 400 for what is no object of the version, 500 for what is none of the type.
    """
    try:
        document = decoding.parse(decoding.YAML, call.request.body)
    except ValueError as wrong:
        raise bad_request(f"error decoding YAML: error converting YAML to JSON: {wrong}") from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        why = f"json: cannot unmarshal {type_name(document)} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {why}")
    version = document.get("apiVersion") or ""
    if version != resource.api_version:
        raise bad_request(
            "Incorrect version specified in apply patch. "
            f"Specified patch version: {version}, expected: {resource.api_version}"
        )
    metadata = document.get("metadata")
    why = fieldmanager.unfit(resource, document)
    if why:
        about = metadata if isinstance(metadata, dict) else {}
        place = f"{about.get('namespace') or ''}/{about.get('name') or ''}"
        kind = f"{resource.group}/{resource.version}, Kind={document.get('kind') or ''}"
        raise failure(500, "", f"failed to create typed patch object ({place}; {kind}): {why}")
    metadata = {"name": call.target.name, **(metadata or {})}
    update.check_name(call, metadata)
    create.check_namespace(call, metadata)
    return {**document, "metadata": metadata}
