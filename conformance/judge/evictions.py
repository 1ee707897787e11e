"""Facts about evictions: whether a pod's deletion came in time after what brought it about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from conformance.judge import pods
from conformance.judge.seen import Seen
from conformance.judge.windows import Start, misses
from conformance.verdict import NotExercised, Violation

_GRAIN = 0.001
"""Facts of one instant are told apart by microseconds; the order within a millisecond proves nothing."""


def request(seen: Seen, name: str, what: str) -> Start:
    """A request of the scenario that a pod's time begins with, from its marks.

    Raises:
        NotExercised: it was never made, or never answered.
    """
    return Start(seen.mark(f"{name} sent").at, seen.mark(f"{name} answered").at, what)


def require(seen: Seen, roles: Iterable[str], at: float) -> None:
    """Makes sure that pods are there, and not yet terminating.

    Raises:
        NotExercised: one of them is not.
    """
    for role in roles:
        state = seen.pod(role).state_at(at)
        if state is None or pods.terminating(state):
            got = "was not there" if state is None else "was being deleted already"
            raise NotExercised(f"pod {role} {got} when it mattered", about=seen.name(role))


def due(seen: Seen, role: str, start: Start, seconds: float, *about: str) -> Iterator[Violation]:
    """A pod must be deleted so many seconds after something; yields how it was not.

    Args:
        seen: the scenario.
        role: of the pod.
        start: what its time begins with.
        seconds: how long it may stay; at once if it is not positive.
        about: roles of further objects to show.
    """
    story = seen.pod(role)
    deletion = pods.deletion(story.since(start.sent))
    yield from misses(
        f"the deletion of pod {role}",
        deletion.at if deletion else None,
        attrs.evolve(start, sent=start.sent - _GRAIN),
        seen.timing.eviction(seconds),
        until=seen.history.until,
        about=(story.name, *(seen.name(other) for other in about)),
    )


def spared(seen: Seen, role: str, since: float, until: float, why: str, *about: str) -> Iterator[Violation]:
    """A pod must not be deleted between two moments; yields when it was.

    Args:
        seen: the scenario.
        role: of the pod.
        since: from here on.
        until: up to here.
        why: what it must survive, as a phrase.
        about: roles of further objects to show.
    """
    story = seen.pod(role)
    deletion = pods.deletion(story.since(since).until(until))
    if deletion is not None:
        shown = (story.name, *(seen.name(other) for other in about))
        got = f"it was deleted {deletion.at - since:.2f} s after that"
        yield Violation(want=f"pod {role} stays: {why}", got=got, at=deletion.at, about=shown)
