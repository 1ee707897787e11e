"""What a terminating namespace reports about the content that is left.

Source: kube-controller-manager 1.36 `namespace/deletion/status_condition_utils.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import attrs

from refimpl.api.errors import Object
from refimpl.clock import format_time

_FINE: Mapping[str, tuple[str, str]] = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}


@attrs.frozen
class Remains:
    """What one round of deletion left behind.

    Attributes:
        objects: how many are left, by `plural.group`.
        finalizers: how many objects each finalizer holds.
        failures: what the server refused.
        wait: the longest grace that a remaining object may take, in seconds.
    """

    objects: Mapping[str, int] = attrs.field(factory=dict)
    finalizers: Mapping[str, int] = attrs.field(factory=dict)
    failures: Sequence[str] = ()
    wait: float = 0.0

    def plus(self, other: Remains) -> Remains:
        """Both together."""
        finalizers = dict(self.finalizers)
        for name, count in other.finalizers.items():
            finalizers[name] = finalizers.get(name, 0) + count
        return Remains(
            {**self.objects, **other.objects},
            finalizers,
            (*self.failures, *other.failures),
            max(self.wait, other.wait),
        )


def report(known: Sequence[Object], remains: Remains, now: datetime) -> list[Object]:
    """The namespace's conditions after a round.

    Args:
        known: the conditions before.
        remains: what is left.
        now: for `lastTransitionTime` of those whose status changed.
    """
    troubles = _troubles(remains)
    before = {condition["type"]: condition for condition in known}
    result = {condition["type"]: condition for condition in known}
    for kind, fine in _FINE.items():
        status = "True" if kind in troubles else "False"
        reason, message = troubles.get(kind, fine)
        fresh = {"type": kind, "status": status, "lastTransitionTime": format_time(now)}
        old = before.get(kind)
        if old is not None and old["status"] == status:
            fresh["lastTransitionTime"] = old["lastTransitionTime"]
        result[kind] = {**fresh, "reason": reason, "message": message}
    return list(result.values())


def _troubles(remains: Remains) -> dict[str, tuple[str, str]]:
    troubles: dict[str, tuple[str, str]] = {}
    if remains.failures:
        listed = ", ".join(sorted(remains.failures))
        message = f"Failed to delete all resource types, {len(remains.failures)} remaining: {listed}"
        troubles["NamespaceDeletionContentFailure"] = ("ContentDeletionFailed", message)
    if remains.objects:
        listed = ", ".join(sorted(f"{name} has {count} resource instances" for name, count in remains.objects.items()))
        message = f"Some resources are remaining: {listed}"
        troubles["NamespaceContentRemaining"] = ("SomeResourcesRemain", message)
    if remains.finalizers:
        listed = ", ".join(
            sorted(f"{name} in {count} resource instances" for name, count in remains.finalizers.items())
        )
        message = f"Some content in the namespace has finalizers remaining: {listed}"
        troubles["NamespaceFinalizersRemaining"] = ("SomeFinalizersRemain", message)
    return troubles
