"""An agent makes its Node known."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from conformance.drive.scenarios.node.refused import agent_refused
from conformance.drive.scenarios.node.start import BYSTANDER, agent_start
from conformance.judge import agent_requests as wire
from conformance.judge.agent import AgentSeen
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

STATUS = ("capacity", "allocatable", "conditions", "addresses", "nodeInfo", "daemonEndpoints")


@judges("N-REG-01", reads=agent_start)
def test_the_agent_creates_its_own_node_once(seen: AgentSeen) -> None:
    seen.needs("registers_itself")
    made = [x for x in wire.registrations(seen) if x.status == 201]
    names = [wire.written_name(x) for x in made]
    if names != [seen.node_name]:
        raise Violation(
            want=f"one Node created by the agent, {seen.node_name}", got=f"created: {names}", about=seen.node_name
        )
    took = made[0].answered - seen.mark("agent started").at
    if took > seen.timing.registered().latest:
        raise Violation(
            want=f"the Node {seen.timing.registered()} after the start",
            got=f"{took:.2f} s",
            at=made[0].answered,
            about=seen.node_name,
        )


@judges("N-REG-02", reads=agent_start)
def test_the_first_post_has_the_whole_status(seen: AgentSeen) -> None:
    status = wire.registration(seen).get("status") or {}
    lacking = [field for field in STATUS if not status.get(field)]
    if lacking:
        raise Violation(
            want="a whole status in the Node that is created", got=f"no {', '.join(lacking)}", about=seen.node_name
        )


@judges("N-REG-03", reads=agent_refused)
def test_refused_registration_is_tried_again_and_again(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("registers_itself")
    if not seen.mark("alive").facts["alive"]:
        yield Violation(want="an agent that lives on while the master refuses it", got="it ended", about=seen.node_name)
    healed = seen.mark("master healed").at
    refused = wire.since(wire.registrations(seen), 0, healed)
    if not refused:
        raise NotExercised("no registration was tried while the master refused", about=seen.node_name)
    for number, (before, after) in enumerate(pairwise(refused), 1):
        window = seen.timing.retry(number)
        if after.sent - before.answered not in window:
            yield Violation(
                want=f"try {number + 1} {window} after the refusal before",
                got=f"{after.sent - before.answered:.2f} s",
                at=after.sent,
                about=seen.node_name,
            )
    silent = healed - refused[-1].answered
    if silent > seen.timing.retry(len(refused)).latest:
        yield Violation(
            want="another try", got=f"none for {silent:.2f} s after try {len(refused)}", at=healed, about=seen.node_name
        )


@judges("N-REG-04", reads=agent_refused)
def test_registration_completes_when_the_master_is_well_again(seen: AgentSeen) -> None:
    seen.needs("registers_itself")
    healed = seen.mark("master healed").at
    made = next((x for x in wire.registrations(seen) if x.status == 201), None)
    window = seen.timing.recovered()
    if made is None or made.answered - healed > window.latest:
        raise Violation(
            want=f"the Node created {window} after the master's recovery",
            got="never" if made is None else f"{made.answered - healed:.2f} s",
            at=healed,
            about=seen.node_name,
        )


@judges("N-REG-09", reads=agent_start)
def test_the_node_is_created_with_its_taints(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("takes_taints")
    want = [dict(taint) for taint in seen.mark("agent starts").facts["taints"]]
    spec = wire.registration(seen).get("spec") or {}
    keys = [taint["key"] for taint in want]
    got = [taint for taint in spec.get("taints") or [] if taint["key"] in keys]
    if got != want:
        yield Violation(want=f"taints {want} in the Node that is created", got=f"{got}", about=seen.node_name)
    if spec.get("unschedulable"):
        yield Violation(want="a Node open for pods", got="spec.unschedulable is true", about=seen.node_name)


@judges("N-REG-13", reads=agent_start)
def test_no_other_node_is_written(seen: AgentSeen) -> Iterator[Violation]:
    for each in wire.node_writes(seen):
        if each.method == "DELETE" or wire.written_name(each) != seen.node_name:
            yield Violation(
                want=f"writes to {seen.node_name} alone and no deletion",
                got=f"{each.method} {each.path}",
                at=each.sent,
                about=seen.node_name,
            )
    bystander = seen.naming.name(BYSTANDER)
    for event in seen.history.story("Node", bystander).events[1:]:
        yield Violation(
            want="somebody else's Node left alone", got=f"it was {event.type}", at=event.at, about=bystander
        )
