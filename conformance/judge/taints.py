"""Facts about a node's taints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import attrs

from conformance.clock import parse_time
from conformance.judge.windows import Start, misses
from conformance.record.history import Object, Story
from conformance.timing import Timing, Window
from conformance.verdict import Unsupported, Violation

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
BY_CONDITION: Mapping[str, str] = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
"""The key that a condition calls for while it is True; Ready is another matter."""
NO_SCHEDULE = "NoSchedule"
NO_EXECUTE = "NoExecute"


def require_resumption(timing: Timing) -> None:
    """Before it is judged what happens after a stop of a zone.

    Raises:
        Unsupported: the target cannot go on after a stop, for a reason that is known.
    """
    if not timing.tainting_resumes:
        raise Unsupported("at --node-eviction-rate=1 kube-controller-manager never goes on with a zone it stopped")


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


def added(story: Story, key: str, effect: str) -> datetime | None:
    """When the target says that it put a taint on for the first time, in whole seconds; None when it does not say."""
    carried = (entry(event.after, key, effect) for event in story.events)
    said = next((taint for taint in carried if taint is not None), {}).get("timeAdded")
    return parse_time(said) if said else None


def entry(state: Object | None, key: str, effect: str) -> Mapping[str, Any] | None:
    """A taint of a node, whole, or None."""
    found = ((state or {}).get("spec") or {}).get("taints") or []
    return next((taint for taint in found if (taint["key"], taint["effect"]) == (key, effect)), None)


def comes(story: Story, key: str, effect: str, start: Start, window: Window) -> Iterator[Violation]:
    """Yields a violation unless a taint is on the node after something happened, in its window."""
    there = [span for span in spans(story, key, effect) if span.until is None or span.until > start.sent]
    at = max(there[0].since, start.sent + window.earliest) if there else None
    until = story.events[-1].at if story.events else start.answered
    yield from misses(f"{key}:{effect}", at, start, window, until=max(until, start.answered), about=story.name)


def goes(story: Story, key: str, effect: str, start: Start, window: Window) -> Iterator[Violation]:
    """Yields a violation if a taint is still on the node when the window after something that happened is over.

    A story that was cut short before that is judged at its end.
    """
    due = start.answered + window.latest
    if has(story.state_at(due), key, effect):
        want = f"{key}:{effect} gone within {window.latest:g} s of {start.name}"
        gone = next((span.until for span in spans(story, key, effect) if span.until and span.until > due), None)
        got = "it is still there" if gone is None else f"it went {gone - start.answered:.2f} s after it"
        yield Violation(want=want, got=got, at=gone, about=story.name)
