"""An agent without its container runtime, or without the pods' network, waits and goes on."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.node.unhealthy import (
    agent_runtime_absent,
    agent_without_network,
    agent_without_runtime,
)
from conformance.judge import agent_events
from conformance.judge import agent_pods as pods
from conformance.judge import agent_requests as wire
from conformance.judge.agent import AgentSeen
from conformance.judge.conditions import changes, condition, turned
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

DOWN, UNWATCHED = "container runtime is down", "PLEG is not healthy: pleg was last seen active"
OFFLINE = "runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady"


def _told_lost(seen: AgentSeen) -> float:
    mark = seen.mark("not ready")
    if not mark.facts["told"]:
        raise NotExercised("the node did not become NotReady", about=seen.node_name)
    return mark.at


@judges("N-CND-10", reads=agent_without_runtime)
def test_the_loss_of_the_runtime_is_told(seen: AgentSeen) -> Iterator[Violation]:
    down, up = seen.mark("runtime down").at, seen.mark("runtime up").at
    for text, window in ((DOWN, seen.timing.runtime_lost()), (UNWATCHED, seen.timing.unwatched_containers())):
        story = seen.node.since(down).until(up).events
        told = next((e.at for e in story if text in str((condition(e.after, "Ready") or {}).get("message"))), None)
        if told is None or told - down > window.latest:
            got = "never" if told is None else f"{told - down:.1f} s"
            yield Violation(want=f"Ready False with {text!r} {window}", got=got, at=down, about=seen.node_name)
    back, window = turned(seen.node.since(up), "Ready", "True"), seen.timing.runtime_regained()
    if back is None or back.at - up not in window:
        got = "never" if back is None else f"{back.at - up:.1f} s"
        yield Violation(want=f"Ready True {window} after the runtime is back", got=got, at=up, about=seen.node_name)


@judges("N-RT-02", reads=agent_without_runtime)
def test_no_pod_starts_without_a_runtime(seen: AgentSeen) -> Iterator[Violation]:
    lost, up, about = _told_lost(seen), seen.mark("runtime up").at, seen.naming.name("waiting")
    for each in pods.status_writes(seen, "waiting"):
        if each.sent < up:
            want = "nothing told of a new pod while there is no runtime"
            yield Violation(want=want, got=each.request, at=each.sent, about=about)
    if "has_lease" in seen.facts.abilities and not wire.since(wire.renewals(seen), lost, up):
        yield Violation(want="the Lease renewed meanwhile", got="it is not", at=lost, about=seen.node_name)
    latest = seen.timing.runtime_regained().latest + seen.timing.pod_running().latest
    runs = next((e.at for e in seen.pod("waiting").events if pods.phase(e.after) == "Running"), None)
    if runs is None or runs - up > latest:
        got = "never" if runs is None else f"{runs - up:.1f} s"
        yield Violation(want=f"the pod started within {latest:.0f} s of the recovery", got=got, at=up, about=about)


@judges("N-X-30", reads=agent_without_runtime)
def test_containers_outlive_an_outage_of_the_runtime(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("runs_containers")
    before, now = seen.mark("runtime down").facts["steady"], pods.last(seen, "steady")
    seen.mark("runtime up")
    if pods.phase(before) != "Running":
        raise NotExercised("the pod did not run before", about=seen.naming.name("steady"))
    facts = [
        [(each.get("containerID"), each.get("restartCount")) for each in pods.containers(state)]
        for state in (before, now)
    ]
    if facts[0] != facts[1] or pods.phase(now) != "Running":
        got = f"{pods.phase(now)}, {facts[1]}"
        yield Violation(want=f"Running, {facts[0]}", got=got, about=seen.naming.name("steady"))


@judges("N-EVT-02", reads=agent_without_runtime)
def test_turns_of_readiness_are_told_in_events(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("sends_events")
    _told_lost(seen)
    seen.mark("runtime up")
    turns = [(each.after or {}).get("status") for each in changes(seen.node, "Ready") if each.before]
    for status, reason in (("True", "NodeReady"), ("False", "NodeNotReady")):
        told, wanted = agent_events.times(seen, "Node", seen.node_name, reason), turns.count(status)
        if told != wanted:
            want = f"{reason} told {wanted} times, as Ready turned {status}"
            yield Violation(want=want, got=f"{told} times", about=seen.node_name)
        for each in agent_events.of_node(seen, reason):
            if each.type != "Normal":
                yield Violation(want=f"{reason} of type Normal", got=each.type, at=each.at, about=seen.node_name)


@judges("N-CND-11", reads=agent_without_network)
def test_the_loss_of_the_network_is_told(seen: AgentSeen) -> None:
    down, up = seen.mark("network down").at, seen.mark("network up").at
    window = seen.timing.runtime_regained()
    change = turned(seen.node.since(down).until(up), "Ready", "False")
    message = str(((change.after if change else None) or {}).get("message"))
    if change is None or change.at - down not in window or OFFLINE not in message:
        got = "it is Ready" if change is None else f"{message} after {change.at - down:.1f} s"
        raise Violation(want=f"Ready False {window}, with {OFFLINE!r}", got=got, at=down, about=seen.node_name)


@judges("N-RT-03", reads=agent_without_network)
def test_without_network_only_the_hosts_pods_start(seen: AgentSeen) -> Iterator[Violation]:
    mark, up = seen.mark("offline"), seen.mark("network up").at
    if not mark.facts["told"]:
        raise NotExercised("the node did not become NotReady", about=seen.node_name)
    if pods.phase(seen.pod("host").state_at(up)) != "Running":
        about = seen.naming.name("host")
        want = "a pod on the host's network started"
        yield Violation(want=want, got=pods.phase(seen.pod("host").state_at(up)), at=mark.at, about=about)
    about = seen.naming.name("needy")
    early = next((e.at for e in seen.pod("needy").until(up).events if pods.phase(e.after) == "Running"), None)
    if early is not None:
        yield Violation(want="no other pod started", got="it was", at=early, about=about)
    window, runs = seen.timing.network_regained(), turned(seen.pod("needy").since(up), "Ready", "True")
    if early is None and (runs is None or runs.at - up > window.latest):
        got = "never" if runs is None else f"{runs.at - up:.1f} s"
        yield Violation(want=f"started {window} after the network is back", got=got, at=up, about=about)
    if "sends_events" in seen.facts.abilities and not agent_events.of_pod(seen, "needy", "NetworkNotReady"):
        yield Violation(want="an event NetworkNotReady", got="none", at=mark.at, about=about, level="SHOULD")


@judges("N-RT-04", reads=agent_runtime_absent)
def test_a_node_without_runtime_is_never_ready(seen: AgentSeen) -> Iterator[Violation]:
    mark = seen.mark("waited")
    for event in seen.node.events:
        ready = condition(event.after, "Ready") or {}
        if ready.get("status") == "True":
            yield Violation(want="no Ready node", got=f"{dict(ready)}", at=event.at, about=seen.node_name)
    if mark.facts["alive"]:
        yield Violation(want="an agent that ends, since it has no runtime", got="it runs", at=mark.at, level="SHOULD")
