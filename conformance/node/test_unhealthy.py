"""An agent whose machine is not well says so, and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from conformance.drive.scenarios.node.start import agent_start
from conformance.drive.scenarios.node.unhealthy import KINDS, TRANSITION, agent_pressed, agent_without_runtime
from conformance.judge import agent_requests as wire
from conformance.judge.agent import AgentSeen
from conformance.judge.conditions import changes, condition, status, turned
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

DOWN = "container runtime is down"
BRACKETS = 20
"""Minor version from which several troubles stand in brackets."""
WORDS = {
    "MemoryPressure": ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    "DiskPressure": ("KubeletHasDiskPressure", "kubelet has disk pressure"),
}


@judges("N-CND-03", reads=agent_pressed)
def test_a_pressure_has_the_known_words(seen: AgentSeen) -> Iterator[Violation]:
    for kind, (reason, message) in WORDS.items():
        change = turned(seen.node, kind, "True")
        if change is None or change.after is None:
            raise NotExercised(f"{kind} never became True", about=seen.node_name)
        got = change.after
        if got["reason"] != reason or not got["message"].startswith(message):
            yield Violation(
                want=f"{kind} with {reason}: {message}",
                got=f"{got['reason']}: {got['message']}",
                at=change.at,
                about=seen.node_name,
            )


@judges("N-CND-09", reads=agent_pressed)
def test_a_pressure_comes_soon_and_goes_late(seen: AgentSeen) -> Iterator[Violation]:
    pressed, relieved = seen.timing.pressed(), seen.timing.relieved(TRANSITION)
    for resource, kind in KINDS.items():
        scarce, free = seen.mark(f"{resource} scarce").at, seen.mark(f"{resource} free").at
        turns = [(each.at, (each.after or {}).get("status")) for each in changes(seen.node.since(scarce), kind)]
        if not turns or turns[0][1] != "True" or turns[0][0] - scarce not in pressed:
            yield Violation(want=f"{kind} {pressed} after the cause", got=f"{turns}", at=scarce, about=seen.node_name)
        elif len(turns) < 2 or turns[1][0] - free not in relieved:
            ended = f"{turns[1][0] - free:.2f} s" if len(turns) > 1 else "never"
            yield Violation(
                want=f"{kind} ended {relieved} after its cause, however that flapped",
                got=ended,
                at=free,
                about=seen.node_name,
            )


@judges("N-CND-13", reads=agent_pressed)
def test_a_pressed_node_is_ready(seen: AgentSeen) -> None:
    if turned(seen.node, "MemoryPressure", "True") is None:
        raise NotExercised("MemoryPressure never became True", about=seen.node_name)
    for event in seen.node.since(seen.mark("memory scarce").at).until(seen.mark("memory free").at).events:
        if status(event.after, "Ready") != "True":
            got = condition(event.after, "Ready")
            raise Violation(want="Ready in spite of the pressure", got=f"{got}", at=event.at, about=seen.node_name)


@judges("N-CND-04", reads=agent_without_runtime)
def test_a_node_without_runtime_is_not_ready(seen: AgentSeen) -> None:
    down, up = seen.mark("runtime down").at, seen.mark("runtime up").at
    change = turned(seen.node.since(down).until(up), "Ready", "False")
    window = seen.timing.runtime_lost()
    if change is None or change.after is None or change.at - down > window.latest:
        raise Violation(want=f"Ready False {window}", got="it is Ready", at=down, about=seen.node_name)
    if change.after["reason"] != "KubeletNotReady" or not change.after["message"]:
        raise Violation(
            want="reason KubeletNotReady, and what is wrong as message",
            got=f"{change.after['reason']}: {change.after['message']}",
            at=change.at,
            about=seen.node_name,
        )


@judges("N-CND-04", reads=agent_without_runtime)
def test_several_troubles_are_listed(seen: AgentSeen) -> Iterator[Violation]:
    seen.mark("not ready")
    messages = [str((condition(event.after, "Ready") or {}).get("message")) for event in seen.node.events]
    several = [each for each in messages if DOWN in each and "PLEG" in each]
    if not several:
        raise NotExercised("there was one trouble at a time", about=seen.node_name)
    for each in several:
        if seen.facts.minor >= BRACKETS and not (each.startswith("[") and each.endswith("]") and ", " in each):
            yield Violation(want="[one, another]", got=each, about=seen.node_name)


@judges("N-CND-12", reads=agent_start)
def test_a_new_node_becomes_ready_by_itself(seen: AgentSeen) -> None:
    first = next(iter(seen.node.events), None)
    if first is None:
        raise NotExercised("there is no Node", about=seen.node_name)
    change = turned(seen.node, "Ready", "True")
    if change is None or change.at - first.at not in seen.timing.ready():
        raise Violation(
            want=f"Ready {seen.timing.ready()} after the registration",
            got="never" if change is None else f"{change.at - first.at:.2f} s",
            at=first.at,
            about=seen.node_name,
        )


@judges("N-LSE-10", reads=agent_without_runtime)
def test_the_lease_is_renewed_though_the_node_is_not_ready(seen: AgentSeen) -> None:
    seen.needs("has_lease")
    mark = seen.mark("not ready")
    if not mark.facts["told"]:
        raise NotExercised("the node did not become NotReady", about=seen.node_name)
    renewals = [x.sent for x in wire.since(wire.renewals(seen), mark.at, seen.mark("runtime up").at)]
    latest = seen.timing.renewal().latest
    for before, after in pairwise((mark.at, *renewals, seen.mark("runtime up").at)):
        if after - before > latest:
            raise Violation(
                want=f"a renewal within {latest:.1f} s",
                got=f"none for {after - before:.1f} s",
                at=after,
                about=seen.node_name,
            )
