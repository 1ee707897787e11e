"""What the master does, and does no more, while no node anywhere is ready."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.blackout import FALLING, blackout
from conformance.judge import conditions, pods, taints, windows
from conformance.judge import silence as silences
from conformance.judge.seen import Seen
from conformance.judge.taints import NO_EXECUTE, NO_SCHEDULE, UNREACHABLE
from conformance.judge.windows import Start
from conformance.scenario import judges
from conformance.timing import Window
from conformance.verdict import NotExercised, Violation


@judges("M-ZONE-04", reads=blackout)
def test_taints_are_taken_off_when_the_last_node_goes(seen: Seen) -> Iterator[Violation]:
    taints.require_resumption(seen.timing)
    dark = _darkness(seen)
    story = seen.node("first").until(seen.mark("third returns").at)
    if not taints.has(story.state_at(dark), UNREACHABLE, NO_EXECUTE) and not taints.first(
        story, UNREACHABLE, NO_EXECUTE
    ):
        raise NotExercised("no node had the NoExecute taint before", about=story.name)
    start = Start(dark, dark, "the last Ready=Unknown")
    yield from taints.goes(story, UNREACHABLE, NO_EXECUTE, start, seen.timing.taints_removed())


@judges("M-ZONE-04", reads=blackout)
def test_no_taint_is_added_while_no_node_is_ready(seen: Seen) -> Iterator[Violation]:
    since = _darkness(seen) + seen.timing.taints_removed().latest
    until = seen.mark("third returns").at
    for role in ("first", *FALLING):
        story = seen.node(role)
        for span in taints.spans(story, UNREACHABLE, NO_EXECUTE):
            if since < span.since < until:
                want = f"no {UNREACHABLE}:{NO_EXECUTE} while no node is ready"
                yield Violation(want=want, got="it was added", at=span.since, about=story.name)


@judges("M-ZONE-04", reads=blackout)
def test_conditions_and_noschedule_taints_go_on(seen: Seen) -> Iterator[Violation]:
    window = Window(0, seen.timing.unknown_after_silence().latest)
    turns = {role: silences.turn(seen, role) for role in FALLING}
    if not any(turns.values()):
        raise NotExercised("no silent node ever became Unknown", about=seen.name("second"))
    for role, turn in turns.items():
        quiet = silences.silence(seen, role)
        at = turn.at if turn else None
        start = windows.beat(quiet.last)
        yield from windows.misses("Ready=Unknown", at, start, window, until=quiet.until, about=quiet.node)
        if turn:
            start = Start(turn.at, turn.at, "Ready=Unknown")
            story = seen.node(role).until(quiet.until)
            yield from taints.comes(story, UNREACHABLE, NO_SCHEDULE, start, seen.timing.no_schedule_taint())


@judges("M-ZONE-04", reads=blackout)
def test_pods_are_marked_not_ready_all_the_same(seen: Seen) -> Iterator[Violation]:
    flipped = silences.flip(seen, "third").at
    story = seen.pod("tenant")
    if conditions.status(story.state_at(flipped - seen.timing.watch_lag), "Ready") != "True":
        raise NotExercised("the pod was not Ready before", about=story.name)
    turn = conditions.turned(story.since(flipped - seen.timing.watch_lag), "Ready", "False")
    start = windows.seen_at(flipped, "its node's Ready=Unknown", seen.timing.watch_lag)
    window = seen.timing.pods_marked_not_ready()
    at = max(turn.at, start.sent) if turn else None
    about = (story.name, seen.name("third"))
    yield from windows.misses("the pod's Ready=False", at, start, window, until=seen.history.until, about=about)


@judges("M-ZONE-04", reads=blackout)
def test_other_peoples_taints_evict_all_the_same(seen: Seen) -> Iterator[Violation]:
    story = seen.pod("tenant")
    start = windows.between(seen, "somebody's taint sent", "somebody's taint answered", "somebody's NoExecute taint")
    deletion = pods.deletion(story)
    at = deletion.at if deletion else None
    about = (story.name, seen.name("third"))
    window = seen.timing.eviction(0)
    yield from windows.misses("the pod's deletion", at, start, window, until=seen.history.until, about=about)


@judges("M-ZONE-05", reads=blackout)
def test_every_node_gets_a_new_grace_afterwards(seen: Seen) -> Iterator[Violation]:
    _darkness(seen)
    story = seen.node("echo").since(seen.mark("third returns").at)
    back = conditions.turned(story, "Ready", "True")
    if back is None:
        raise NotExercised("the old post never arrived", about=story.name)
    again = conditions.turned(story.since(back.at), "Ready", "Unknown")
    start = windows.between(seen, "third returns", "third recovered", "the return of one node")
    at = again.at if again else None
    window = seen.timing.unknown_after_renewal()
    yield from windows.misses("Ready=Unknown again", at, start, window, until=seen.history.until, about=story.name)


@judges("M-ZONE-05", reads=blackout)
def test_taints_are_added_again_afterwards(seen: Seen) -> Iterator[Violation]:
    taints.require_resumption(seen.timing)
    _darkness(seen)
    start = windows.between(seen, "third returns", "third recovered", "the return of one node")
    roles = ("first", "second")
    spans = [s for role in roles for s in taints.spans(seen.node(role), UNREACHABLE, NO_EXECUTE)]
    came = sorted(max(span.since, start.sent) for span in spans if span.until is None)
    about = tuple(seen.name(role) for role in roles)
    for position in range(1, len(roles) + 1):
        at = came[position - 1] if len(came) >= position else None
        window = seen.timing.no_execute_taint_resumed(position)
        what = f"taint {position} of {len(roles)}"
        yield from windows.misses(what, at, start, window, until=seen.history.until, about=about)


def _darkness(seen: Seen) -> float:
    """When the last node became Unknown."""
    return max(silences.flip(seen, role).at for role in FALLING)
