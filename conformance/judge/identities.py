"""Whether a target tells agents from administrators, and what it answered to an agent."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.judge import answers
from conformance.judge.seen import Seen
from conformance.verdict import NotExercised, Unsupported, Violation

OWN_STATUS = "status of own node"


def told_apart(seen: Seen) -> None:
    """Makes sure that requests were sent as an agent's, to a target that makes a difference.

    Raises:
        Unsupported: the suite may not speak for agents, or agents may do everything.
    """
    for resource in ("users", "groups"):
        if not allowed(seen, f"impersonation of {resource}"):
            raise Unsupported(f"the credentials given may not impersonate {resource}, so nobody can speak for an agent")
    if allowed(seen, "any agent lists all secrets"):
        raise Unsupported("any agent may list the secrets of kube-system: agents are not told apart")


def heard(seen: Seen) -> None:
    """Makes sure that the target listens to the agent at all.

    Raises:
        Unsupported: as `told_apart`.
        NotExercised: what an agent must be able to do was refused, so a refusal proves nothing.
    """
    told_apart(seen)
    if answers.status(seen, OWN_STATUS) != 200:
        raise NotExercised("the agent could not even write the status of its own node")


def refused(seen: Seen, *names: str, want: str) -> Iterator[Violation]:
    """Requests of the agent that must have been answered 403."""
    heard(seen)
    for name in names:
        yield from answers.answered(seen, name, 403, want=f"{want}: {name}", reason="Forbidden")


def granted(seen: Seen, name: str, status: int, *, want: str) -> Iterator[Violation]:
    """A request of the agent that must have been done."""
    told_apart(seen)
    yield from answers.answered(seen, name, status, want=want)


def allowed(seen: Seen, name: str) -> bool:
    """What a review of access said.

    Raises:
        Unsupported: the target has no such reviews.
    """
    mark = seen.mark(name)
    if mark.facts["status"] != 201:
        raise Unsupported(f"the target does not review access: '{name}' was answered {mark.facts['status']}")
    return bool((mark.facts["body"].get("status") or {}).get("allowed"))
