"""An agent tells people what happens on its node, and does not depend on being heard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from conformance.drive.scenarios.node.containers import agent_containers
from conformance.drive.scenarios.node.evicting import ORDER, agent_evicting
from conformance.drive.scenarios.node.operations import OLD_BOOT, agent_operations, boot_id
from conformance.drive.scenarios.node.start import agent_start
from conformance.drive.scenarios.node.strange_master import LATE, agent_strange_master
from conformance.judge import agent_events
from conformance.judge import agent_pods as pods
from conformance.judge import agent_requests as wire
from conformance.judge.agent import AgentSeen, sent_body
from conformance.judge.conditions import status
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation

STATUS = ("NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID")
PIDS = 10
NAMED, UNNAMED = 20, 36
"""Minor versions up to which events about the node carry its name as uid, and from which they carry none."""
FAST = 27
LIFE = ("Pulled", "Created", "Started")
TOLD = {"live": ("Killing", "Unhealthy"), "crashing": ("BackOff",), "no-image": ("Failed",)}


@judges("N-EVT-01", reads=agent_start)
def test_the_start_is_told(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("sends_events")
    wire.registration(seen)
    told = {each.reason: each for each in agent_events.of_node(seen)}
    wanted = {reason: f"Node {seen.node_name} status is now: {reason}" for reason in STATUS}
    if seen.facts.minor < PIDS:
        wanted.pop("NodeHasSufficientPID")
    for reason, message in {"Starting": "Starting kubelet.", "NodeAllocatableEnforced": "", **wanted}.items():
        found = told.get(reason)
        if found is None or found.type != "Normal" or message not in found.message:
            got = "none" if found is None else f"{found.type} {reason}: {found.message}"
            yield Violation(want=f"Normal {reason}: {message}", got=got, about=seen.node_name)


@judges("N-EVT-01", "N-X-24", reads=agent_operations)
def test_a_cordon_is_told(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("sends_events")
    window = seen.timing.status_tick()
    for name, reason in (("cordoned", "NodeNotSchedulable"), ("uncordoned", "NodeSchedulable")):
        at = seen.mark(name).at
        found = [each for each in agent_events.of_node(seen, reason) if each.at - at in window]
        if not found or found[0].message != f"Node {seen.node_name} status is now: {reason}":
            got = f"{[each.message for each in found]}"
            yield Violation(want=f"{reason} {window} after the node was {name}", got=got, at=at, about=seen.node_name)


@judges("N-EVT-03", reads=agent_operations)
def test_events_are_about_the_node_by_name(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("sends_events")
    seen.mark("before the boot")
    told = agent_events.of_node(seen)
    if not told:
        raise NotExercised("no event about the node", about=seen.node_name)
    minor = seen.facts.minor
    allowed = {seen.node_name} if minor <= NAMED else {""} if minor >= UNNAMED else {"", seen.node_name}
    for each in told:
        uid = each.about.get("uid") or ""
        if uid not in allowed:
            want = f"involvedObject with uid {' or '.join(map(repr, sorted(allowed)))}"
            yield Violation(want=want, got=f"{uid!r}", at=each.at, about=seen.node_name)
        source = (each.source.get("component"), each.source.get("host"))
        if source != ("kubelet", seen.node_name):
            yield Violation(want="source kubelet on the node", got=f"{source}", at=each.at, about=seen.node_name)


@judges("N-INF-05", reads=agent_operations)
def test_a_boot_is_noticed(seen: AgentSeen) -> Iterator[Violation]:
    before = seen.mark("before the boot").facts["node"]
    own = boot_id(before)
    if not own:
        raise Unsupported("the agent tells of no boot")
    if seen.mark("booted").facts["told"] != OLD_BOOT:
        raise NotExercised("the Node did not get the id of another boot", about=seen.node_name)
    for name in ("bootID", "machineID", "systemUUID"):
        want = before["status"]["nodeInfo"].get(name)
        got = pods.status(seen.node.last).get("nodeInfo", {}).get(name)
        known = seen.facts.expected.get(name, want)
        if not want == got == known:
            yield Violation(want=f"{name} {known} before and after the restart", got=f"{want}, {got}")
    if "sends_events" not in seen.facts.abilities:
        return
    told = agent_events.of_node(seen, "Rebooted")
    text = f"Node {seen.node_name} has been rebooted, boot id: {own}"
    times = agent_events.times(seen, "Node", seen.node_name, "Rebooted")
    if [(each.type, each.message) for each in told] != [("Warning", text)] or times != 1:
        got = f"{[(each.type, each.message) for each in told]}, {times} times"
        yield Violation(want=f"one Warning Rebooted: {text}", got=got, about=seen.node_name)


@judges("N-EVT-04", reads=agent_strange_master)
def test_events_that_fail_hold_nothing_up(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("sends_events")
    seen.mark("pods came")
    if not seen.requests("POST", agent_events.EVENTS):
        raise NotExercised("the agent sent no event", about=seen.node_name)
    yield from _went_on(seen)


@judges("N-X-15", reads=agent_strange_master)
def test_strange_answers_do_no_harm(seen: AgentSeen) -> Iterator[Violation]:
    alive = seen.mark("alive")
    if not alive.facts["alive"]:
        yield Violation(want="an agent that lives on", got="it ended", at=alive.at, about=seen.node_name)
    yield from _went_on(seen, ("first", "second", *LATE))
    at = seen.mark("pods came").at
    if "has_lease" in seen.facts.abilities and not wire.since(wire.renewals(seen), at):
        yield Violation(want="the Lease renewed", got="it is not", at=at, about=seen.node_name)


def _went_on(seen: AgentSeen, roles: Iterable[str] = ("first", "second")) -> Iterator[Violation]:
    if status(seen.node.last, "Ready") != "True":
        yield Violation(want="a Ready node", got=f"{status(seen.node.last, 'Ready')}", about=seen.node_name)
    for role in roles:
        if pods.phase(seen.pod(role).last) != "Running":
            got = pods.phase(seen.pod(role).last) or "gone"
            yield Violation(want="a pod that runs", got=got, about=seen.naming.name(role))


@judges("N-X-25", reads=agent_containers)
def test_the_life_of_containers_is_told(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("sends_events")
    seen.mark("lives over")
    for role, reasons in {"ready": LIFE, **TOLD}.items():
        told = {each.reason for each in agent_events.of_pod(seen, role)}
        for reason in reasons:
            if reason not in told:
                yield Violation(want=f"an event {reason}", got=f"{sorted(told)}", about=seen.naming.name(role))
    killing = agent_events.of_pod(seen, "live", "Killing")
    if killing and not all("Container shell" in each.message or "container shell" in each.message for each in killing):
        got = f"{[each.message for each in killing]}"
        yield Violation(want="the container's name in Killing", got=got, about=seen.naming.name("live"))


@judges("N-X-25", reads=agent_evicting)
def test_an_eviction_is_told(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("sends_events")
    evicted = [role for role in ORDER if pods.status(seen.pod(role).last).get("reason") == "Evicted"]
    if not evicted:
        raise NotExercised("nobody was evicted", about=seen.node_name)
    for role in evicted:
        if not any(each.type == "Warning" for each in agent_events.of_pod(seen, role, "Evicted")):
            yield Violation(want="a Warning Evicted", got="none", about=seen.naming.name(role))


@judges("N-X-26", reads=agent_containers)
def test_equal_events_are_counted(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("sends_events")
    restart = seen.mark("agent restarts").at
    posted = [x for x in seen.requests("POST", agent_events.EVENTS) if x.sent < restart]
    keys = Counter(_key(sent_body(x) or {}) for x in posted)
    for key, times in keys.items():
        if times > 1:
            yield Violation(want="one event, counted", got=f"{times} events {key}", about=key[0])
    repeated = agent_events.times(seen, "Pod", seen.naming.name("ready"), "Unhealthy")
    if not keys or repeated < 2:
        raise NotExercised("nothing happened twice", about=seen.naming.name("ready"))


def _key(body: dict[str, object]) -> tuple[str, str, str, str]:
    about = body.get("involvedObject")
    assert isinstance(about, dict)
    named = f"{about.get('name')} {about.get('fieldPath') or ''}".strip()
    return named, str(body.get("type")), str(body.get("reason")), str(body.get("message"))


@judges("N-X-26", reads=agent_containers)
def test_events_come_in_moderation(seen: AgentSeen) -> None:
    seen.needs("sends_events")
    seen.mark("lives over")
    rate, burst = (50, 100) if seen.facts.minor >= FAST else (5, 10)
    sent = [x.sent for x in seen.requests("POST|PATCH", f"{agent_events.EVENTS}(/.*)?")]
    for index, begin in enumerate(sent):
        window = [at for at in sent[index:] if at - begin <= seen.timing.apart]
        most = burst + rate * seen.timing.apart
        if len(window) > most:
            got = f"{len(window)} in {seen.timing.apart} s"
            raise Violation(want=f"at most {most:.0f} events", got=got, at=begin, about=seen.node_name)
