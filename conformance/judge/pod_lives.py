"""What must never happen in the life of a pod on an agent's node, whatever else does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from conformance.judge import agent_pods as pods
from conformance.judge.agent import AgentSeen
from conformance.judge.conditions import all_conditions, status
from conformance.judge.pods import TERMINAL
from conformance.record.history import ObjectEvent
from conformance.verdict import Violation

READINESS = ("Ready", "ContainersReady")
"""Conditions that may turn and turn back."""
ORDER: Mapping[str, int] = {"": 0, "Pending": 0, "Running": 1, "Succeeded": 2, "Failed": 2}


def moved(seen: AgentSeen, role: str) -> Iterator[Violation]:
    """Times of a pod that changed without a reason."""
    about = seen.naming.name(role)
    pods.first_report(seen, role)
    for event in seen.pod(role).events:
        before, after = pods.status(event.before).get("startTime"), pods.status(event.after).get("startTime")
        if before and event.after and before != after:
            yield Violation(want=f"startTime {before} for good", got=f"{after}", at=event.at, about=about)
        was, now = all_conditions(event.before), all_conditions(event.after)
        for kind in was.keys() & now.keys():
            turn = was[kind]["status"] != now[kind]["status"]
            kept = was[kind].get("lastTransitionTime") == now[kind].get("lastTransitionTime")
            again = kind in READINESS and may_have_turned_twice(event)
            if not turn and not kept and not again and was[kind].get("lastTransitionTime"):
                got = f"{dict(was[kind])} became {dict(now[kind])}"
                yield Violation(want=f"lastTransitionTime of {kind} kept", got=got, at=event.at, about=about)


def may_have_turned_twice(event: ObjectEvent) -> bool:
    """Whether a pod may have become ready and unready between two reports, both of which say the same of it.

    An agent that is short of time tells of several things at once.
    """
    runs = [
        [(each["name"], each.get("containerID"), each.get("restartCount")) for each in pods.containers(state)]
        for state in (event.before, event.after)
    ]
    spec = ((event.after or event.before) or {}).get("spec") or {}
    probed = any(each.get("readinessProbe") for each in spec.get("containers") or ())
    return runs[0] != runs[1] or probed or bool(spec.get("readinessGates"))


def gone_back(seen: AgentSeen, role: str) -> Iterator[Violation]:
    """Phases of a pod that came after a later one."""
    pods.last(seen, role)
    for event in seen.pod(role).events:
        before, after = pods.phase(event.before), pods.phase(event.after)
        if event.before and event.after and before != after and ORDER[after] <= ORDER[before]:
            want = f"no other phase after {before}" if before in TERMINAL else f"no phase before {before}"
            yield Violation(want=want, got=after, at=event.at, about=seen.naming.name(role))


def half_ended(seen: AgentSeen, role: str) -> Iterator[Violation]:
    """States in which a pod has ended and yet is Ready, or has a container that runs."""
    pods.last(seen, role)
    for event in seen.pod(role).events:
        alive = [each["name"] for each in pods.containers(event.after) if pods.is_running(each)]
        if pods.phase(event.after) in TERMINAL and (alive or status(event.after, "Ready") == "True"):
            want = f"nothing that runs, and Ready not True, in a pod that is {pods.phase(event.after)}"
            got = f"Ready {status(event.after, 'Ready')}, running: {alive}"
            yield Violation(want=want, got=got, at=event.at, about=seen.naming.name(role))
