"""Strategic merge patch: lists merge by the keys that the schema declares, and directives say what else to do.

    "$patch": "replace" | "delete"          of an object, or of an item of a keyed list
    "$retainKeys": [...]                    drops every other member of the object first
    "$deleteFromPrimitiveList/FIELD": [...] removes values
    "$setElementOrder/FIELD": [...]         orders items and values

Objects merge, scalars and lists without a declared strategy are replaced, null removes. Items that a patch adds come in
front of the old ones. Source: `apimachinery/pkg/util/strategicpatch` (Kubernetes 1.36) and what kube-apiserver answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from refimpl.api import jsontext
from refimpl.api.errors import Object, bad_request
from refimpl.api.gotext import go_text, go_type
from refimpl.api.patch import failures
from refimpl.api.schema import Field, ListOf, MapOf, Struct, Type

PATCH: Final = "$patch"
RETAIN_KEYS: Final = "$retainKeys"
SET_ORDER: Final = "$setElementOrder"
DELETE_VALUES: Final = "$deleteFromPrimitiveList"

Items = list[Any]


def read(body: bytes) -> Object:
    """The document in a request body; null is an empty one.

    Raises:
        ApiError: 400 for what is not an object.
    """
    try:
        document = jsontext.decode(body)
    except jsontext.JsonError as wrong:
        raise bad_request(str(wrong)) from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise failures.not_a_map(document)
    return document


def apply(struct: Struct, document: Object, target: Object) -> Object:
    """The merged object; it shares what the patch does not touch with the target.

    The kind and the version of the target stay, whatever the patch says of them.

    Args:
        struct: the type of the target, for its merge keys.
        document: the patch.
        target: the object to patch; it is not changed.

    Raises:
        ApiError: 500 when an item lacks its merge key, directives are malformed or contradict each other.
    """
    merged = merge_maps(struct, target, document)
    for field in ("apiVersion", "kind"):
        merged.pop(field, None)
    return {**{field: target[field] for field in ("kind", "apiVersion") if field in target}, **merged}


def merge_maps(kind: Type, original: Object, patch: Object) -> Object:
    """One object after one object of the patch."""
    if PATCH in patch:
        return _replaced_or_deleted(patch)
    merged = _retained(original, patch)
    ordered = _merge_ordered_lists(kind, merged, patch)
    for key, value in patch.items():
        if key == RETAIN_KEYS or key.startswith(SET_ORDER) or key in ordered:
            continue
        if key.startswith(DELETE_VALUES):
            _delete_values(merged, _directed(key, DELETE_VALUES, "primitive list"), value)
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged_value(kind, key, merged.get(key), value)
    return merged


def _replaced_or_deleted(patch: Object) -> Object:
    match patch[PATCH]:
        case "replace":
            return {key: value for key, value in patch.items() if key != PATCH}
        case "delete":
            return {}
        case unknown:
            raise failures.unmergeable(f"unknown patch type: {go_text(unknown)} in map: {go_text(patch)}")


def _retained(original: Object, patch: Object) -> Object:
    """A copy of the original with only the members that `$retainKeys`, if there is one, names."""
    if RETAIN_KEYS not in patch:
        return dict(original)
    keys = patch[RETAIN_KEYS]
    given = [key for key, value in patch.items() if value is not None and not key.startswith("$")]
    if not isinstance(keys, list) or any(key not in keys for key in given):
        raise failures.unmergeable("invalid patch format of retainKeys")
    return {key: value for key, value in original.items() if key in keys}


def _merged_value(kind: Type, key: str, old: Any, new: Any) -> Any:
    if not isinstance(new, dict | list):
        return new
    if isinstance(old, dict) and isinstance(new, dict):
        field = _field(kind, key)
        if field is not None and "replace" in field.strategies:
            return new
        return merge_maps(_below(kind, key), old, new)
    if isinstance(old, list) and isinstance(new, list):
        return _merged_list(kind, key, old, new)
    return _without_directives(new)


def _merged_list(kind: Type, key: str, old: Items, new: Items) -> Items:
    field = _field(kind, key)
    if field is None or "merge" not in field.strategies:
        return new
    if not _of_maps(old, new):
        return _in_order(list({_key_of(item, ""): item for item in old + new}.values()), new, old, "")
    if not field.merge_key:
        raise failures.unmergeable(f"cannot merge lists without merge key for {field.type.go_type}")
    return _merge_items(field, old, new)


def _merge_items(field: Field, old: Items, new: Items) -> Items:
    merge_key = field.merge_key
    item_type = field.type.item if isinstance(field.type, ListOf) else field.type
    plain = [item for item in new if PATCH not in item]
    directives = [item for item in new if PATCH in item]
    kept = _after_directives(old, directives, merge_key)
    keys = [_key_of(item, merge_key) for item in plain]
    if any(item[PATCH] == "replace" for item in directives):
        return plain
    merged = list(kept)
    for key, item in zip(keys, plain, strict=True):
        at = _index(merged, key, merge_key)
        if at is None:
            merged.append(_without_directives(item))
        else:
            merged[at] = merge_maps(item_type, merged[at], item)
    return _in_order(merged, plain, kept, merge_key)


def _after_directives(old: Items, directives: Items, merge_key: str) -> Items:
    """The old items without those that the patch deletes."""
    kept = old
    for item in directives:
        match item[PATCH]:
            case "delete":
                unwanted = _key_of(item, merge_key)
                kept = [each for each in kept if each.get(merge_key) != unwanted]
            case "replace":
                pass
            case "merge":
                raise failures.unmergeable("merging lists cannot yet be specified in the patch")
            case unknown:
                raise failures.unmergeable(f"unknown patch type: {go_text(unknown)} in map: {go_text(item)}")
    return kept


def _merge_ordered_lists(kind: Type, merged: Object, patch: Object) -> set[str]:
    """Merges, into `merged`, the lists for which the patch sets an order; answers which they are."""
    done = set()
    for key, value in patch.items():
        if not key.startswith(SET_ORDER):
            continue
        name = _directed(key, SET_ORDER, "setElementOrder list")
        order = _items(value)
        field = _field(kind, name)
        if field is None:
            place = kind.go_name if isinstance(kind, Struct) else kind.go_type
            raise failures.unmergeable(f'unable to find api field in struct {place} for the json field "{name}"')
        old = _items(merged[name]) if name in merged else None
        new = _items(patch[name]) if name in patch else None
        if old is None and new is None:
            continue
        if new is not None:
            _check_order(new, order, field.merge_key)
            done.add(name)
        items = old or _without_directives(new or [])
        server_order = old or []
        if old is not None and new is not None:
            items = _merged_list(kind, name, old, new)
            server_order = _server_order(old, new, field.merge_key)
        merged[name] = _in_order(items, order, server_order, field.merge_key)
    return done


def _check_order(new: Items, order: Items, merge_key: str) -> None:
    """The items of a patch must stand in the order that the patch sets."""
    if not order:
        return
    remaining = list(order)
    for item in new:
        directive = item.get(PATCH) if isinstance(item, dict) else None
        if directive == "delete" or (directive is not None and remaining):
            continue
        if not _advance(remaining, item, merge_key):
            texts = f"{go_text(new)}\n doesn't match {SET_ORDER} list:\n{go_text(order)}"
            raise failures.unmergeable(f"The order in patch list:\n{texts}\n")


def _advance(remaining: Items, item: Any, merge_key: str) -> bool:
    """Drops from the order up to and with the item; whether it was there."""
    while remaining:
        if _key_of(remaining.pop(0), merge_key) == _key_of(item, merge_key):
            return True
    return False


def _server_order(old: Items, new: Items, merge_key: str) -> Items:
    """The order of the server's list while a patch with a set order is merged into it.

    The original works in place: where the patch deletes an item, the rest moves up and an added item takes the free
    place, so that it counts as known to the server. Clients see the order that comes of it.
    """
    if not merge_key or any(item.get(PATCH) == "replace" for item in new):
        return old
    deleted = [item.get(merge_key) for item in new if item.get(PATCH) == "delete"]
    kept = [item for item in old if item.get(merge_key) not in deleted]
    known = [item.get(merge_key) for item in kept]
    added = [item for item in new if PATCH not in item and item.get(merge_key) not in known]
    return [*kept, *added][: len(old)]


def _in_order(items: Items, order: Items, server_order: Items, merge_key: str) -> Items:
    """Items named in `order` in that order, woven with the others, which keep the server's order.

    Where the server knew both items it decides which comes first; otherwise the named one does.
    """
    rank = _ranks(order, merge_key)
    keys = [_key_of(item, merge_key) for item in items]
    if keys == list(rank):
        return items
    server_rank = _ranks(server_order, merge_key)
    named = sorted((key for key in keys if key in rank), key=rank.__getitem__)
    others = sorted((key for key in keys if key not in rank), key=lambda key: server_rank.get(key, -1))
    woven: Items = []
    while named and others:
        left, right = server_rank.get(others[0], -1), server_rank.get(named[0], -1)
        woven.append(others.pop(0) if 0 <= left < right else named.pop(0))
    by_key: dict[Any, Items] = {}
    for key, item in zip(keys, items, strict=True):
        by_key.setdefault(key, []).append(item)
    return [by_key[key].pop(0) for key in (*woven, *named, *others)]


def _ranks(items: Items, merge_key: str) -> dict[Any, int]:
    ranks: dict[Any, int] = {}
    for rank, item in enumerate(items):
        ranks.setdefault(_key_of(item, merge_key), rank)
    return ranks


def _key_of(item: Any, merge_key: str) -> Any:
    """What identifies an item: its merge key's value, or the value itself in a list of scalars."""
    if not merge_key:
        return go_text(item) if isinstance(item, dict | list) else item
    if not isinstance(item, dict):
        raise failures.unmergeable(f"expected a {go_type({})}, but received a {go_type(item)}")
    if merge_key not in item:
        raise failures.unmergeable(f"map: {go_text(item)} does not contain declared merge key: {merge_key}")
    value = item[merge_key]
    return go_text(value) if isinstance(value, dict | list) else value


