"""An agent whose machine goes down ends its pods in order, and says why."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.node.shutdown import CRITICAL, PODS, TOTAL, agent_shutdown
from conformance.judge import agent_pods as pods
from conformance.judge import agent_requests as wire
from conformance.judge import pod_lives
from conformance.judge.agent import AgentSeen
from conformance.judge.agent_admission import outcome, refused
from conformance.judge.conditions import condition, turned
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

BETA = 21
WORDS = {
    True: ("Terminated", "Pod was terminated in response to imminent node shutdown."),
    False: ("Shutdown", "Node is shutting, evicting pods"),
}


def _goes_down(seen: AgentSeen) -> float:
    mark = seen.mark("goes down")
    if len(mark.facts["running"]) < len(PODS):
        raise NotExercised(f"only {mark.facts['running']} ran", about=seen.node_name)
    return mark.at


@judges("N-DEL-10", reads=agent_shutdown)
def test_a_node_that_goes_down_says_so(seen: AgentSeen) -> Iterator[Violation]:
    at, window = _goes_down(seen), seen.timing.status_tick()
    change = turned(seen.node.since(at), "Ready", "False")
    if change is None or change.at - at > window.latest:
        yield Violation(want=f"Ready False {window}", got="it is not", at=at, about=seen.node_name)
    else:
        message = str((change.after or {}).get("message"))
        if "node is shutting down" not in message:
            want = "a message with 'node is shutting down'"
            yield Violation(want=want, got=message, at=change.at, about=seen.node_name)
    latest = seen.timing.renewal().latest
    if "has_lease" in seen.facts.abilities and not wire.since(wire.renewals(seen), at, at + latest):
        yield Violation(want="the Lease renewed all the same", got="it is not", at=at, about=seen.node_name)


@judges("N-DEL-10", reads=agent_shutdown)
def test_pods_end_before_their_node(seen: AgentSeen) -> Iterator[Violation]:
    at, (reason, message) = _goes_down(seen), WORDS[seen.facts.minor >= BETA]
    ended = {
        role: next((e.at for e in seen.pod(role).events if pods.phase(e.after) == "Failed"), None) for role in PODS
    }
    latest = TOTAL + seen.timing.pod_acknowledged().latest
    for role, when in ended.items():
        got = outcome(seen, role)
        if when is None or when - at > latest or got[1:] != (reason, message):
            want = f"Failed/{reason}: {message} within {latest:.0f} s"
            yield Violation(want=want, got=f"{got}", at=at, about=seen.naming.name(role))
        for removal in pods.removals(seen, role):
            about = seen.naming.name(role)
            yield Violation(want="the object of the pod kept", got="DELETE", at=removal.sent, about=about)
    others = [when for role, when in ended.items() if when is not None and role != "critical"]
    # What is killed and what is asked to end at the end of one period are told at about the same moment.
    if ended["critical"] is not None and others and ended["critical"] < max(others) - seen.timing.slack:
        yield Violation(want="the critical pod last", got=f"{ended}", at=at, about=seen.naming.name("critical"))
    stubborn, period = ended["stubborn"], TOTAL - CRITICAL
    if stubborn is not None and stubborn - at < period * 0.9:
        got_ = f"{stubborn - at:.1f} s"
        yield Violation(want=f"{period} s for others", got=got_, at=at, about=seen.naming.name("stubborn"))


@judges("N-DEL-10", reads=agent_shutdown)
def test_a_node_that_goes_down_takes_no_pods(seen: AgentSeen) -> Iterator[Violation]:
    _goes_down(seen)
    if seen.facts.minor >= BETA:
        yield from refused(seen, "late", "NodeShutdown")
    elif (condition(pods.last(seen, "late"), "Ready") or {}).get("status") is None:
        raise NotExercised("nothing was told of the pod", about=seen.naming.name("late"))


@judges("N-POD-17", reads=agent_shutdown)
def test_pods_that_end_with_their_node_have_ended(seen: AgentSeen) -> Iterator[Violation]:
    _goes_down(seen)
    for role in PODS:
        yield from pod_lives.half_ended(seen, role)
