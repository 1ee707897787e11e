"""An agent outlives its master's troubles."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from conformance.drive.scenarios.node.lease_trouble import agent_lease_trouble
from conformance.drive.scenarios.node.outage import agent_outage
from conformance.drive.scenarios.node.paused import agent_paused
from conformance.judge import agent_requests as wire
from conformance.judge.agent import AgentSeen
from conformance.judge.conditions import changes, status, turned
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

OUTAGES = ("master disturbed: status", "master disturbed: refuse")
CONFLICTING_PUTS = 10
"""Two tries of five."""


def _outages(seen: AgentSeen) -> list[tuple[float, float]]:
    """When the master was away, and when it was back."""
    begins = [seen.mark(name).at for name in OUTAGES]
    return list(zip(begins, (mark.at for mark in seen.marks("master healed")), strict=True))


@judges("N-OUT-01", reads=agent_outage)
def test_the_agent_outlives_an_outage(seen: AgentSeen) -> Iterator[Violation]:
    for (_, healed), mark in zip(_outages(seen), seen.marks("alive"), strict=True):
        if not mark.facts["alive"]:
            yield Violation(want="an agent that lives on", got="it ended", at=mark.at, about=seen.node_name)
        later = [x for x in seen.requests("GET|" + wire.WRITES, ".*") if x.sent > healed and x.status]
        if not later:
            yield Violation(want="requests after the outage", got="none", at=healed, about=seen.node_name)


@judges("N-OUT-02", reads=agent_outage)
def test_the_lease_is_renewed_soon_after_an_outage(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("has_lease")
    window = seen.timing.recovered()
    for _, healed in _outages(seen):
        first = next(iter(wire.since(wire.renewals(seen), healed)), None)
        if first is None or first.sent - healed not in window:
            yield Violation(
                want=f"a renewal {window} after the recovery",
                got="none" if first is None else f"{first.sent - healed:.2f} s",
                at=healed,
                about=seen.node_name,
            )


@judges("N-OUT-03", reads=agent_outage)
def test_pods_are_watched_again_after_an_outage(seen: AgentSeen) -> None:
    _, healed = _outages(seen)[-1]
    window = seen.timing.rewatched()
    asked = [x for x in seen.requests("GET", "/api/v1/pods") if f"spec.nodeName%3D{seen.node_name}" in x.path]
    if not any("watch=" in x.path for x in asked if x.sent < healed):
        raise NotExercised("the agent did not watch its pods before the outage", about=seen.node_name)
    again = next((x for x in asked if x.sent > healed and "watch=" in x.path and x.status == 200), None)
    if again is None or again.sent - healed not in window:
        raise Violation(
            want=f"a watch on the node's pods {window} after the recovery",
            got="none" if again is None else f"{again.sent - healed:.2f} s",
            at=healed,
            about=seen.node_name,
        )


@judges("N-OUT-08", reads=agent_paused)
def test_a_frozen_agent_catches_up(seen: AgentSeen) -> Iterator[Violation]:
    went_on = seen.mark("agent resumed").at
    if "has_lease" in seen.facts.abilities:
        window = seen.timing.resumed()
        first = next(iter(wire.since(wire.renewals(seen), went_on)), None)
        if first is None or first.sent - went_on not in window:
            got = "none" if first is None else f"{first.sent - went_on:.2f} s"
            yield Violation(want=f"a renewal {window} after it goes on", got=got, at=went_on, about=seen.node_name)
    by = went_on + seen.timing.status_tick().latest
    told = status(seen.node.state_at(by), "Ready")
    if status(seen.node.state_at(went_on), "Ready") != "Unknown":
        raise NotExercised("the frozen node was not marked Unknown", about=seen.node_name)
    if told not in ("True", "False"):
        yield Violation(
            want=f"Ready told again {seen.timing.status_tick()} after it goes on",
            got=f"{told}",
            at=by,
            about=seen.node_name,
        )


@judges("N-X-14", reads=agent_paused)
def test_a_runtime_is_not_missed_for_long_after_a_pause(seen: AgentSeen) -> Iterator[Violation]:
    went_on, window = seen.mark("agent resumed").at, seen.timing.runtime_regained()
    for change in changes(seen.node.since(went_on), "Ready"):
        if change.after and change.after["status"] == "False":
            back = turned(seen.node.since(change.at), "Ready", "True")
            if back is None or back.at - change.at > window.latest:
                got = f"{change.after['message']}, " + ("for good" if back is None else f"{back.at - change.at:.1f} s")
                want = f"Ready True again {window}"
                yield Violation(want=want, got=got, at=change.at, about=seen.node_name)


@judges("N-LSE-07", reads=agent_outage)
def test_tries_at_the_lease_back_off(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("has_lease")
    for begin, healed in _outages(seen):
        tries = wire.tries(wire.since(seen.requests("GET", seen.lease_path()), begin, healed))
        if not tries:
            raise NotExercised("the agent did not ask for its Lease during the outage", about=seen.node_name)
        for number, (before, after) in enumerate(pairwise(tries), 1):
            window = seen.timing.retry(number)
            if after.sent - before.answered not in window:
                yield Violation(
                    want=f"try {number + 1} {window}",
                    got=f"{after.sent - before.answered:.2f} s",
                    at=after.sent,
                    about=seen.node_name,
                )


@judges("N-LSE-07", reads=agent_lease_trouble)
def test_a_conflict_is_answered_by_reading_again(seen: AgentSeen) -> Iterator[Violation]:
    healed = seen.mark("master healed").at
    refused = [x for x in seen.requests("PUT", seen.lease_path()) if x.status == 409 and x.sent < healed]
    tries = wire.bursts(refused, seen.timing.renew_interval / 2)
    if not tries:
        raise NotExercised("no renewal met a conflict", about=seen.node_name)
    at_once = any(len(burst) > 1 for burst in tries)
    for burst in tries:
        # A try of one PUT may be the end of one that was held up.
        if not (1 if at_once else 2) <= len(burst) <= CONFLICTING_PUTS:
            yield Violation(
                want=f"2 to {CONFLICTING_PUTS} PUTs", got=f"{len(burst)}", at=burst[0].sent, about=seen.node_name
            )
        for before, after in pairwise(burst):
            if not wire.since(seen.requests("GET", seen.lease_path()), before.answered, after.sent):
                yield Violation(want="a GET after the conflict", got="none", at=after.sent, about=seen.node_name)
    if not wire.since(wire.renewals(seen), healed, healed + seen.timing.renewal().latest):
        yield Violation(want="a renewal after the conflicts", got="none", at=healed, about=seen.node_name)
    if not seen.mark("alive").facts["alive"]:
        yield Violation(want="an agent that lives on", got="it ended", at=healed, about=seen.node_name)


@judges("N-LSE-09", reads=agent_lease_trouble)
def test_a_deleted_lease_is_created_again(seen: AgentSeen) -> None:
    deleted = seen.mark("lease deleted").at
    made = next((x for x in wire.since(wire.lease_creations(seen), deleted) if x.status == 201), None)
    latest = seen.timing.renewal().latest
    if made is None or made.answered - deleted > latest:
        raise Violation(
            want=f"the Lease created again within {latest:.1f} s",
            got="never" if made is None else f"{made.answered - deleted:.2f} s",
            at=deleted,
            about=seen.node_name,
        )
