"""An agent whose master is away, mute or forgetful keeps its pods, and catches up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.drive.scenarios.node.master_lost import CODE, PODS, agent_master_lost
from conformance.drive.scenarios.node.silence import SILENCES, agent_silence
from conformance.drive.scenarios.node.watches import HEALED, KEPT, TROUBLES, agent_watches, gone, new
from conformance.judge import agent_pods as pods
from conformance.judge import agent_requests as wire
from conformance.judge import pod_lives
from conformance.judge.agent import AgentSeen
from conformance.record.history import Object
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation

ENDED: Mapping[str, tuple[str, int]] = {"ending": ("Succeeded", 0), "failing": ("Failed", CODE)}
"""What became of pods during the outage: the phase and the exit code."""


@judges("N-OUT-04", reads=agent_watches)
def test_pods_are_found_whatever_became_of_the_watch(seen: AgentSeen) -> Iterator[Violation]:
    seen.mark("pods run")
    latest = seen.timing.rewatched().latest + seen.timing.pod_acknowledged().latest
    for trouble in TROUBLES:
        about, at = seen.naming.name(new(trouble)), seen.mark(f"{trouble}: can be seen").at
        told = next((e.at for e in seen.pod(new(trouble)).events if pods.status(e.after).get("startTime")), None)
        if told is None or told - at > latest:
            after = "it is well again" if trouble in HEALED else "the pod was bound"
            got = "none" if told is None else f"{told - at:.1f} s"
            want = f"a status within {latest:.0f} s after {after}, where the watch {trouble}"
            yield Violation(want=want, got=got, at=at, about=about)


@judges("N-OUT-04", reads=agent_watches)
def test_nothing_is_lost_or_doubled_when_pods_are_listed_again(seen: AgentSeen) -> Iterator[Violation]:
    before, end = seen.mark("pods run").facts["pods"], seen.mark("watches over")
    yield from pod_lives.moved(seen, KEPT)
    yield from _same_run(seen, KEPT, before[KEPT], seen.pod(KEPT).state_at(end.at))
    seen.needs("lists_containers")
    for trouble in TROUBLES:
        left = pods.on_node(end.facts["listed"], before[gone(trouble)]["metadata"]["uid"])
        if left:
            want, about = "the containers of a pod that vanished ended", seen.naming.name(gone(trouble))
            yield Violation(want=want, got=f"{len(left)} run, though the watch {trouble}", at=end.at, about=about)
        known = seen.pod(new(trouble)).events
        made = [each for each in end.facts["listed"] if known and each["pod_uid"] == known[0].uid]
        if len(made) > 1:
            about = seen.naming.name(new(trouble))
            yield Violation(want="its container started once", got=f"{len(made)} times", at=end.at, about=about)


def _same_run(seen: AgentSeen, role: str, before: Object | None, after: Object | None) -> Iterator[Violation]:
    facts: list[Any] = [
        [pods.phase(state), [(x.get("containerID"), x.get("restartCount")) for x in pods.containers(state)]]
        for state in (before, after)
    ]
    if facts[0] != facts[1]:
        yield Violation(want=f"a pod that runs on: {facts[0]}", got=f"{facts[1]}", about=seen.naming.name(role))


def _run(seen: AgentSeen, mark: str, role: str) -> list[Mapping[str, Any]]:
    """Running containers of a pod at a point."""
    facts = seen.mark(mark).facts
    return pods.on_node(facts["listed"], facts["pods"][role]["metadata"]["uid"])


@judges("N-OUT-05", reads=agent_master_lost)
def test_no_container_is_ended_because_the_master_is_away(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("lists_containers")
    ids = [each["id"] for each in _run(seen, "master lost", "steady")]
    if len(ids) != 1:
        raise NotExercised("the container did not run", about=seen.naming.name("steady"))
    for name in ("master still lost", "restarted without a master", "back again"):
        now = [each["id"] for each in _run(seen, name, "steady")]
        if now != ids:
            want, at = f"container {ids[0]} running at '{name}'", seen.mark(name).at
            yield Violation(want=want, got=f"{now}", at=at, about=seen.naming.name("steady"))


@judges("N-OUT-05", reads=agent_master_lost)
def test_pods_run_on_through_outages(seen: AgentSeen) -> Iterator[Violation]:
    before = seen.mark("master lost").facts["pods"]["steady"]
    yield from _same_run(seen, "steady", before, seen.mark("back again").facts["pods"]["steady"])
    yield from pod_lives.moved(seen, "steady")
    for name in ("master still lost", "restarted without a master"):
        mark = seen.mark(name)
        if not mark.facts["alive"]:
            yield Violation(want="an agent that lives on", got="it ended", at=mark.at, about=seen.node_name)


@judges("N-OUT-05", reads=agent_master_lost)
def test_containers_are_restarted_without_a_master(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("lists_containers")
    before = [each["id"] for each in _run(seen, "master lost", "returning")]
    now = [each["id"] for each in _run(seen, "master still lost", "returning")]
    if not before:
        raise NotExercised("the container ended before the outage", about=seen.naming.name("returning"))
    if len(now) != 1 or now == before:
        at = seen.mark("master still lost").at
        want = f"a new run instead of {before[0]}"
        yield Violation(want=want, got=f"{now}", at=at, about=seen.naming.name("returning"))


@judges("N-OUT-06", reads=agent_master_lost)
def test_what_happened_during_an_outage_is_told_afterwards(seen: AgentSeen) -> Iterator[Violation]:
    lost, back = seen.mark("master lost"), seen.mark("master back").at
    window = seen.timing.pod_repaired(len(PODS))
    for role, (phase, code) in ENDED.items():
        if pods.phase(lost.facts["pods"][role]) != "Running":
            raise NotExercised("the pod ended before the outage", about=seen.naming.name(role))
        state = seen.pod(role).state_at(back + window.latest)
        end = pods.terminated(pods.container(state, "c1")) or {}
        if (pods.phase(state), end.get("exitCode")) != (phase, code):
            want = f"{phase}, exit code {code} told {window} after the master is back"
            got = f"{pods.phase(state)}, {end.get('exitCode')}"
            yield Violation(want=want, got=got, at=back, about=seen.naming.name(role))
    again = pods.container(seen.pod("returning").state_at(back + window.latest), "c1")
    if not again.get("restartCount"):
        want = f"a restart told {window} after the master is back"
        got = f"restartCount {again.get('restartCount')}"
        yield Violation(want=want, got=got, at=back, about=seen.naming.name("returning"))


@judges("N-OUT-07", reads=agent_silence)
def test_connections_that_died_are_left(seen: AgentSeen) -> Iterator[Violation]:
    dead, window = seen.mark("connections dead"), seen.timing.reconnected()
    old = {*dead.facts["connections"]}
    if old <= {0}:
        raise Unsupported("there are no connections to tell apart")
    asked = (x for x in seen.requests("GET|" + wire.WRITES, ".*") if x.sent > dead.at and x.status)
    first = next((x for x in asked if x.connection not in old), None)
    if first is None or first.sent - dead.at not in window:
        got = "none" if first is None else f"{first.sent - dead.at:.1f} s"
        want = f"a request over a new connection {window} after the old ones died"
        yield Violation(want=want, got=got, at=dead.at, about=seen.node_name)


@judges("N-OUT-01", reads=agent_silence)
def test_the_agent_outlives_a_silence(seen: AgentSeen) -> Iterator[Violation]:
    for kind in SILENCES:
        mark, over = seen.mark(f"alive after {kind}"), seen.mark(f"silence over: {kind}").at
        if not mark.facts["alive"]:
            yield Violation(want="an agent that lives on", got="it ended", at=mark.at, about=seen.node_name)
        if not any(x.sent > over and x.status for x in seen.requests("GET|" + wire.WRITES, ".*")):
            yield Violation(want="requests after the silence", got="none", at=over, about=seen.node_name)


@judges("N-OUT-02", reads=agent_silence)
def test_the_lease_is_renewed_soon_after_a_silence(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("has_lease")
    window = seen.timing.recovered(silent=True)
    for kind in SILENCES:
        over = seen.mark(f"silence over: {kind}").at
        first = next(iter(wire.since(wire.renewals(seen), over)), None)
        if first is None or first.sent - over not in window:
            got = "none" if first is None else f"{first.sent - over:.2f} s"
            want = f"a renewal {window} after the master answers again ({kind})"
            yield Violation(want=want, got=got, at=over, about=seen.node_name)
