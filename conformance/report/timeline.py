"""The timeline of a failure: one line an event, seconds first."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from conformance.record.history import History, ObjectEvent

_LINES = 40
_WIDTH = 150
_NOTEWORTHY = 0.1
"""Seconds without news from a watch that are worth a line."""


@attrs.frozen
class Row:
    """One line of a timeline.

    Attributes:
        seconds: when; None for a remark.
        text: what happened.
        focus: whether it is the last one up to the moment that matters.
    """

    seconds: float | None
    text: str
    focus: bool = False


def rows(history: History, about: tuple[str, ...], at: float | None, zero: float, prefix: str = "") -> tuple[Row, ...]:
    """What happened to some objects, bounded to what lies around a moment.

    Args:
        history: the scenario's part.
        about: names of objects; empty for all nodes and pods.
        at: the moment that matters most; None for the end.
        zero: the moment printed as +0.
        prefix: of the scenario's names, left out for the reader's sake.
    """
    found = sorted(_rows(history, about), key=lambda row: row[0])
    focus = sum(1 for moment, _ in found if at is None or moment <= at)
    first = max(0, min(focus - _LINES * 3 // 4, len(found) - _LINES))
    shown = [
        Row(moment - zero, text.replace(prefix, ""), focus=at is not None and number == focus)
        for number, (moment, text) in enumerate(found[first : first + _LINES], first + 1)
    ]
    if first:
        shown.insert(0, Row(None, f"{first} earlier lines"))
    if first + _LINES < len(found):
        shown.append(Row(None, f"{len(found) - first - _LINES} later lines"))
    return tuple(shown)


def lines(timeline: Iterable[Row]) -> list[str]:
    """A timeline as text."""
    return [
        line
        for row in timeline
        for line in (
            [f"          …  {row.text}"] if row.seconds is None else _wrapped(f"{row.seconds:+9.2f} s  {row.text}")
        )
    ]


def _rows(history: History, about: tuple[str, ...]) -> Iterator[tuple[float, str]]:
    for mark in history.marks:
        yield mark.at, f"—— {mark.name}"
    for event in history.events:
        if event.kind in ("Lease", "Namespace") or (about and not _concerns(event, about)):
            continue
        text = _told(event) if event.kind == "Event" else _changed(event)
        if text:
            yield event.at, text
    for name in dict.fromkeys(beat.node for beat in history.beats):
        if not about or name in about:
            yield from _beats(history, name)
    yield from _gaps(history)


def _gaps(history: History) -> Iterator[tuple[float, str]]:
    """Stretches of the scenario in which a watch told nothing, unless they were too short to matter to anybody."""
    for gap in history.gaps:
        if gap.until >= history.began and gap.seconds >= _NOTEWORTHY:
            yield gap.until, f"({gap.text})"


def _concerns(event: ObjectEvent, about: tuple[str, ...]) -> bool:
    return event.name in about or (event.kind == "Event" and _involved(event).get("name") in about)


def _told(event: ObjectEvent) -> str:
    """What an Event of the target says, in one line; empty when it went."""
    state = event.after or {}
    return (
        f"Event {state.get('reason')} about {_involved(event).get('name')}: {state.get('message', '')}" if state else ""
    )


def _changed(event: ObjectEvent) -> str:
    """What happened to an object, in one line; empty when it was only a heartbeat."""
    if event.after is None:
        changes = ["deleted"]
    elif event.before is None:
        changes = ["created", *_differences({}, event.after)]
    else:
        changes = list(_differences(event.before, event.after))
    return f"{event.kind} {event.name}: {', '.join(changes)}" if changes else ""


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    yield from _conditions(before, after)
    yield from _taints(before, after)
    for path in (("spec", "nodeName"), ("spec", "unschedulable"), ("status", "phase"), ("status", "replicas")):
        old, new = (_at(state, path) for state in (before, after))
        if old != new:
            yield f"{path[1]} {old or 'none'} → {new or 'none'}"
    deleted = after["metadata"].get("deletionTimestamp")
    if deleted and not before.get("metadata", {}).get("deletionTimestamp"):
        yield f"deletion requested (deletionTimestamp {deleted})"


def _conditions(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old, new = (
        {c["type"]: c for c in (state.get("status") or {}).get("conditions") or []} for state in (before, after)
    )
    for kind in dict.fromkeys([*old, *new]):
        was, now = (states.get(kind, {}).get("status", "absent") for states in (old, new))
        if was != now:
            reason = new.get(kind, {}).get("reason")
            yield f"{kind} {was} → {now}" + (f" ({reason})" if reason else "")


def _taints(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old, new = (
        [f"{t['key']}:{t['effect']}" for t in (state.get("spec") or {}).get("taints") or []]
        for state in (before, after)
    )
    yield from (f"+taint {taint}" for taint in new if taint not in old)
    yield from (f"-taint {taint}" for taint in old if taint not in new)


def _beats(history: History, node: str) -> Iterator[tuple[float, str]]:
    """Heartbeats of a node, those between two marks of the node folded into one line at the time of the last."""
    edges = [mark.at for mark in history.marks if mark.facts.get("node") == node]
    beats = [beat for beat in history.beats if beat.node == node]
    for since, until in zip([-math.inf, *edges], [*edges, math.inf], strict=True):
        run = [beat for beat in beats if beat.ok and since <= beat.answered < until]
        if run:
            many = f"{len(run)} heartbeats of {node}, the last" if len(run) > 1 else f"heartbeat of {node}"
            yield run[-1].answered, f"{many} by {run[-1].signal}"
    for beat in beats:
        if not beat.ok:
            yield beat.answered, f"heartbeat of {node} by {beat.signal} FAILED"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent=" " * 17, break_on_hyphens=False) or [""]


def _involved(event: ObjectEvent) -> Mapping[str, Any]:
    state = event.after or event.before or {}
    found: Mapping[str, Any] = state.get("involvedObject") or {}
    return found


def _at(state: Mapping[str, Any], path: tuple[str, str]) -> Any:
    return (state.get(path[0]) or {}).get(path[1])
