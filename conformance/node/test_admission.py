"""An agent takes the pods that fit, and refuses the others for good."""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance.drive.scenarios.node.admission import (
    BATCH,
    EXTENDED,
    FIELDS,
    WIDGET,
    agent_admission,
)
from conformance.drive.scenarios.node.flags import CROWD, agent_flags
from conformance.judge import agent_events, quantities
from conformance.judge import agent_pods as pods
from conformance.judge.agent import AgentSeen
from conformance.judge.agent_admission import outcome, refused, taken
from conformance.judge.pods import TERMINAL
from conformance.record.history import Object
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

SELECTORS = 18
"""Minor version from which a node selector that does not match is called NodeAffinity, and a taken port NodePorts."""
TAINTS = 22
REFUSED = ("giant-cpu", "giant-memory", "elsewhere", "unrelated", "port-two")
NUMBERS = re.compile(r"requested: (\d+), used: \d+, capacity: (\d+)")


def _allocatable(seen: AgentSeen) -> Object:
    found: Object = pods.status(seen.mark("batch decided").facts["node"]).get("allocatable") or {}
    return found


@judges("N-ADM-02", reads=agent_admission)
def test_a_pod_that_asks_for_too_much_is_refused(seen: AgentSeen) -> Iterator[Violation]:
    demands = {"giant-cpu": "cpu", "giant-memory": "memory"}
    if seen.facts.minor >= EXTENDED:
        demands |= {"giant-storage": "ephemeral-storage", "giant-widgets": WIDGET}
    for role, resource in demands.items():
        about = seen.naming.name(role)
        yield from refused(seen, role, f"OutOf{resource}", f"didn't have enough resource: {resource}")
        message, scale = outcome(seen, role)[2], 1000 if resource == "cpu" else 1
        numbers = NUMBERS.search(message)
        asked = pods.last(seen, role)["spec"]["containers"][0]["resources"]["requests"][resource]
        want = [str(int((quantities.amount(x) or 0) * scale)) for x in (asked, _allocatable(seen).get(resource))]
        if numbers is None or list(numbers.groups()) != want:
            text = f"requested: {want[0]}, used: ..., capacity: {want[1]} in the message"
            yield Violation(want=text, got=message, about=about)


@judges("N-ADM-02", reads=agent_admission)
def test_all_containers_count_and_those_that_come_first_by_their_peak(seen: AgentSeen) -> Iterator[Violation]:
    for role in ("giant-sum", "giant-init"):
        yield from refused(seen, role, "OutOfmemory", "didn't have enough resource: memory")
    yield from taken(seen, "large-limit", "what it may use at most is not what it asks for")
    if "runs_containers" in seen.facts.abilities:
        yield from taken(seen, "one-by-one", "containers that run one after the other need room for the larger alone")


@judges("N-ADM-02", reads=agent_admission)
def test_a_refusal_tells_what_is_used(seen: AgentSeen) -> None:
    decided, message = seen.mark("batch decided"), outcome(seen, "giant-cpu")[2]
    together = (seen.pod(role).state_at(decided.at) for role in (*BATCH, "selected"))
    there = [state for state in together if state is not None and pods.phase(state) not in TERMINAL]
    asked = [each["spec"]["containers"][0]["resources"]["requests"]["cpu"] for each in there]
    used = sum(int((quantities.amount(text) or 0) * 1000) for text in asked)
    if f"used: {used}," not in message:
        raise Violation(want=f"used: {used} in the message", got=message, about=seen.naming.name("giant-cpu"))


@judges("N-ADM-02", reads=agent_flags)
def test_one_pod_too_many_is_refused(seen: AgentSeen) -> Iterator[Violation]:
    at = seen.mark("crowd decided").at
    decided = {role: seen.pod(role).state_at(at) for role in CROWD}
    for role, state in decided.items():
        phase, reason = pods.phase(state), pods.status(state).get("reason")
        if role != CROWD[-1] and phase == "Failed":
            want = f"room for {len(CROWD) - 1} pods, as configured"
            yield Violation(want=want, got=f"{role} Failed/{reason}", at=at, about=seen.naming.name(role))
        if role == CROWD[-1] and (phase, reason) != ("Failed", "OutOfpods"):
            want = f"Failed/OutOfpods for pod {len(CROWD)}"
            yield Violation(want=want, got=f"{phase}/{reason}", at=at, about=seen.naming.name(role))


