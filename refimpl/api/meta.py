"""Reading what every object has: identity, labels, owners, finalizers, conditions.

Works on plain objects as they are on the wire; nothing here changes them unless it says so. Absent parts read as empty.
"""

from collections.abc import Iterable, Mapping, MutableSequence, Sequence
from datetime import datetime
from typing import Any

from refimpl.clock import parse_time

Object = Mapping[str, Any]
Condition = dict[str, Any]
OwnerReference = dict[str, Any]


def metadata(obj: Object) -> Mapping[str, Any]:
    """`metadata`, or an empty mapping."""
    return obj.get("metadata") or {}


def name(obj: Object) -> str:
    """`metadata.name`."""
    return str(metadata(obj).get("name") or "")


def namespace(obj: Object) -> str:
    """`metadata.namespace`; empty for cluster-scoped objects."""
    return str(metadata(obj).get("namespace") or "")


def uid(obj: Object) -> str:
    """`metadata.uid`."""
    return str(metadata(obj).get("uid") or "")


def key(obj: Object) -> str:
    """`namespace/name`, or the name alone: the usual key in caches, queues and messages."""
    place = namespace(obj)
    return f"{place}/{name(obj)}" if place else name(obj)


def labels(obj: Object) -> Mapping[str, str]:
    """`metadata.labels`."""
    return (obj.get("metadata") or {}).get("labels") or {}


def annotations(obj: Object) -> Mapping[str, str]:
    """`metadata.annotations`."""
    return metadata(obj).get("annotations") or {}


def is_terminating(obj: Object) -> bool:
    """Whether deletion has been asked for and not finished."""
    return bool((obj.get("metadata") or {}).get("deletionTimestamp"))


def finalizers(obj: Object) -> Sequence[str]:
    """`metadata.finalizers`."""
    return metadata(obj).get("finalizers") or ()


def created(obj: Object) -> datetime | None:
    """When the object was created, or None for one that never was stored."""
    text = metadata(obj).get("creationTimestamp")
    return parse_time(text) if text else None


def owners(obj: Object) -> Sequence[OwnerReference]:
    """`metadata.ownerReferences`."""
    return (obj.get("metadata") or {}).get("ownerReferences") or ()


def controller_of(obj: Object) -> OwnerReference | None:
    """The owner reference whose owner manages the object, or None: at most one has `controller: true`."""
    for owner in owners(obj):
        if owner.get("controller"):
            return owner
    return None


def is_controlled_by(obj: Object, owner: Object) -> bool:
    """Whether that very object (by uid) manages this one."""
    reference = controller_of(obj)
    return reference is not None and reference.get("uid") == uid(owner)


def owner_reference(owner: Object, api_version: str, kind: str, *, controller: bool = True) -> OwnerReference:
    """A reference that makes `owner` an owner which is deleted last.

    Args:
        owner: the stored owner.
        api_version: of the owner; objects out of lists do not carry their own.
        kind: of the owner.
        controller: whether the owner manages the object.
    """
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name(owner),
        "uid": uid(owner),
        "controller": controller,
        "blockOwnerDeletion": True,
    }


def conditions(obj: Object) -> Sequence[Condition]:
    """`status.conditions`."""
    return (obj.get("status") or {}).get("conditions") or ()


def find_condition(among: Iterable[Condition], wanted: str) -> Condition | None:
    """The condition of a type, or None."""
    for condition in among:
        if condition.get("type") == wanted:
            return condition
    return None


def condition(obj: Object, wanted: str) -> Condition | None:
    """An object's condition of a type, or None."""
    return find_condition(conditions(obj), wanted)


def condition_status(obj: Object, wanted: str) -> str:
    """`True`, `False` or `Unknown`; empty when there is no such condition."""
    for found in (obj.get("status") or {}).get("conditions") or ():
        if found.get("type") == wanted:
            return str(found.get("status") or "")
    return ""


def is_true(obj: Object, wanted: str) -> bool:
    """Whether the condition is there and `True`."""
    return condition_status(obj, wanted) == "True"


def set_condition(among: MutableSequence[Condition], new: Condition, now: str) -> bool:
    """Puts a condition into a list, in place.

    `lastTransitionTime` becomes `now` when the status changes, else it stays.

    Args:
        among: the list to change.
        new: type, status, reason, message.
        now: the present time as the API writes it.

    Returns:
        Whether anything but times changed.
    """
    old = find_condition(among, new["type"])
    if old is None:
        among.append({"lastTransitionTime": now, **new})
        return True
    moved = old.get("status") != new.get("status")
    if not moved and all(old.get(field) == value for field, value in new.items()):
        return False
    old.update(new)
    if moved:
        old["lastTransitionTime"] = now
    return True
