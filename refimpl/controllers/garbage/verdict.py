"""What is to become of an object, given its owners: pure decisions.

Source: kube-controller-manager 1.36 `garbagecollector.go` (`attemptToDeleteItem`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

import attrs

from refimpl.api.errors import Object
from refimpl.api.meta import finalizers, owners
from refimpl.controllers.garbage.graph import FOREGROUND, ORPHAN


class Owner(Enum):
    """The state of one owner."""

    SOLID = "it exists"
    WAITING = "it exists and waits for its dependents to go"
    ABSENT = "no object of that uid exists"


@attrs.frozen
class Delete:
    """The object goes.

    Attributes:
        propagation: what becomes of its own dependents.
    """

    propagation: str


@attrs.frozen
class Forget:
    """The object stays, without references to these owners (uids)."""

    uids: tuple[str, ...]


@attrs.frozen
class Keep:
    """Nothing changes."""


Verdict = Delete | Forget | Keep


def judge(obj: Object, states: Mapping[str, Owner], *, has_dependents: bool) -> Verdict:
    """What becomes of an object that is not terminating.

    Args:
        obj: the object, read live.
        states: of its owners, by uid.
        has_dependents: whether others name it as an owner.
    """
    references = owners(obj)
    if not references:
        return Keep()
    found = [states[reference["uid"]] for reference in references]
    if Owner.SOLID in found:
        useless = tuple(one["uid"] for one in references if states[one["uid"]] is not Owner.SOLID)
        return Forget(useless) if useless else Keep()
    if Owner.WAITING in found and has_dependents:
        return Delete("Foreground")
    return Delete(own_propagation(obj))


def own_propagation(obj: Object) -> str:
    """How an object asked, by finalizer, to be deleted; by default its dependents follow later."""
    held = finalizers(obj)
    if ORPHAN in held:
        return "Orphan"
    return "Foreground" if FOREGROUND in held else "Background"


def without_owners(obj: Object, uids: Sequence[str]) -> Object:
    """Merge patch that takes references off; the resourceVersion in it guards against a race."""
    metadata = obj["metadata"]
    left = [one for one in owners(obj) if one["uid"] not in uids]
    return {"metadata": {"resourceVersion": metadata["resourceVersion"], "ownerReferences": left or None}}


def without_finalizer(obj: Object, finalizer: str) -> Object:
    """Merge patch that takes a finalizer off; the resourceVersion in it guards against a race."""
    metadata = obj["metadata"]
    left = [one for one in finalizers(obj) if one != finalizer]
    return {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": left or None}}
