"""What a patch has changed of an object, and what of it is still the very same.

Patches share what they do not touch with the object they are applied to, and that has been through typed decoding
before. Nodes are patched all the time, and most of a node is the list of its images.
"""

from __future__ import annotations

from typing import Any

from refimpl.api.errors import Object


class _Part(dict[str, Any]):
    """What is kept of a changed object."""


def split(patched: Object, known: Object, depth: int = 2) -> tuple[Object, Object]:
    """The changed part, to be decoded again, and the kept one.

    Args:
        patched: the object after the patch.
        known: the object before it.
        depth: how many levels of objects are looked into.
    """
    changed: Object = {}
    kept: Object = {}
    for key, value in patched.items():
        before = known.get(key)
        if value is before and value is not None:
            kept[key] = value
        elif depth and isinstance(value, dict) and isinstance(before, dict):
            changed[key], below = split(value, before, depth - 1)
            if below:
                kept[key] = _Part(below)
        else:
            changed[key] = value
    return changed, kept


def join(changed: Object, kept: Object, order: Object) -> Object:
    """The whole of the two parts again, with the keys in the order of the patched object."""
    joined: Object = {}
    for key, value in order.items():
        same = kept.get(key)
        if isinstance(same, _Part):
            joined[key] = join(changed.get(key) or {}, same, value)
        elif same is not None:
            joined[key] = same
        elif key in changed:
            joined[key] = changed[key]
    return {**joined, **{key: value for key, value in changed.items() if key not in joined}}
