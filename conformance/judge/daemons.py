"""Facts about the pods of DaemonSets."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.judge.pods import bound_to, terminating
from conformance.judge.seen import Seen
from conformance.record.history import Object, Story


def pinned(state: Object | None) -> str:
    """The one node that a pod's required node affinity names; empty when it names none."""
    affinity = ((state or {}).get("spec") or {}).get("affinity") or {}
    required = (affinity.get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or []:
        for field in term.get("matchFields") or []:
            if field["key"] == "metadata.name" and field["operator"] == "In" and len(field["values"]) == 1:
                return str(field["values"][0])
    return ""


def target(state: Object | None) -> str:
    """The node that a daemon pod runs on or was made for."""
    return bound_to(state) or pinned(state)


def pods_for(seen: Seen, daemon: str, node: str) -> tuple[Story, ...]:
    """The pods of a DaemonSet that were made for a node, in order of creation."""
    name = seen.name(node)
    return tuple(story for story in seen.pods_of(daemon) if story.events and target(story.events[0].after) == name)


def present(stories: tuple[Story, ...], at: float) -> list[Story]:
    """Those that exist at a moment and are not being deleted."""
    return [story for story in stories if (state := story.state_at(at)) is not None and not terminating(state)]


def crowds(stories: tuple[Story, ...]) -> Iterator[tuple[float, int]]:
    """When there was more than one pod at once, terminating ones included, and how many."""
    for moment in sorted({event.at for story in stories for event in story.events}):
        there = sum(story.state_at(moment) is not None for story in stories)
        if there > 1:
            yield moment, there
