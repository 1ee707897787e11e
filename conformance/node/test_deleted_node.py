"""An agent leaves it to the administrator whether its Node exists."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.node.deleted import MINE, agent_deleted, agent_unregistered
from conformance.judge import agent_requests as wire
from conformance.judge.agent import AgentSeen
from conformance.judge.conditions import status
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation


@judges("N-REG-10", reads=agent_unregistered)
def test_an_agent_may_be_told_not_to_register(seen: AgentSeen) -> Iterator[Violation]:
    for each in wire.registrations(seen):
        yield Violation(want="no Node created by the agent", got="a POST", at=each.sent, about=seen.node_name)
    made = seen.mark("node created bare").at
    if not wire.since(wire.status_writes(seen), made, made + seen.timing.status_tick().latest):
        yield Violation(
            want=f"the status written {seen.timing.status_tick()} after the Node was created",
            got="no write",
            at=made,
            about=seen.node_name,
        )
    if "has_lease" in seen.facts.abilities and not seen.lease.events:
        yield Violation(want="a Lease for the Node", got="none", at=made, about=seen.node_name)


@judges("N-REG-11", reads=agent_deleted)
def test_a_deleted_node_stays_deleted(seen: AgentSeen) -> Iterator[Violation]:
    if "reregisters_after_delete" in seen.facts.abilities:
        raise Unsupported("the agent creates its Node again, as it may")
    deleted, restart = seen.mark("node deleted").at, seen.mark("agent restarts").at
    if not seen.mark("alive").facts["alive"]:
        yield Violation(want="an agent that lives on", got="it ended", at=deleted, about=seen.node_name)
    for each in wire.since(wire.registrations(seen), deleted, restart):
        yield Violation(want="no Node created before a restart", got="a POST", at=each.sent, about=seen.node_name)
    if not any(x.status == 201 for x in wire.since(wire.registrations(seen), restart)):
        yield Violation(want="the Node created after the restart", got="none", at=restart, about=seen.node_name)


@judges("N-REG-12", reads=agent_deleted)
def test_a_bare_node_is_filled(seen: AgentSeen) -> Iterator[Violation]:
    made = seen.mark("node created bare").at
    by = min([made + seen.timing.status_tick().latest, *(x.at for x in seen.marks("node deleted") if x.at > made)])
    node = next((e.after for e in reversed(seen.node.since(made).until(by).events) if e.after), None)
    if node is None:
        raise NotExercised("there was no bare Node", about=seen.node_name)
    filled = node.get("status") or {}
    lacking = [field for field in ("capacity", "allocatable", "addresses", "nodeInfo") if not filled.get(field)]
    if lacking or status(node, "Ready") is None:
        got = f"no {', '.join(lacking) or 'conditions'}"
        yield Violation(want="the status filled", got=got, at=by, about=seen.node_name)
    if MINE in (node["metadata"].get("labels") or {}):
        yield Violation(want="none of the given labels", got=MINE, at=by, about=seen.node_name)
    if any(taint["key"] == MINE for taint in node["spec"].get("taints") or []):
        yield Violation(want="none of the given taints", got=MINE, at=by, about=seen.node_name)
