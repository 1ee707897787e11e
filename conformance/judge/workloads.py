"""Facts about the pods that a controller keeps for a workload."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from conformance.judge import pods
from conformance.judge.seen import Seen
from conformance.naming import DOMAIN
from conformance.record.history import Object, Story
from conformance.verdict import NotExercised

NOTE = f"{DOMAIN}/note"
"""An annotation of every template."""


def is_active(state: Object | None) -> bool:
    """Whether a pod counts: it is there, neither finished nor being deleted."""
    return state is not None and not pods.terminating(state) and not pods.ended(state)


def counts(family: Iterable[Story], since: float, until: float) -> Iterator[tuple[float, int]]:
    """How many pods of a workload were active: at the beginning, and after each change, with its time."""
    stories = tuple(family)
    moments = sorted({event.at for story in stories for event in story.events if since < event.at <= until})
    for moment in (since, *moments):
        yield moment, sum(is_active(story.state_at(moment)) for story in stories)


def controller(state: Object | None) -> Mapping[str, Any]:
    """The owner reference of a pod's controller; empty when it has none."""
    references = ((state or {}).get("metadata") or {}).get("ownerReferences") or []
    return next((reference for reference in references if reference.get("controller")), {})


def began_on(seen: Seen, role: str, node: str, expected: int, at: float) -> tuple[Story, ...]:
    """The pods of a workload that ran on a node at some moment.

    Raises:
        NotExercised: they are not as many as expected, all there and all active.
    """
    family = seen.pods_of(role)
    first = tuple(story for story in family if story.state_at(at) is not None)
    there = [story for story in first if pods.bound_to(story.state_at(at)) == seen.name(node)]
    if len(there) != expected or len(first) != expected or not all(is_active(story.state_at(at)) for story in first):
        got = f"{len(there)} of {expected} pods of {role} were on the {node}"
        raise NotExercised(f"{got} when it mattered", about=(seen.name(role), *(story.name for story in first)))
    return first


def evictions(first: Iterable[Story], since: float) -> list[float]:
    """When the deletions of pods were seen to be requested, in order of time.

    Raises:
        NotExercised: one of them was not deleted.
    """
    found = []
    for story in first:
        deletion = pods.deletion(story.since(since))
        if deletion is None:
            raise NotExercised("a pod of the workload was not evicted", about=story.name)
        found.append(deletion.at)
    return sorted(found)


def later(seen: Seen, role: str, first: Iterable[Story]) -> list[Story]:
    """The pods of a workload besides its first ones, in order of creation."""
    known = {story.name for story in first}
    return [story for story in seen.pods_of(role) if story.name not in known]
