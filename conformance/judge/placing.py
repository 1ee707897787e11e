"""Facts about scheduling: whether the scheduler found a node for a pod, and what it said when it did not."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.judge import conditions
from conformance.judge.pods import bound_to
from conformance.judge.seen import Seen
from conformance.record.history import Object, ObjectEvent, Story
from conformance.verdict import NotExercised, Violation


def bound(state: Object | None) -> bool:
    """Whether a pod has a node."""
    return bool(bound_to(state))


def unschedulable(state: Object | None) -> bool:
    """Whether the scheduler says that it found no node for a pod."""
    return not bound(state) and conditions.status(state, "PodScheduled") == "False"


def answered(state: Object | None) -> bool:
    """Whether the scheduler has decided about a pod, one way or the other."""
    return bound(state) or unschedulable(state)


def binding(story: Story) -> ObjectEvent | None:
    """When a pod was first seen with a node."""
    return next((event for event in story.events if bound(event.after)), None)


def refusal(story: Story) -> ObjectEvent | None:
    """When the scheduler was first seen to say that it found no node for a pod."""
    return next((event for event in story.events if unschedulable(event.after)), None)


def placed(seen: Seen, role: str, *nodes: str, why: str) -> Iterator[Violation]:
    """The pod must have been bound to (one of) the nodes.

    Args:
        seen: the scenario.
        role: of the pod.
        nodes: roles of the nodes.
        why: what makes it fit, as a phrase.

    Raises:
        NotExercised: the pod was never created.
    """
    story = _there(seen, role)
    found = binding(story)
    want = f"the pod bound to node {' or '.join(nodes)}: {why}"
    if found is None:
        last = story.events[-1].after if story.events else None
        yield Violation(want=want, got=f"never bound{_said(last)}", about=story.name)
    elif bound_to(found.after) not in {seen.name(node) for node in nodes}:
        yield Violation(want=want, got=f"bound to {bound_to(found.after)}", at=found.at, about=story.name)


def kept_out(seen: Seen, role: str, *, why: str, until: float | None = None) -> Iterator[Violation]:
    """The pod must not have been bound, and the scheduler must have looked at it.

    Args:
        seen: the scenario.
        role: of the pod.
        why: what makes it infeasible, as a phrase.
        until: when that ended, if it did.

    Raises:
        NotExercised: the pod was never created, or nobody looked at it.
    """
    story = _there(seen, role)
    early = story if until is None else story.until(until)
    found = binding(early)
    if found is not None:
        got = f"bound to {bound_to(found.after)}"
        yield Violation(want=f"no node for the pod: {why}", got=got, at=found.at, about=story.name)
    elif refusal(early) is None:
        raise NotExercised("the scheduler did not say that there was no node for the pod", about=story.name)


def alone(seen: Seen, node: str) -> None:
    """Nobody else's pods may have been on a node whose sums are judged.

    Raises:
        NotExercised: there were some.
    """
    visitors = seen.mark("visitors").facts.get(node, 0)
    if visitors:
        raise NotExercised(f"{visitors} pods of others were on the node", about=seen.name(node))


def _there(seen: Seen, role: str) -> Story:
    story = seen.pod(role)
    if not story.events:
        raise NotExercised(f"the pod {role} was never there", about=story.name)
    return story


def _said(state: Object | None) -> str:
    message = (conditions.condition(state, "PodScheduled") or {}).get("message")
    return f", the scheduler says: {message}" if message else ""
