"""Strategic merge patches from the difference of two objects: what the kubelet sends for its own status.

Only what node and pod statuses need: maps, lists of scalars (replaced as a whole), and lists merged by a key. Applying
patches is the API server's business.

Source of the form: `apimachinery/pkg/util/strategicpatch` 1.36 (`CreateTwoWayMergePatch`), `pkg/util/node`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from refimpl.api.errors import Object

MERGE_KEYS: Final[Mapping[str, str]] = {
    "conditions": "type",
    "addresses": "type",
    "podIPs": "ip",
    "hostIPs": "ip",
}
"""Lists of a status that are merged, with the field that names their elements; all other lists are replaced."""


def status_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> Object:
    """The patch that turns one status into another; empty when they are equal."""
    patch = diff(old, new)
    if "addresses" in patch:
        # Two addresses may share their type, which is their merge key: only a replacement ends with exactly these.
        patch["addresses"] = [*new["addresses"], {"$patch": "replace"}]
        patch.pop("$setElementOrder/addresses", None)
    return patch


def diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> Object:
    """What must be said about a map to turn `old` into `new`; None removes a key."""
    patch: Object = {}
    for key, value in new.items():
        if key not in old:
            patch[key] = value
        elif old[key] != value:
            _change(patch, key, old[key], value)
    for key in old:
        if key not in new:
            patch[key] = None
    return patch


def _change(patch: Object, key: str, old: Any, new: Any) -> None:
    if isinstance(old, dict) and isinstance(new, dict):
        patch[key] = diff(old, new)
    elif key in MERGE_KEYS and isinstance(old, list) and isinstance(new, list):
        _merge_list(patch, key, old, new)
    else:
        patch[key] = new


def _merge_list(patch: Object, name: str, old: Sequence[Object], new: Sequence[Object]) -> None:
    key = MERGE_KEYS[name]
    before = {element[key]: element for element in old}
    after = {element[key] for element in new}
    changes: list[Object] = []
    for element in new:
        known = before.get(element[key])
        if known is None:
            changes.append(element)
        elif known != element:
            changes.append({**diff(known, element), key: element[key]})
    changes.extend({"$patch": "delete", key: name} for name in before if name not in after)
    patch[f"$setElementOrder/{name}"] = [{key: element[key]} for element in new]
    if changes:
        patch[name] = changes
