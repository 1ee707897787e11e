"""What agents do that are of the 1.5 era, or keep no Lease."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from conformance.drive.scenarios.node.idle import agent_idle
from conformance.drive.scenarios.node.legacy import agent_foreign_node
from conformance.judge import agent_requests as wire
from conformance.judge.agent import AgentSeen
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation


@judges("N-REG-06", reads=agent_foreign_node)
def test_a_node_of_another_machine_is_replaced(seen: AgentSeen) -> Iterator[Violation]:
    start = seen.mark("agent started").at
    if not wire.since(wire.registrations(seen), start):
        raise NotExercised("the agent did not try to register", about=seen.node_name)
    deleted = next((x for x in wire.node_writes(seen) if x.method == "DELETE"), None)
    if deleted is None or wire.written_name(deleted) != seen.node_name:
        yield Violation(want="the other machine's Node deleted", got="no DELETE", at=start, about=seen.node_name)
    made = next((x for x in wire.registrations(seen) if x.status == 201), None)
    if made is None:
        yield Violation(want="a Node of its own created", got="none", at=start, about=seen.node_name)
    elif wire.registration(seen).get("spec", {}).get("externalID") != seen.node_name:
        got = wire.registration(seen).get("spec", {}).get("externalID")
        yield Violation(want=f"externalID {seen.node_name}", got=f"{got}", at=made.sent, about=seen.node_name)


@judges("N-HB-02", reads=agent_idle)
def test_the_status_is_written_at_every_tick(seen: AgentSeen) -> Iterator[Violation]:
    writes, tick = wire.status_writes(seen), seen.timing.status_tick().latest
    if not writes:
        raise NotExercised("the agent never wrote its status", about=seen.node_name)
    for begin, end in pairwise((*(x.sent for x in writes), seen.history.until)):
        if end - begin > tick:
            yield Violation(
                want=f"a write within {tick:.1f} s", got=f"none for {end - begin:.1f} s", at=end, about=seen.node_name
            )


@judges("N-HB-03", reads=agent_idle)
def test_without_a_lease_the_status_is_the_heartbeat(seen: AgentSeen) -> Iterator[Violation]:
    if "has_lease" in seen.facts.abilities:
        raise Unsupported("the agent's heartbeat is its Lease")
    writes, window = wire.status_writes(seen), seen.timing.status_without_lease()
    if not writes:
        raise NotExercised("the agent never wrote its status", about=seen.node_name)
    for begin, end in pairwise((*(x.sent for x in writes), seen.history.until)):
        if end - begin not in window:
            yield Violation(
                want=f"a write {window} after the one before",
                got=f"none for {end - begin:.1f} s",
                at=end,
                about=seen.node_name,
            )
