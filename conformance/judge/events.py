"""Facts about Event objects: what was said about whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from conformance.judge.seen import Seen
from conformance.record.history import Object


@attrs.frozen
class Said:
    """One Event, as first seen.

    Attributes:
        at: when it was seen.
        reason: e.g. `NodeNotReady`.
        type: `Normal` or `Warning`.
        component: who says it.
        message: its text.
        kind: of the object it is about.
        namespace: where it was written.
        uid: of the object it is about; empty when it does not say.
    """

    at: float
    reason: str
    type: str
    component: str
    message: str
    kind: str
    namespace: str = ""
    uid: str = ""


def about(event: Object) -> str:
    """The name of the object an Event speaks of."""
    return str((event.get("involvedObject") or {}).get("name", ""))


def said(seen: Seen, role: str, reason: str = "") -> Iterator[Said]:
    """What was said about an object, in order; with `reason` only that."""
    name = seen.name(role)
    for event in seen.history.events:
        state = event.after
        if event.kind == "Event" and event.before is None and state is not None and about(state) == name:
            found = _said(event.at, state)
            if reason in ("", found.reason):
                yield found


def repetitions(seen: Seen, role: str, reason: str) -> Iterator[float]:
    """When something was said about an object, each time it was said, whether in an Event of its own or counted up."""
    name = seen.name(role)
    for event in seen.history.events:
        state = event.after
        if event.kind == "Event" and state is not None and about(state) == name and state.get("reason") == reason:
            yield event.at


def _said(at: float, state: Object) -> Said:
    source: Any = state.get("source") or {}
    return Said(
        at=at,
        reason=str(state.get("reason") or ""),
        type=str(state.get("type") or ""),
        component=str(source.get("component") or state.get("reportingComponent") or ""),
        message=str(state.get("message") or ""),
        kind=str((state.get("involvedObject") or {}).get("kind") or ""),
        namespace=str((state.get("metadata") or {}).get("namespace") or ""),
        uid=str((state.get("involvedObject") or {}).get("uid") or ""),
    )
