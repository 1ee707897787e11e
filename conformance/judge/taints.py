"""Facts about a node's taints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from conformance.record.history import Object, Story

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
NO_SCHEDULE = "NoSchedule"
NO_EXECUTE = "NoExecute"


@attrs.frozen
class Span:
    """A stretch of time in which a node carried a taint.

    Attributes:
        since: when it was first seen.
        until: when it was first seen gone; None while it is still there.
    """

    since: float
    until: float | None


def taints(state: Object | None) -> frozenset[tuple[str, str]]:
    """Keys and effects of a node's taints."""
    found = ((state or {}).get("spec") or {}).get("taints") or []
    return frozenset((taint["key"], taint["effect"]) for taint in found)


def has(state: Object | None, key: str, effect: str) -> bool:
    """Whether a node carries a taint of that key and effect, whatever its value."""
    return (key, effect) in taints(state)


def spans(story: Story, key: str, effect: str) -> Iterator[Span]:
    """When a node carried a taint; a node that is gone carries none."""
    since: float | None = None
    for event in story.events:
        there = has(event.after, key, effect)
        if there and since is None:
            since = event.at
        elif not there and since is not None:
            yield Span(since, event.at)
            since = None
    if since is not None:
        yield Span(since, None)


def first(story: Story, key: str, effect: str) -> Span | None:
    """The first stretch, or None when the node never carried it."""
    return next(spans(story, key, effect), None)


def entry(state: Object | None, key: str, effect: str) -> Mapping[str, Any] | None:
    """A taint of a node, whole, or None."""
    found = ((state or {}).get("spec") or {}).get("taints") or []
    return next((taint for taint in found if (taint["key"], taint["effect"]) == (key, effect)), None)