@judges("N-ADM-03", reads=agent_flags)
def test_what_is_reserved_cannot_be_had(seen: AgentSeen) -> Iterator[Violation]:
    allocatable = pods.status(seen.node.state_at(seen.mark("crowd decided").at)).get("allocatable") or {}
    for resource in ("cpu", "memory"):
        yield from refused(seen, f"all-{resource}", f"OutOf{resource}", f"enough resource: {resource}")
        message, scale = outcome(seen, f"all-{resource}")[2], 1000 if resource == "cpu" else 1
        want = f"capacity: {int((quantities.amount(allocatable.get(resource)) or 0) * scale)}"
        if not message.endswith(want) and f"{want}," not in message:
            about = seen.naming.name(f"all-{resource}")
            yield Violation(want=f"{want} in the message, which is the allocatable amount", got=message, about=about)


@judges("N-ADM-04", reads=agent_admission)
def test_only_what_runs_or_will_run_takes_room(seen: AgentSeen) -> Iterator[Violation]:
    if outcome(seen, "giant-cpu")[0] != "Failed":
        raise NotExercised("no pod was refused before the next came", about=seen.naming.name("giant-cpu"))
    yield from taken(seen, "fits", "pods that were refused take no room")
    seen.mark("room used")
    yield from taken(seen, "successor", "pods that were deleted or have ended take no room")
    together = [
        role for role in BATCH if pods.phase(seen.pod(role).state_at(seen.mark("batch decided").at)) != "Failed"
    ]
    if len(together) == len(BATCH):
        want = "no room for the third pod of a batch, since two that are still starting take it"
        yield Violation(want=want, got="all three admitted", about=tuple(map(seen.naming.name, BATCH)))


@judges("N-ADM-05", reads=agent_admission)
def test_the_older_pods_of_a_batch_win(seen: AgentSeen) -> Iterator[Violation]:
    at = seen.mark("batch decided").at
    decided = {role: pods.phase(seen.pod(role).state_at(at)) for role in BATCH}
    losers = [role for role, phase in decided.items() if phase == "Failed"]
    if len(losers) != 1 or "Pending" in decided.values():
        raise NotExercised(f"of a batch with one pod too many: {decided}")
    if losers != [BATCH[-1]]:
        want = f"{BATCH[-1]} refused, the youngest of the batch"
        yield Violation(want=want, got=f"{losers[0]} refused", at=at, about=seen.naming.name(losers[0]))


@judges("N-ADM-06", reads=agent_admission)
def test_a_pod_that_selects_other_nodes_is_refused(seen: AgentSeen) -> Iterator[Violation]:
    reason = "NodeAffinity" if seen.facts.minor >= SELECTORS else "MatchNodeSelector"
    for role in (
        "elsewhere",
        "unrelated",
        "half-related",
        *(("named-otherwise",) if seen.facts.minor >= FIELDS else ()),
    ):
        yield from refused(seen, role, reason, f"Predicate {reason} failed")


@judges("N-ADM-07", reads=agent_admission)
def test_a_host_port_is_given_once(seen: AgentSeen) -> Iterator[Violation]:
    yield from taken(seen, "port-one", "its port is free")
    reason = "NodePorts" if seen.facts.minor >= SELECTORS else "PodFitsHostPorts"
    for role in ("port-two", "port-here"):
        yield from refused(seen, role, reason)
    for role in ("port-datagrams", "port-one-address", "port-another-address"):
        yield from taken(seen, role, "the port is free for its protocol, at its address")


@judges("N-ADM-08", reads=agent_admission)
def test_an_unknown_resource_is_somebody_elses(seen: AgentSeen) -> Iterator[Violation]:
    yield from taken(seen, "unknown-widget", "the node knows nothing of the resource it asks for")


@judges("N-ADM-09", reads=agent_admission)
def test_taints_keep_pods_out_when_they_say_so(seen: AgentSeen) -> Iterator[Violation]:
    yield from taken(seen, "unscheduled", "NoSchedule is the scheduler's business")
    yield from taken(seen, "tolerant", "it tolerates the taint")
    if seen.facts.minor >= TAINTS:
        yield from refused(seen, "intolerant", "TaintToleration")
    else:
        yield from taken(seen, "intolerant", "the node of this version looks at no taints")


