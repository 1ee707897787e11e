"""Facts about the conditions in an object's status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from conformance.judge.seen import Seen
from conformance.record.history import Object, ObjectEvent, Story
from conformance.verdict import NotExercised


@attrs.frozen
class Change:
    """One condition's status turned.

    Attributes:
        at: when it was seen.
        type: the condition's type.
        before: the condition before, or None when it was absent.
        after: the condition after, or None when it vanished.
        event: the change of the object in which it happened.
    """

    at: float
    type: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    event: ObjectEvent


def condition(state: Object | None, kind: str) -> Mapping[str, Any] | None:
    """One condition of an object, or None."""
    return all_conditions(state).get(kind)


def status(state: Object | None, kind: str) -> str | None:
    """Status of one condition: `True`, `False`, `Unknown`, or None when it is absent."""
    found = condition(state, kind)
    return None if found is None else found["status"]


def all_conditions(state: Object | None) -> dict[str, Mapping[str, Any]]:
    """An object's conditions by type."""
    return {entry["type"]: entry for entry in ((state or {}).get("status") or {}).get("conditions") or []}


def changes(story: Story, kind: str) -> Iterator[Change]:
    """Every turn of one condition's status, its first appearance among them."""
    for event in story.events:
        before, after = condition(event.before, kind), condition(event.after, kind)
        if (before or {}).get("status") != (after or {}).get("status"):
            yield Change(event.at, kind, before, after, event)


def turned(story: Story, kind: str, to: str) -> Change | None:
    """The first turn of a condition to a status, or None."""
    return next((change for change in changes(story, kind) if change.after and change.after["status"] == to), None)


def turned_to(seen: Seen, role: str, kind: str, to: str) -> Change:
    """The first turn of a node's condition to a status.

    Raises:
        NotExercised: it never turned to it.
    """
    change = turned(seen.node(role), kind, to)
    if change is None:
        raise NotExercised(f"{kind} of {role} never became {to}", about=seen.name(role))
    return change


def rewritten(story: Story) -> Iterator[ObjectEvent]:
    """Every event in which any condition differs in any field."""
    for event in story.events:
        if event.before and event.after and all_conditions(event.before) != all_conditions(event.after):
            yield event
