"""StatefulSets: a name is never given twice."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.transfer import transfer
from conformance.judge import pods, windows, workloads
from conformance.judge import silence as silences
from conformance.judge.seen import Seen
from conformance.kinds import STATEFUL_SET
from conformance.record.history import ObjectEvent, Story
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation


def _evicted(seen: Seen) -> tuple[Story, pods.Deletion]:
    """The StatefulSet's first pod, evicted from the silent node, and its deletion."""
    if not seen.facts.served(STATEFUL_SET):
        raise Unsupported("the target serves no StatefulSets")
    silences.flip(seen, "victim")
    silent = seen.mark("victim silent").at
    (story,) = workloads.began_on(seen, "stateful", "victim", 1, silent)
    deletion = pods.deletion(story.since(silent))
    if deletion is None:
        raise NotExercised("the pod was not evicted", about=story.name)
    return story, deletion


def _gone(story: Story) -> ObjectEvent | None:
    return next((event for event in story.events if event.after is None), None)


@judges("M-XF-06", reads=transfer)
def test_there_is_no_second_pod_while_the_first_is_terminating(seen: Seen) -> Iterator[Violation]:
    story, deletion = _evicted(seen)
    attended = seen.mark("victim looks after its pods").at
    gone = _gone(story)
    if gone is not None and gone.at < attended:
        want = "the terminating pod kept until its node has ended it"
        got = f"it was removed {gone.at - deletion.at:.2f} s after its deletion was requested"
        yield Violation(want=want, got=got, at=gone.at, about=(story.name, seen.name("victim")))
    until = gone.at if gone else seen.history.until
    for other in workloads.later(seen, "stateful", [story]):
        if other.events[0].at < until:
            want = f"no other pod of the StatefulSet while {story.name} exists"
            yield Violation(want=want, got=f"{other.name} was created", at=other.events[0].at, about=other.name)


@judges("M-XF-06", reads=transfer)
def test_the_pod_is_made_again_once_it_is_gone(seen: Seen) -> Iterator[Violation]:
    story, _ = _evicted(seen)
    gone = _gone(story)
    if gone is None:
        raise NotExercised("the terminating pod was never ended", about=story.name)
    start = windows.seen_at(gone.at, "the end of the old one", seen.timing.watch_lag)
    born = next((event.at for event in story.events if event.at > gone.at and event.after is not None), None)
    limit, until = seen.timing.replacement(), seen.history.until
    yield from windows.misses("a pod of the same name", born, start, limit, until=until, about=story.name)