@judges("N-ADM-11", reads=agent_admission)
def test_a_critical_pod_makes_room_for_itself(seen: AgentSeen) -> Iterator[Violation]:
    seen.mark("all asked")
    yield from taken(seen, "critical", "others make room for a critical pod")
    victims = [role for role in (BATCH[0], "fits", "successor") if outcome(seen, role)[0] == "Failed"]
    if not victims:
        raise NotExercised("there was room for the critical pod anyhow", about=seen.naming.name("critical"))
    for role in victims:
        if outcome(seen, role)[1] != "Preempting":
            got = f"{outcome(seen, role)}"
            yield Violation(want="Failed/Preempting", got=got, about=seen.naming.name(role))
    if outcome(seen, "unasking")[0] == "Failed":
        about = seen.naming.name("unasking")
        want = "a pod that asks for nothing, and whose end frees nothing, left alone"
        yield Violation(want=want, got=f"{outcome(seen, 'unasking')}", about=about)


@judges("N-ADM-12", reads=agent_admission)
def test_a_refusal_is_final(seen: AgentSeen) -> Iterator[Violation]:
    seen.mark("room used")
    for removal in (each for role in REFUSED for each in pods.removals(seen, role)):
        want, about = "the object of a refused pod kept", pods.pod_name(removal)
        yield Violation(want=want, got="DELETE", at=removal.sent, about=about)
    for role in REFUSED:
        about = seen.naming.name(role)
        events = [event for event in seen.pod(role).events if pods.phase(event.before) == "Failed"]
        if outcome(seen, role)[0] != "Failed" and not events:
            raise NotExercised(f"{role} was not refused", about=about)
        for event in events:
            if event.after is None or pods.phase(event.after) != "Failed":
                got = "it is gone" if event.after is None else pods.phase(event.after)
                yield Violation(want="a refused pod that stays Failed", got=got, at=event.at, about=about)
        for each in seen.requests("DELETE", pods.path(seen, role)):
            yield Violation(want="a refused pod left where it is", got="DELETE", at=each.sent, about=about)


@judges("N-ADM-13", reads=agent_admission)
def test_a_refusal_is_told_in_an_event(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("sends_events")
    seen.mark("all asked")
    for role in REFUSED:
        phase, reason, _ = outcome(seen, role)
        if phase != "Failed":
            raise NotExercised(f"{role} was not refused", about=seen.naming.name(role))
        if not any(each.type == "Warning" for each in agent_events.of_pod(seen, role, reason)):
            told = [f"{each.type} {each.reason}" for each in agent_events.of_pod(seen, role)]
            yield Violation(want=f"a Warning {reason}", got=f"{told}", about=seen.naming.name(role))


@judges("N-X-16", reads=agent_admission)
def test_a_pod_for_another_system_is_refused(seen: AgentSeen) -> Iterator[Violation]:
    yield from refused(seen, "windows", "PodOSNotSupported")
    yield from refused(seen, "windows-label", "PodOSSelectorNodeLabelDoesNotMatch")


@judges("N-X-17", reads=agent_admission)
def test_a_restart_admits_every_pod_anew(seen: AgentSeen) -> Iterator[Violation]:
    about = seen.naming.name("selected")
    if pods.phase(seen.pod("selected").state_at(seen.mark("agent stops").at)) != "Running":
        raise NotExercised("the pod did not run before the restart", about=about)
    seen.mark("batch decided")
    phase, reason, message = outcome(seen, "selected")
    want = "NodeAffinity" if seen.facts.minor >= SELECTORS else "MatchNodeSelector"
    if (phase, reason) != ("Failed", want):
        yield Violation(want=f"Failed/{want}", got=f"{phase}/{reason}: {message}", about=about)
    if "lists_containers" in seen.facts.abilities:
        left = pods.on_node(seen.mark("containers").facts["listed"], seen.pod("selected").events[0].uid)
        if left:
            yield Violation(want="nothing left of a pod that is refused", got=f"{left}", about=about)
