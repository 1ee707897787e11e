"""What changes on a node opens it to pods that wait, closes it to new ones, and leaves those on it alone."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.waking import CLOSING, waking
from conformance.judge import placing, windows
from conformance.judge.pods import terminating
from conformance.judge.seen import Seen
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


@judges("M-SCHED-17", reads=waking)
def test_waiting_pods_are_bound_when_their_node_opens(seen: Seen) -> Iterator[Violation]:
    opened = (*CLOSING, "freed", "grown", "newcomer")
    waited = [node for node in opened if _had_to_wait(seen, node)]
    for node in waited:
        story = seen.pod(f"{node}-late")
        found = placing.binding(story)
        yield from windows.misses(
            f"the pod bound to {node}",
            found.at if found else None,
            windows.between(seen, f"{node} opens", f"{node} open", f"'{node} open'"),
            seen.timing.scheduled(),
            until=seen.history.until,
            about=(story.name, seen.name(node)),
        )
    missing = [node for node in opened if node not in waited]
    if missing:
        raise NotExercised(f"the pods for {', '.join(missing)} did not have to wait", about=seen.name(missing[0]))


def _had_to_wait(seen: Seen, node: str) -> bool:
    """Whether the pod for a node was refused, and not bound, before the node opened."""
    story = seen.pod(f"{node}-late").until(seen.mark(f"{node} opens").at)
    return not placing.binding(story) and placing.refusal(story) is not None


@judges("M-SCHED-18", reads=waking)
def test_closed_nodes_take_no_new_pods(seen: Seen) -> Iterator[Violation]:
    for node in CLOSING:
        opens = seen.mark(f"{node} opens").at
        yield from placing.kept_out(seen, f"{node}-late", why=f"{node} closed before", until=opens)


@judges("M-SCHED-18", reads=waking)
def test_pods_on_closing_nodes_are_left_alone(seen: Seen) -> Iterator[Violation]:
    for node in CLOSING:
        story = seen.pod(f"{node}-resident")
        if not placing.bound(story.state_at(seen.mark(f"{node} closed").at)):
            raise NotExercised("no pod was on the node when it closed", about=story.name)
        gone = [event for event in story.events if event.after is None or terminating(event.after)]
        if gone:
            want = "the pod left where it is when its node closes"
            yield Violation(want=want, got="it was deleted", at=gone[0].at, about=(story.name, seen.name(node)))


@judges("M-SCHED-18", reads=waking)
def test_deleted_nodes_are_not_chosen(seen: Seen) -> Iterator[Violation]:
    if seen.node("leaver").last is not None:
        raise NotExercised("the node was not deleted", about=seen.name("leaver"))
    yield from placing.kept_out(seen, "leaver-late", why="its node was deleted before")
