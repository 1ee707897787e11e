"""An agent under pressure keeps pods out, and ends those that are the least deserving."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from conformance.drive.scenarios.node.evicting import HOGS, ORDER, SHORT_OF_DISK, SHORT_OF_MEMORY, agent_evicting
from conformance.judge import agent_pods as pods
from conformance.judge import pod_lives
from conformance.judge.agent import AgentSeen
from conformance.judge.agent_admission import outcome, refused, taken
from conformance.judge.conditions import condition
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

DISRUPTION = 26
"""Minor version from which a pod that the node ends has the condition DisruptionTarget."""
REASON = "Evicted"


@judges("N-ADM-10", reads=agent_evicting)
def test_a_node_short_of_memory_takes_no_pod_without_requests(seen: AgentSeen) -> Iterator[Violation]:
    if seen.mark("memory scarce").facts["told"] != "True":
        raise NotExercised("MemoryPressure was not told", about=seen.node_name)
    yield from refused(seen, "besteffort", REASON, "The node had condition: [MemoryPressure]")
    for role in ("burstable", "guaranteed"):
        yield from taken(seen, role, "under memory pressure alone, pods with requests come in")
    yield from taken(seen, "tolerant", "it tolerates the taint of memory pressure")


@judges("N-ADM-10", reads=agent_evicting)
def test_a_node_short_of_disk_takes_no_pod(seen: AgentSeen) -> Iterator[Violation]:
    if seen.mark("disk scarce").facts["told"] != "True":
        raise NotExercised("DiskPressure was not told", about=seen.node_name)
    for role in ("disk-burstable", "disk-guaranteed"):
        yield from refused(seen, role, REASON, "The node had condition: [DiskPressure]")
    seen.mark("pressure over")
    yield from taken(seen, "afterwards", "the pressure is over")


@judges("N-ADM-11", reads=agent_evicting)
def test_critical_pods_come_in_under_pressure(seen: AgentSeen) -> Iterator[Violation]:
    for name, role in (("memory scarce", "critical"), ("disk scarce", "disk-critical")):
        if seen.mark(name).facts["told"] != "True":
            raise NotExercised("the pressure was not told", about=seen.node_name)
        yield from taken(seen, role, "it is critical")


def _evictions(seen: AgentSeen) -> dict[str, float]:
    """When each pod was evicted, by role.

    Raises:
        NotExercised: the pods did not all run before.
    """
    mark = seen.mark("nothing left")
    if len(mark.facts["running"]) < len(HOGS):
        raise NotExercised(f"only {mark.facts['running']} ran", about=seen.node_name)
    ended = {role: next((e for e in seen.pod(role).events if pods.phase(e.after) == "Failed"), None) for role in HOGS}
    return {role: event.at for role, event in ended.items() if event is not None}


@judges("N-POD-16", reads=agent_evicting)
def test_the_least_deserving_pod_is_evicted_first(seen: AgentSeen) -> Iterator[Violation]:
    evicted = _evictions(seen)
    order = sorted((role for role in evicted if role in ORDER), key=lambda role: evicted[role])
    if tuple(order) != ORDER:
        yield Violation(want=f"evicted in this order: {', '.join(ORDER)}", got=", ".join(order), about=seen.node_name)
    if "vital" in evicted:
        about = seen.naming.name("vital")
        yield Violation(want="a critical pod kept", got="it was evicted", at=evicted["vital"], about=about)
    for before, after in pairwise(sorted(evicted.values())):
        if after - before < seen.timing.eviction_round():
            want = "one pod a round, then another look"
            yield Violation(want=want, got=f"the next one {after - before:.2f} s later", at=after, about=seen.node_name)


@judges("N-POD-16", reads=agent_evicting)
def test_a_soft_threshold_evicts_nobody_before_its_grace_is_over(seen: AgentSeen) -> Iterator[Violation]:
    begin, end = seen.mark("memory scarce"), seen.mark("pressure over").at
    if begin.facts["told"] != "True":
        raise NotExercised("the pressure was not told", about=seen.node_name)
    for role in (*SHORT_OF_MEMORY, *SHORT_OF_DISK):
        for event in seen.pod(role).until(end).events:
            if pods.phase(event.before) == "Running" and pods.phase(event.after) == "Failed":
                want = "a pod that runs on: the threshold has a grace period of ten hours"
                got = f"Failed/{pods.status(event.after).get('reason')}"
                yield Violation(want=want, got=got, at=event.at, about=seen.naming.name(role))


@judges("N-POD-16", reads=agent_evicting)
def test_an_evicted_pod_gets_next_to_no_time(seen: AgentSeen) -> None:
    first, evicted, window = ORDER[0], _evictions(seen), seen.timing.evicted()
    at = seen.mark("nothing left").at
    if first not in evicted or evicted[first] - at > window.latest:
        got = "never" if first not in evicted else f"{evicted[first] - at:.1f} s"
        want = f"ended {window} after memory ran out, though it does not end when it is told to"
        raise Violation(want=want, got=got, at=at, about=seen.naming.name(first))


@judges("N-POD-16", reads=agent_evicting)
def test_an_evicted_pod_says_so_and_stays(seen: AgentSeen) -> Iterator[Violation]:
    evicted = _evictions(seen)
    if not evicted:
        yield Violation(want="pods evicted for lack of memory", got="none", about=seen.node_name)
    for role in evicted:
        about, (phase, reason, message) = seen.naming.name(role), outcome(seen, role)
        if (phase, reason) != ("Failed", REASON) or not message.startswith("The node was low on resource: memory. "):
            want = "Failed/Evicted: The node was low on resource: memory. ..."
            yield Violation(want=want, got=f"{phase}/{reason}: {message}", about=about)
        target = condition(pods.last(seen, role), "DisruptionTarget") or {}
        told = (target.get("status"), target.get("reason"))
        if seen.facts.minor >= DISRUPTION and told != ("True", "TerminationByKubelet"):
            yield Violation(want="DisruptionTarget True/TerminationByKubelet", got=f"{dict(target)}", about=about)
        for each in pods.removals(seen, role):
            yield Violation(want="the object of an evicted pod kept", got="DELETE", at=each.sent, about=about)


@judges("N-POD-17", reads=agent_evicting)
def test_an_evicted_pod_has_ended(seen: AgentSeen) -> Iterator[Violation]:
    _evictions(seen)
    for role in HOGS:
        yield from pod_lives.half_ended(seen, role)
