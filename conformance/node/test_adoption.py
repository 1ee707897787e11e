"""An agent that starts again takes over its Node as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.drive.scenarios.node.adoption import PAGES, RESOURCES, WEATHER, WIDGET, agent_adoption
from conformance.judge import agent_requests as wire
from conformance.judge.agent import AgentSeen, sent_body
from conformance.judge.conditions import condition
from conformance.record.history import Object
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

RESTORED = ("kubernetes.io/os", "kubernetes.io/hostname", "beta.kubernetes.io/arch")


def _second_start(seen: AgentSeen) -> float:
    starts = seen.marks("agent starts")
    if len(starts) < 2:
        raise NotExercised("the agent was not started a second time", about=seen.node_name)
    return starts[1].at


def _edited(seen: AgentSeen) -> Object:
    node = seen.node.state_at(seen.mark("operator edited").at)
    if node is None:
        raise NotExercised("there was no Node to edit", about=seen.node_name)
    return node


@judges("N-REG-05", reads=agent_adoption)
def test_an_existing_node_is_adopted(seen: AgentSeen) -> Iterator[Violation]:
    start, stop = _second_start(seen), seen.mark("agent killed").at
    posts = wire.since(wire.registrations(seen), start, stop)
    if [x.status for x in posts] != [409]:
        yield Violation(
            want="one POST, answered that the Node exists already",
            got=f"POSTs answered {[x.status for x in posts]}",
            at=start,
            about=seen.node_name,
        )
    elif not wire.since(seen.requests("GET", seen.node_path()), posts[0].answered, stop):
        yield Violation(want="the existing Node read after the 409", got="no GET", at=start, about=seen.node_name)
    for each in wire.node_writes(seen):
        if each.method == "DELETE":
            yield Violation(want="no Node deleted", got=f"DELETE {each.path}", at=each.sent, about=seen.node_name)
    uids = list(dict.fromkeys(event.uid for event in seen.node.events))
    if len(uids) > 1:
        yield Violation(want="the Node keeps its uid", got=f"uids {uids}", about=seen.node_name)


@judges("N-REG-07", reads=agent_adoption)
def test_default_labels_are_restored(seen: AgentSeen) -> Iterator[Violation]:
    before = wire.registration(seen)["metadata"].get("labels") or {}
    _edited(seen)
    by = _second_start(seen) + seen.timing.registered().latest + seen.timing.status_tick().latest
    node = seen.node.state_at(by)
    labels = (node or {}).get("metadata", {}).get("labels") or {}
    for name in RESTORED:
        if labels.get(name) != before.get(name):
            yield Violation(
                want=f"label {name}={before.get(name)} again after the start",
                got=f"{labels.get(name)}",
                at=by,
                about=seen.node_name,
            )


@judges("N-REG-08", reads=agent_adoption)
def test_what_the_operator_wrote_stays(seen: AgentSeen) -> Iterator[Violation]:
    edited, last = _edited(seen), seen.node.last
    if last is None:
        raise NotExercised("the Node is gone", about=seen.node_name)
    for what in ("spec", "labels", "annotations"):
        want, got = _operators(edited, what), _operators(last, what)
        if want != got:
            yield Violation(want=f"the Node's {what} as left: {want}", got=f"{got}", about=seen.node_name)
    for each in wire.since(wire.node_writes(seen), _second_start(seen)):
        if each.method in ("PUT", "PATCH") and not each.path.partition("?")[0].endswith("/status"):
            yield Violation(
                want="nothing but the status written",
                got=f"{each.method} {each.path}",
                at=each.sent,
                about=seen.node_name,
            )
        elif each.method == "PATCH" and (sent_body(each) or {}).get("spec"):
            yield Violation(want="no spec in a patch", got=each.request, at=each.sent, about=seen.node_name)


def _operators(node: Object, what: str) -> Any:
    """The part of a Node that belongs to the operator: labels and annotations no agent derives."""
    if what == "spec":
        return node["spec"]
    found = node["metadata"].get(what) or {}
    return {key: value for key, value in found.items() if "conformance.test/" in key}


@judges("N-CND-08", reads=agent_adoption)
def test_conditions_of_others_outlive_a_restart(seen: AgentSeen) -> None:
    written = condition(_edited(seen), WEATHER["type"])
    if written is None:
        raise NotExercised("no condition was added", about=seen.node_name)
    for event in seen.node.since(_second_start(seen)).events:
        got = condition(event.after, WEATHER["type"])
        if event.after and got != written:
            raise Violation(want=f"{dict(written)}", got=f"{got}", at=event.at, about=seen.node_name)


@judges("N-X-01", reads=agent_adoption)
def test_huge_pages_of_old_are_removed(seen: AgentSeen) -> Iterator[Violation]:
    by = _second_start(seen) + seen.timing.registered().latest + seen.timing.status_tick().latest
    node = seen.node.state_at(by) or {}
    for field in ("capacity", "allocatable"):
        if PAGES not in _edited(seen)["status"].get(field, {}):
            raise NotExercised(f"no {PAGES} could be written into {field}", about=seen.node_name)
        found = (node.get("status") or {}).get(field) or {}
        if PAGES in found:
            yield Violation(want=f"no {PAGES} in {field}", got=f"{found[PAGES]}", at=by, about=seen.node_name)
        if found.get(WIDGET) != RESOURCES[WIDGET]:
            got = found.get(WIDGET)
            yield Violation(want=f"{WIDGET} still in {field}", got=f"{got}", at=by, about=seen.node_name)


@judges("N-HB-08", reads=agent_adoption)
def test_a_restarted_agent_writes_its_status(seen: AgentSeen) -> None:
    restart = seen.mark("agent restarts").at
    bound = seen.timing.registered().latest + seen.timing.status_tick().latest
    if not wire.since(wire.status_writes(seen), restart, restart + bound):
        raise Violation(
            want=f"a write of the status within {bound:.1f} s of the restart, though nothing changed",
            got="none",
            at=restart,
            about=seen.node_name,
        )


@judges("N-LSE-08", reads=agent_adoption)
def test_an_existing_lease_is_adopted(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("has_lease")
    start = _second_start(seen)
    if seen.lease.state_at(start) is None:
        raise NotExercised("there was no Lease at the second start", about=seen.node_name)
    creations = wire.since(wire.lease_creations(seen), start)
    for each in (*creations, *wire.since(seen.requests("DELETE", ".*/leases.*"), start)):
        yield Violation(
            want="the existing Lease taken over", got=f"{each.method} {each.path}", at=each.sent, about=seen.node_name
        )
    bound = seen.timing.registered().latest + seen.timing.renewal().latest
    put = next(iter(wire.since(wire.renewals(seen), start, start + bound)), None)
    if put is None:
        yield Violation(want=f"a renewal within {bound:.1f} s", got="none", at=start, about=seen.node_name)
    elif not wire.since(seen.requests("GET", seen.lease_path()), start, put.sent):
        yield Violation(want="the Lease read before it is written", got="no GET", at=put.sent, about=seen.node_name)


@judges("N-LSE-11", reads=agent_adoption)
def test_a_stopped_agent_leaves_its_lease(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("has_lease")
    ends = (seen.mark("agent stops").at, seen.mark("agent killed").at)
    starts = (_second_start(seen), seen.mark("agent restarts").at)
    for end, start in zip(ends, starts, strict=True):
        before = seen.lease.state_at(end)
        if before is None:
            raise NotExercised("there was no Lease when the agent stopped", about=seen.node_name)
        for each in wire.since(seen.requests(wire.WRITES, ".*/leases.*"), end + seen.timing.slack, start):
            yield Violation(
                want="nothing written by a stopped agent",
                got=f"{each.method} {each.path}",
                at=each.sent,
                about=seen.node_name,
            )
        after = seen.lease.state_at(start)
        if after is None or {**after["spec"], "renewTime": ""} != {**before["spec"], "renewTime": ""}:
            got = "it is gone" if after is None else f"{after['spec']}"
            yield Violation(want=f"the Lease as it was: {before['spec']}", got=got, at=end, about=seen.node_name)


@judges("N-OUT-09", reads=agent_adoption)
def test_a_stopped_agent_writes_nothing(seen: AgentSeen) -> Iterator[Violation]:
    ends = (seen.mark("agent stops").at, seen.mark("agent killed").at)
    starts = (_second_start(seen), seen.mark("agent restarts").at)
    for end, start in zip(ends, starts, strict=True):
        for each in wire.since(seen.requests(wire.WRITES, ".*"), end, start):
            if each.method == "DELETE" or "/status" in each.path or each.sent > end + seen.timing.slack:
                yield Violation(
                    want="an agent that leaves without a word",
                    got=f"{each.method} {each.path} {each.sent - end:.2f} s after it was stopped",
                    at=each.sent,
                    about=seen.node_name,
                )