def _index(items: Items, key: Any, merge_key: str) -> int | None:
    for at, item in enumerate(items):
        if item.get(merge_key) == key:
            return at
    return None


def _delete_values(merged: Object, name: str, unwanted: Any) -> None:
    if isinstance(merged.get(name), list) and isinstance(unwanted, list):
        merged[name] = [value for value in merged[name] if value not in unwanted]


def _directed(key: str, directive: str, what: str) -> str:
    """The field that `$directive/FIELD` is about."""
    prefix, slash, name = key.partition("/")
    if prefix != directive or not slash:
        raise failures.unmergeable(f"invalid patch format of {what}")
    return name


def _items(value: Any) -> Items:
    if not isinstance(value, list):
        raise failures.unmergeable(f"expected a {go_type([])}, but received a {go_type(value)}")
    return value


def _of_maps(*lists: Sequence[Any]) -> bool:
    kinds = {isinstance(item, dict) for items in lists for item in items}
    if len(kinds) > 1:
        raise failures.unmergeable(f"list element types are not identical: {go_text([list(part) for part in lists])}")
    return kinds == {True}


def _without_directives(value: Any) -> Any:
    """A patch value for which there is nothing to merge with: taken without its directives and nulls."""
    if isinstance(value, dict):
        return {
            key: _without_directives(below)
            for key, below in value.items()
            if below is not None and not key.startswith((PATCH, RETAIN_KEYS, SET_ORDER, DELETE_VALUES))
        }
    if isinstance(value, list):
        return [_without_directives(item) for item in value if not (isinstance(item, dict) and PATCH in item)]
    return value


def _field(kind: Type, key: str) -> Field | None:
    return kind.fields.get(key) if isinstance(kind, Struct) else None


def _below(kind: Type, key: str) -> Type:
    """The type of a member of an object."""
    if isinstance(kind, MapOf):
        return kind.item
    field = _field(kind, key)
    return kind if field is None else field.type
