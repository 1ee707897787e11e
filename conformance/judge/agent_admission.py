"""Whether an agent took a pod, and how it refused one."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.judge import agent_pods as pods
from conformance.judge.agent import AgentSeen
from conformance.verdict import NotExercised, Violation


def outcome(seen: AgentSeen, role: str) -> tuple[str, str, str]:
    """Phase, reason and message of a pod when the scenario was over.

    Raises:
        NotExercised: the agent said nothing of it.
    """
    pods.first_report(seen, role)
    told = pods.status(pods.last(seen, role))
    return str(told.get("phase")), str(told.get("reason") or ""), str(told.get("message") or "")


def refused(seen: AgentSeen, role: str, reason: str, text: str = "") -> Iterator[Violation]:
    """What is wrong with the refusal of a pod."""
    got = outcome(seen, role)
    if got[:2] != ("Failed", reason) or text not in got[2]:
        want = f"Failed/{reason}" + (f" with a message that contains {text!r}" if text else "")
        yield Violation(want=want, got=f"{got[0]}/{got[1]}: {got[2]}", about=seen.naming.name(role))
    yield from started(seen, role)


def started(seen: AgentSeen, role: str) -> Iterator[Violation]:
    """Containers that a refused pod got all the same."""
    for event in seen.pod(role).events:
        for each in pods.containers(event.after):
            if pods.is_running(each) or pods.terminated(each):
                yield Violation(
                    want="no container started", got=f"{each['name']} was", at=event.at, about=seen.naming.name(role)
                )
                return
    if "lists_containers" in seen.facts.abilities and any(mark.name == "containers" for mark in seen.history.marks):
        listed = pods.on_node(seen.mark("containers").facts["listed"], seen.pod(role).events[0].uid)
        if listed:
            about = seen.naming.name(role)
            yield Violation(want="no container on the node", got=f"{[x['name'] for x in listed]}", about=about)


def taken(seen: AgentSeen, role: str, why: str) -> Iterator[Violation]:
    """A pod that was refused although it fits."""
    pods.first_report(seen, role)
    phases = [pods.phase(event.after) for event in seen.pod(role).events]
    if "Running" in phases:
        return
    phase, reason, message = outcome(seen, role)
    if phase != "Failed":
        raise NotExercised(f"{role} was still {phase}", about=seen.naming.name(role))
    yield Violation(want=f"admitted: {why}", got=f"Failed/{reason}: {message}", about=seen.naming.name(role))
