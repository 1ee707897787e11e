"""The history of a run: frozen facts in the order in which they were seen.

All times are seconds on one monotonic clock, that of the suite's event loop; `History.epoch` turns them into wall-clock
times. A fact that the target states itself (a `lastTransitionTime`) stays inside the objects, as it was on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import attrs

Object = Mapping[str, Any]

Belongs = Callable[[str, str], bool]
"""Whether an object of that namespace and name belongs to a part."""

END = "the end"
"""The mark with which every scenario ends."""

AGENT = "agent"
"""Who sent an exchange, when it was a node agent under test."""

SUITE = "suite"
"""Who could do nothing for a while, when it was the suite itself."""

_STANDSTILLS = {SUITE: "the suite itself stood still", AGENT: "the agent was short of processor time"}


@attrs.frozen
class ObjectEvent:
    """One change of one object, as a watch told it.

    Attributes:
        at: when it arrived.
        type: `ADDED`, `MODIFIED` or `DELETED`.
        kind: e.g. `Node`.
        namespace: empty for cluster-scoped objects.
        name: the object's name.
        uid: the object's uid.
        resource_version: of the state after the change.
        before: the object before, or None when it was new.
        after: the object after, or None when it is gone (`before` then is its last state).
        relisted: found by listing after the watch had been interrupted: states in between may be missing.
    """

    at: float
    type: str
    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str
    before: Object | None
    after: Object | None
    relisted: bool = False


@attrs.frozen
class Mark:
    """A point of a scenario, such as `victim silent`.

    Attributes:
        at: when.
        scenario: which scenario passed it.
        name: what happened.
        facts: numbers and texts that belong to it.
    """

    at: float
    scenario: str
    name: str
    facts: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Beat:
    """One heartbeat of a simulated node.

    Attributes:
        sent: when the request left.
        answered: when the answer came; the write landed in between.
        node: the node's name.
        signal: `status` or `lease`.
        ok: whether the target accepted it.
    """

    sent: float
    answered: float
    node: str
    signal: str
    ok: bool


@attrs.frozen
class Exchange:
    """One request and its answer.

    Attributes:
        sent: when the request left.
        answered: when the answer (of a stream: its head) came.
        who: the scenario that sent it, or `AGENT`.
        method: HTTP method.
        path: path and query.
        status: HTTP status; 0 when no answer came.
        request: request body, bounded.
        response: response body, bounded; the error's text when no answer came.
        headers: request headers worth keeping; never credentials.
        connection: tells connections apart: the sender's port; 0 where there are none.
    """

    sent: float
    answered: float
    who: str
    method: str
    path: str
    status: int
    request: str = ""
    response: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    connection: int = 0


@attrs.frozen
class Gap:
    """A stretch in which a watch told nothing, or in which the suite or an agent could not do its part.

    Attributes:
        since: when it broke.
        until: when it was whole again.
        kind: what was watched; `SUITE` or `AGENT` for who could do nothing.
        reason: why it broke.
        lossy: whether states in between may be missing; otherwise they only arrived late.
    """

    since: float
    until: float
    kind: str
    reason: str
    lossy: bool

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.until - self.since

    @property
    def text(self) -> str:
        """In words: who was silent for how long, and why."""
        who = _STANDSTILLS.get(self.kind) or f"the watch on {self.kind} told nothing"
        return f"{who} for {self.seconds:.1f} s: {self.reason}"


@attrs.frozen
class Story:
    """What happened to the objects of one kind and name, in order."""

    kind: str
    name: str
    events: tuple[ObjectEvent, ...]

    def since(self, at: float) -> Story:
        """The part from `at` on."""
        return attrs.evolve(self, events=tuple(e for e in self.events if e.at >= at))

    def until(self, at: float) -> Story:
        """The part up to and including `at`."""
        return attrs.evolve(self, events=tuple(e for e in self.events if e.at <= at))

    def state_at(self, at: float) -> Object | None:
        """The object as last seen at that moment; None when it did not exist."""
        state = None
        for event in self.events:
            if event.at > at:
                break
            state = event.after
        return state

    @property
    def last(self) -> Object | None:
        """The object as last seen; None when it is gone or never was."""
        return self.events[-1].after if self.events else None


@attrs.frozen(repr=False)
class History:
    """Everything seen, or the part that belongs to one scenario.

    Attributes:
        epoch: wall-clock time of second zero.
        until: when the part was closed; nothing later is in it.
        events: changes of objects.
        marks: points the scenarios passed.
        beats: heartbeats sent.
        exchanges: requests and answers.
        gaps: stretches in which a watch told nothing.
    """

    epoch: datetime
    until: float
    events: tuple[ObjectEvent, ...] = ()
    marks: tuple[Mark, ...] = ()
    beats: tuple[Beat, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    gaps: tuple[Gap, ...] = ()

    def __repr__(self) -> str:
        return f"History({len(self.events)} events, {len(self.marks)} marks, until={self.until})"

    @cached_property
    def began(self) -> float:
        """The moment of the first mark: nothing was done before it."""
        return min((mark.at for mark in self.marks), default=0.0)

    @cached_property
    def _stories(self) -> Mapping[tuple[str, str], tuple[ObjectEvent, ...]]:
        found: dict[tuple[str, str], list[ObjectEvent]] = {}
        for event in self.events:
            found.setdefault((event.kind, event.name), []).append(event)
        return {key: tuple(events) for key, events in found.items()}

    @classmethod
    def merged(cls, parts: Iterable[History], epoch: datetime) -> History:
        """Several histories of one clock as one, in order of time."""
        whole = list(parts)
        return cls(
            epoch=epoch,
            until=max((part.until for part in whole), default=0.0),
            events=tuple(sorted((e for part in whole for e in part.events), key=lambda e: e.at)),
            marks=tuple(sorted((m for part in whole for m in part.marks), key=lambda m: m.at)),
            beats=tuple(sorted((b for part in whole for b in part.beats), key=lambda b: b.answered)),
            exchanges=tuple(sorted((x for part in whole for x in part.exchanges), key=lambda x: x.answered)),
            gaps=tuple(sorted((g for part in whole for g in part.gaps), key=lambda g: g.until)),
        )

    def part(self, scenario: str, belongs: Belongs, until: float) -> History:
        """What belongs to one scenario, up to its end."""
        return History(
            epoch=self.epoch,
            until=until,
            events=tuple(e for e in self.events if e.at <= until and belongs(e.namespace, subject(e))),
            marks=tuple(m for m in self.marks if m.at <= until and m.scenario == scenario),
            beats=tuple(b for b in self.beats if b.answered <= until and belongs("", b.node)),
            exchanges=tuple(x for x in self.exchanges if x.answered <= until and x.who == scenario),
            gaps=tuple(g for g in self.gaps if g.since <= until),
        )

    def story(self, kind: str, name: str) -> Story:
        """What happened to one object; empty when it never was."""
        return Story(kind, name, self._stories.get((kind, name), ()))

    def stories(self, kind: str) -> tuple[Story, ...]:
        """The stories of all objects of a kind, in order of first sight."""
        return tuple(Story(k, name, events) for (k, name), events in self._stories.items() if k == kind)

    def wall(self, at: float) -> datetime:
        """Wall-clock time of a moment, by the suite's clock."""
        return self.epoch + timedelta(seconds=at)

    def moment(self, wall: datetime) -> float:
        """Where a wall-clock time lies on the monotonic clock; clocks of other machines may differ."""
        return (wall - self.epoch).total_seconds()


def subject(event: ObjectEvent) -> str:
    """The name a change is about: for an Event that of the object it speaks of."""
    if event.kind == "Event":
        state = event.after or event.before or {}
        about = state.get("involvedObject") or state.get("regarding") or {}
        return str(about.get("name", ""))
    return event.name
