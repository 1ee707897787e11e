"""Facts about the Events that an agent records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from conformance.judge.agent import AgentSeen, sent_body

EVENTS = "/api/v1/namespaces/[^/]+/events"


@attrs.frozen
class Told:
    """One Event that an agent asked the master to keep.

    Attributes:
        at: when it was sent.
        reason: e.g. `NodeReady`.
        type: `Normal` or `Warning`.
        message: its text.
        about: the object concerned: `kind`, `name`, `uid`, ...
        source: `component` and `host`.
    """

    at: float
    reason: str
    type: str
    message: str
    about: Mapping[str, Any]
    source: Mapping[str, Any]


def told(seen: AgentSeen, kind: str, name: str, reason: str = "") -> Iterator[Told]:
    """What the agent tried to tell of an object, in order; with `reason` only that. Repetitions are left out."""
    for exchange in seen.requests("POST", EVENTS):
        body = sent_body(exchange) or {}
        about = body.get("involvedObject") or {}
        if (about.get("kind"), about.get("name")) == (kind, name) and reason in ("", body.get("reason")):
            yield Told(
                at=exchange.sent,
                reason=str(body.get("reason") or ""),
                type=str(body.get("type") or ""),
                message=str(body.get("message") or ""),
                about=about,
                source=body.get("source") or {},
            )


def times(seen: AgentSeen, kind: str, name: str, reason: str) -> int:
    """How often the master's Events say that something happened to an object, repetitions counted."""
    total = 0
    for story in seen.history.stories("Event"):
        state = story.last or {}
        about = state.get("involvedObject") or {}
        if (about.get("kind"), about.get("name"), state.get("reason")) == (kind, name, reason):
            total += int(state.get("count") or 1)
    return total


def of_node(seen: AgentSeen, reason: str = "") -> list[Told]:
    """What the agent told of its node."""
    return list(told(seen, "Node", seen.node_name, reason))


def of_pod(seen: AgentSeen, role: str, reason: str = "") -> list[Told]:
    """What the agent told of a pod."""
    return list(told(seen, "Pod", seen.naming.name(role), reason))
