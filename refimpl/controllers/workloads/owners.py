"""Ownership: which objects a controller manages, which it takes over and which it lets go.

Source: kube-controller-manager 1.36 `controller_ref_manager.go`.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from refimpl.api.errors import Object
from refimpl.api.meta import controller_of, is_terminating, labels, owner_reference
from refimpl.api.selectors import LabelSelector
from refimpl.client.informer import Informer


def controller_uid(obj: Object) -> str:
    """The uid of the controlling owner; empty for an orphan."""
    reference = controller_of(obj)
    return str(reference["uid"]) if reference else ""


def controller_reference(owner: Object) -> Object:
    """The reference that makes `owner`, an object with its kind, the controller of another."""
    return owner_reference(owner, owner["apiVersion"], owner["kind"])


BY_CONTROLLER = "controller"
"""Name of the index that `by_controller` makes."""


def orphans_of(namespace: str) -> str:
    """The value under which the objects of a namespace that have no controller are found in the index."""
    return f"orphans/{namespace}"


def by_controller(obj: Object) -> Iterable[str]:
    """Index function: the controller's uid, or the orphans of the namespace."""
    return (controller_uid(obj) or orphans_of(obj["metadata"].get("namespace", "")),)


def held_and_orphans(objects: Informer, owner: Object) -> tuple[Iterable[Object], Iterable[Object]]:
    """The objects that an owner may claim: those that name it as their controller, and those of its namespace without.

    Args:
        objects: a cache with the index `BY_CONTROLLER`.
        owner: who claims.
    """
    metadata = owner["metadata"]
    orphans = orphans_of(metadata["namespace"])
    return objects.by_index(BY_CONTROLLER, metadata["uid"]), objects.by_index(BY_CONTROLLER, orphans)


BY_NAMESPACE = "namespace"
"""Name of the index that `by_namespace` makes."""


def by_namespace(obj: Object) -> Iterable[str]:
    """Index function: the object's namespace."""
    return (obj["metadata"].get("namespace", ""),)


@attrs.frozen
class Claims:
    """Whose objects are whose.

    Attributes:
        mine: objects that belong to the owner already and match its selector.
        adopt: orphans that match and are to be taken over.
        release: objects of the owner that do not match any more.
    """

    mine: tuple[Object, ...] = ()
    adopt: tuple[Object, ...] = ()
    release: tuple[Object, ...] = ()


def claim(owner: Object, selector: LabelSelector, held: Iterable[Object], orphans: Iterable[Object]) -> Claims:
    """Sorts objects by what is to be done with them.

    An owner that is being deleted keeps what it has and neither adopts nor releases; a terminating orphan is left
    alone.

    Args:
        owner: who claims.
        selector: which objects it would have.
        held: those that name it as their controller.
        orphans: those of its namespace that have none.
    """
    matches = selector.matcher()
    mine: list[Object] = []
    release: list[Object] = []
    for obj in held:
        (mine if matches(labels(obj)) else release).append(obj)
    if is_terminating(owner):
        return Claims(tuple(mine))
    adopt = [obj for obj in orphans if matches(labels(obj)) and not is_terminating(obj)]
    return Claims(tuple(mine), tuple(adopt), tuple(release))


def adoption_patch(owner: Object, obj: Object) -> Object:
    """Strategic merge patch that makes `owner` the controller; the uid in it is a precondition."""
    return {"metadata": {"uid": obj["metadata"]["uid"], "ownerReferences": [controller_reference(owner)]}}


def release_patch(owner: Object, obj: Object) -> Object:
    """Strategic merge patch that takes the owner's reference off; the uid in it is a precondition."""
    reference = {"$patch": "delete", "uid": owner["metadata"]["uid"]}
    return {"metadata": {"uid": obj["metadata"]["uid"], "ownerReferences": [reference]}}
