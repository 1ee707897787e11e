"""Status conditions of workloads: small changes to a list, without touching the list given.

Source: kube-controller-manager 1.36; workloads write a condition only when its status or reason changed.
"""

from __future__ import annotations

from collections.abc import Sequence

from refimpl.api.errors import Object

Conditions = Sequence[Object]


def find(conditions: Conditions, kind: str) -> Object | None:
    """The condition of that type, or None."""
    return next((condition for condition in conditions if condition["type"] == kind), None)


def without(conditions: Conditions, kind: str) -> list[Object]:
    """All conditions but those of that type."""
    return [condition for condition in conditions if condition["type"] != kind]


def with_condition(conditions: Conditions, fresh: Object) -> list[Object]:
    """The conditions with `fresh` in place of the one of its type.

    Nothing changes when status and reason are the same; an unchanged status keeps its `lastTransitionTime`.
    """
    known = find(conditions, fresh["type"])
    if known is not None and known["status"] == fresh["status"] and known.get("reason") == fresh.get("reason"):
        return list(conditions)
    if known is not None and known["status"] == fresh["status"]:
        fresh = {**fresh, "lastTransitionTime": known.get("lastTransitionTime")}
    return [*without(conditions, fresh["type"]), fresh]
