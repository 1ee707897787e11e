"""Field ownership in the paths of requests: `metadata.managedFields` as creates, updates and applies leave it.

Kinds that are written all the time (`Strategy.notes_owners`) are followed only from the first apply on, as the original
does with objects that nobody is noted for: what was there before is then somebody's called `before-first-apply`.

Source: apimachinery 1.36 `util/managedfields`.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from refimpl.api import schema, typed
from refimpl.api.errors import ApiError, Object, bad_request, failure
from refimpl.api.ownership import conformity, fieldsets, lastapplied, managers, shapes
from refimpl.api.ownership.managers import Conflict, Manager, Share, Writing
from refimpl.api.resources import Resource
from refimpl.api.schema import Struct
from refimpl.apiserver.verbs.call import Call

RESET: Final[list[Object]] = [{}]
"""What a client writes into `managedFields` to have all owners forgotten."""

_MOST_OF_NAME: Final = 128


def manager_name(call: Call) -> str:
    """Who writes: the parameter `fieldManager`, else what the user agent begins with."""
    given = call.request.parameter("fieldManager") if call.request.query else None
    agent = call.request.headers.get("user-agent", "").partition("/")[0]
    return given or "".join(character for character in agent if character.isprintable())[:_MOST_OF_NAME]


def owners(call: Call, known: list[Object] | None, given: list[Object] | None) -> list[Object] | None:
    """Whom a change begins with: the known owners, unless it says itself who they are, or that there are none."""
    if not given or call.target.subresource:
        return known
    if given == RESET:
        return None
    return given if managers.are_readable(given) else known


def note_created(call: Call, obj: Object) -> None:
    """A new object is its maker's, with the defaults."""
    if call.strategy.notes_owners:
        shares = managers.updated({}, _writing(call, manager_name(call), "Update"), _empty(_struct(call)), obj)
        name_owners(obj["metadata"], managers.write(shares))


def note_changed(call: Call, old: Object, new: Object) -> None:
    """What a change has set is its writer's; of an object nobody is noted for, nobody becomes the owner."""
    entries = new["metadata"].get("managedFields")
    if entries:
        shares = managers.read(entries)
        _note(new, entries, shares, managers.updated(shares, _writing(call, manager_name(call), "Update"), old, new))


def name_owners(metadata: Object, entries: list[Object] | None) -> None:
    """Says in an object who owns its fields; nothing, where nobody does."""
    if entries:
        metadata["managedFields"] = entries
    else:
        metadata.pop("managedFields", None)


def _note(obj: Object, entries: list[Object], before: dict[Manager, Share], after: dict[Manager, Share]) -> None:
    name_owners(obj["metadata"], entries if before == after else managers.write(after))


def apply(call: Call, live: Object | None, config: Object, *, manager: str, force: bool) -> Object:
    """The object that an applied configuration makes of another or of nothing, with its owners.

    Raises:
        ApiError: 409, others own what it would change; 400, it says itself who owns what.
    """
    if (config.get("metadata") or {}).get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    struct = _struct(call)
    writing = _writing(call, manager, "Apply")
    entries = live["metadata"].get("managedFields") or [] if live is not None else []
    known = shares = managers.read(entries)
    if live is not None and not shares:
        shares = managers.updated({}, _writing(call, managers.BEFORE_FIRST_APPLY, "Update"), _empty(struct), live)
    before = live or _empty(struct)
    try:
        obj, after = managers.applied(shares, writing, before, config, force=force)
    except Conflict as conflict:
        if manager != lastapplied.MANAGER:
            raise _refused(conflict) from None
        left = conflict.without(lastapplied.fields(writing.shape, before))
        if left is not None:
            raise _refused(left) from None
        obj, after = managers.applied(shares, writing, before, config, force=True)
    obj = {**obj, "metadata": {**obj["metadata"]}}
    if manager == lastapplied.MANAGER:
        lastapplied.renew(obj, config)
    _note(obj, entries, known, after)
    return obj


def unfit(resource: Resource, config: Object) -> str:
    """What keeps a configuration from being one of a resource's kind; empty when nothing does."""
    kind = config.get("kind") or ""
    struct = schema.of_kind(resource.api_version, kind)
    if struct is None:
        return f"no corresponding type for {resource.group}/{resource.version}, Kind={kind}"
    return conformity.problems(struct, config)


def _struct(call: Call) -> Struct:
    struct = schema.of_kind(call.target.resource.api_version, call.target.resource.kind)
    assert struct is not None
    return struct


@cache
def _empty(struct: Struct) -> Object:
    """What the original compares new objects with: a struct in which nothing is set."""
    return typed.decode_struct(struct, {})


def _writing(call: Call, name: str, operation: str) -> Writing:
    resource, subresource = call.target.resource, call.target.subresource
    struct = _struct(call)
    if subresource:
        ignored = frozenset(struct.fields) - {"status", "metadata"}
    else:
        ignored = frozenset({"status"} if call.strategy.has_status else ())
    role = Manager(name, "Apply" if operation == "Apply" else "Update", resource.api_version, subresource)
    return Writing(shapes.of_struct(struct), role, call.clock.timestamp(), ignored)


def _refused(conflict: Conflict) -> ApiError:
    """409, with the fields by manager."""
    found = [(manager.text, fieldsets.text(path)) for manager, paths in conflict.fields.items() for path in paths]
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": path}
        for manager, path in found
    ]
    if len(found) == 1:
        manager, path = found[0]
        text = f"1 conflict: conflict with {manager}: {path}"
    else:
        lines = []
        for role, paths in conflict.fields.items():
            lines += [f"conflicts with {role.text}:", *(f"- {fieldsets.text(path)}" for path in paths)]
        text = f"{len(found)} conflicts: " + "\n".join(lines)
    return failure(409, "Conflict", f"Apply failed with {text}", {"causes": causes})
