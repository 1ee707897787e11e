"""A node comes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from conformance.drive.scenarios.master.cycles import MARKED, TIMES, cycles, outage
from conformance.drive.scenarios.master.silence import silence
from conformance.drive.scenarios.master.transitions import transitions
from conformance.judge import conditions, events, pods, taints, windows
from conformance.judge import silence as silences
from conformance.judge.seen import Seen
from conformance.judge.silence import Silence
from conformance.judge.taints import NO_EXECUTE, NO_SCHEDULE, UNREACHABLE, UNSCHEDULABLE
from conformance.judge.windows import Start
from conformance.record.history import Object, Story
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


@judges("M-NR-08", reads=silence)
def test_a_recovered_node_stays_ready(seen: Seen) -> None:
    silences.flip(seen, "victim")
    recovered = seen.mark("victim recovered")
    story = seen.node("victim")
    state = story.state_at(seen.history.until)
    want = "Ready=True from the recovery on, as long as the node beats"
    for turn in conditions.changes(story.since(recovered.at), "Ready"):
        if turn.after is None or turn.after["status"] != "True":
            got = f"Ready={turn.after['status'] if turn.after else 'absent'}"
            raise Violation(want=want, got=got, at=turn.at, about=story.name)
    if conditions.status(state, "Ready") != "True":
        raise Violation(want=want, got=f"Ready={conditions.status(state, 'Ready')}", about=story.name)


@judges("M-NR-09", reads=transitions)
def test_an_old_post_repeated_is_no_recovery(seen: Seen) -> Iterator[Violation]:
    name = seen.name("echo")
    turns = list(conditions.changes(seen.node("echo").since(silences.flip(seen, "echo").at), "Ready"))
    back = next((turn for turn in turns if turn.after and turn.after["status"] == "True"), None)
    if back is None:
        raise NotExercised("the old post never arrived", about=name)
    again = next((turn for turn in turns if turn.at > back.at), None)
    start = windows.Start(back.at, back.at, "the old post")
    window = seen.timing.unknown_again()
    at = again.at if again else None
    yield from windows.misses("Ready=Unknown again", at, start, window, until=seen.history.until, about=name)


@judges("M-NR-10", reads=cycles)
def test_every_silence_is_noticed_and_every_return_believed(seen: Seen) -> Iterator[Violation]:
    story = seen.node("cycler")
    silent = silences.silences(seen, "cycler")
    for number, quiet in enumerate(silent, 1):
        turn = conditions.turned(story.since(quiet.last.sent).until(quiet.until), "Ready", "Unknown")
        if turn is None and number == 1:
            raise NotExercised("already the first silence was not noticed", about=story.name)
        at = turn.at if turn else None
        window = seen.timing.unknown_after_silence()
        start = windows.beat(quiet.last)
        what = f"Ready=Unknown in silence {number} of {TIMES}"
        yield from windows.misses(what, at, start, window, until=quiet.until, about=story.name)
    for number, mark in enumerate([m for m in seen.history.marks if m.name == "cycler recovered"], 1):
        start = Start(mark.at, mark.at, f"return {number} of {TIMES}")
        next_silence = [quiet.last.answered for quiet in silent if quiet.last.answered > mark.at]
        until = story.until(next_silence[0] if next_silence else seen.history.until)
        yield from taints.goes(until, UNREACHABLE, NO_SCHEDULE, start, seen.timing.no_schedule_taint_gone())
        yield from taints.goes(until, UNREACHABLE, NO_EXECUTE, start, seen.timing.taints_removed())
        if conditions.status(until.last, "Ready") != "True":
            got = f"Ready={conditions.status(until.last, 'Ready')}"
            yield Violation(want=f"Ready=True after {start.name}", got=got, at=mark.at, about=story.name)


def _noticed(seen: Seen) -> Iterator[tuple[Silence, Start]]:
    """The silences one after the other, each with the moment at which the master noticed it.

    Raises:
        NotExercised: one was not noticed.
    """
    node = seen.node("cycler")
    for number, quiet in enumerate(silences.silences(seen, "cycler"), 1):
        turn = conditions.turned(node.since(quiet.last.sent).until(quiet.until), "Ready", "Unknown")
        if turn is None:
            raise NotExercised(f"silence {number} was not noticed", about=node.name)
        name = f"Ready=Unknown in silence {number} of {TIMES}"
        yield quiet, windows.seen_at(turn.at, name, seen.timing.watch_lag)


@judges("M-NR-10", reads=cycles)
def test_pods_lose_ready_in_every_silence(seen: Seen) -> Iterator[Violation]:
    pod, node = seen.pod("survivor"), seen.node("cycler")
    for number, (quiet, start) in enumerate(_noticed(seen), 1):
        if conditions.status(pod.state_at(start.sent), "Ready") != "True":
            raise NotExercised(f"the pod was not Ready before silence {number}", about=pod.name)
        marked = conditions.turned(pod.since(start.sent), "Ready", "False")
        at = max(marked.at, start.sent) if marked else None
        limit, about = seen.timing.pods_marked_not_ready(), (pod.name, node.name)
        yield from windows.misses("the pod's Ready=False", at, start, limit, until=quiet.until, about=about)


@judges("M-NR-10", reads=cycles)
def test_every_silence_is_announced(seen: Seen) -> Iterator[Violation]:
    node, said = seen.node("cycler"), list(events.repetitions(seen, "cycler", "NodeNotReady"))
    for quiet, start in _noticed(seen):
        at = next((at for at in said if start.sent <= at <= quiet.until), None)
        window, about = seen.timing.node_event(), node.name
        yield from windows.misses("an event NodeNotReady", at, start, window, until=quiet.until, about=about)


@judges("M-TAINT-01", reads=cycles)
def test_a_cordoned_node_has_both_taints_when_it_is_lost(seen: Seen) -> Iterator[Violation]:
    story = seen.node("cycler")
    since = seen.mark("cycler silent").at
    if not taints.has(story.state_at(since), UNSCHEDULABLE, NO_SCHEDULE):
        raise NotExercised("the cordoned node did not have its taint before", about=story.name)
    for event in story.since(since).events:
        if event.after and not taints.has(event.after, UNSCHEDULABLE, NO_SCHEDULE):
            want = f"{UNSCHEDULABLE}:{NO_SCHEDULE} as long as the node is cordoned, whatever its conditions"
            yield Violation(want=want, got="it was taken off", at=event.at, about=story.name)
            return


@judges("M-NR-10", reads=cycles)
def test_a_return_leaves_no_timer_behind(seen: Seen) -> None:
    returns = [m.at for m in seen.history.marks if m.name == "cycler recovered"]
    if len(returns) < TIMES:
        raise NotExercised("the node did not come back often enough", about=seen.name("cycler"))
    tainted = [span.since for span in taints.spans(seen.node("cycler"), UNREACHABLE, NO_EXECUTE)]
    if not tainted:
        raise NotExercised("the silent node never got the NoExecute taint", about=seen.name("cycler"))
    longest = max(min((back - since for back in returns if back > since), default=0) for since in tainted)
    if longest > outage(seen.timing) + seen.timing.slack:
        raise NotExercised(f"the suite let an outage last {longest:.1f} s", about=seen.name("cycler"))
    story = seen.pod("survivor")
    if not story.events:
        raise NotExercised("the pod was never there", about=story.name)
    deletion = pods.deletion(story)
    if deletion is not None:
        want = "a pod alive that tolerates each outage, though not all of them together"
        about = (story.name, seen.name("cycler"))
        raise Violation(want=want, got="its deletion was requested", at=deletion.at, about=about)


@judges("M-REG-07", reads=cycles)
def test_what_a_node_registered_with_stays(seen: Seen) -> Iterator[Violation]:
    story = seen.node("cycler")
    if not story.events:
        raise NotExercised("the node was never seen", about=story.name)
    registered = _foreign(story.events[0].after)
    del registered["spec.unschedulable"]
    yield from _lost(story, registered)


@judges("M-REG-07", reads=cycles)
def test_what_others_wrote_survives_silence_and_return(seen: Seen) -> Iterator[Violation]:
    story = seen.node("cycler")
    began = seen.mark("cycler silent").at
    known = [event for event in story.events if event.at <= began]
    yield from _lost(Story(story.kind, story.name, (*known[-1:], *story.since(began).events)), _foreign(MARKED))


def _lost(story: Story, expected: Mapping[str, object]) -> Iterator[Violation]:
    """The first change of a node that took away something of somebody else's."""
    for event in story.events:
        after = _foreign(event.after)
        lost = [name for name, value in expected.items() if value is not None and after.get(name) != value]
        for name in lost:
            got = repr(after.get(name))
            yield Violation(want=f"{name} still {expected[name]!r}", got=got, at=event.at, about=story.name)
        if lost:
            return


def _foreign(node: Object | None) -> dict[str, object]:
    """What of a node is not the lifecycle controller's business, by name."""
    whole = node or {"metadata": {}, "spec": {}, "status": {}}
    found: dict[str, object] = {}
    for name in ("labels", "annotations"):
        found |= {f"{name[:-1]} {key}": value for key, value in (whole["metadata"].get(name) or {}).items()}
    for taint in whole["spec"].get("taints") or []:
        if not taint["key"].startswith("node.kubernetes.io/"):
            found[f"taint {taint['key']}:{taint['effect']}"] = taint.get("value", "")
    found["spec.unschedulable"] = whole["spec"].get("unschedulable", False)
    for name in ("capacity", "allocatable", "addresses", "nodeInfo"):
        found[f"status.{name}"] = whole["status"].get(name)
    return found
