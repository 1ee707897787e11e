"""Taints follow conditions, and nobody else's wishes."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.condition_taints import condition_taints
from conformance.drive.scenarios.master.heartbeats import heartbeats
from conformance.drive.scenarios.master.silence import silence
from conformance.drive.scenarios.master.transitions import transitions
from conformance.judge import conditions, taints, windows
from conformance.judge import silence as silences
from conformance.judge.conditions import Change, turned_to
from conformance.judge.seen import Seen
from conformance.judge.taints import BY_CONDITION, NO_EXECUTE, NO_SCHEDULE, NOT_READY, UNREACHABLE, UNSCHEDULABLE
from conformance.judge.windows import Start
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


@judges("M-TAINT-01", reads=silence)
def test_unknown_gives_unreachable_noschedule_at_once(seen: Seen) -> Iterator[Violation]:
    yield from _replaces(seen, "victim", silences.flip(seen, "victim"), UNREACHABLE, NOT_READY)


@judges("M-TAINT-01", reads=transitions)
def test_ready_false_gives_not_ready_noschedule_at_once(seen: Seen) -> Iterator[Violation]:
    yield from _replaces(seen, "refuser", turned_to(seen, "refuser", "Ready", "False"), NOT_READY, UNREACHABLE)


@judges("M-TAINT-01", reads=transitions)
def test_unknown_after_false_exchanges_the_noschedule_taints(seen: Seen) -> Iterator[Violation]:
    yield from _replaces(seen, "refuser", silences.flip(seen, "refuser"), UNREACHABLE, NOT_READY)


@judges("M-TAINT-01", reads=condition_taints)
def test_each_other_condition_gives_its_taint_and_takes_it_away(seen: Seen) -> Iterator[Violation]:
    story = seen.node("pressed")
    window = seen.timing.no_schedule_taint()
    for kind, key in BY_CONDITION.items():
        came = turned_to(seen, "pressed", kind, "True").at
        ended = next((turn.at for turn in conditions.changes(story.since(came), kind) if turn.at > came), None)
        if ended is None:
            raise NotExercised(f"{kind} never became False again", about=story.name)
        before = taints.first(story, key, NO_SCHEDULE)
        if before and before.since < came:
            want = f"no {key} before {kind}=True"
            yield Violation(want=want, got="it is there", at=before.since, about=story.name)
        yield from taints.comes(story.until(ended), key, NO_SCHEDULE, Start(came, came, f"{kind}=True"), window)
        gone = seen.timing.no_schedule_taint_gone()
        yield from taints.goes(story, key, NO_SCHEDULE, Start(ended, ended, f"{kind}=False"), gone)


@judges("M-TAINT-01", reads=condition_taints)
def test_a_cordon_gives_its_taint_and_takes_it_away(seen: Seen) -> Iterator[Violation]:
    story = seen.node("pressed")
    cordoned = [e.at for e in story.events if e.after and (e.after["spec"].get("unschedulable") or False)]
    ended = [e.at for e in story.events if cordoned and e.at > cordoned[-1]]
    if not ended:
        raise NotExercised("the node was never cordoned and uncordoned", about=story.name)
    window = seen.timing.no_schedule_taint()
    start = Start(cordoned[0], cordoned[0], "the cordon")
    yield from taints.comes(story.until(ended[0]), UNSCHEDULABLE, NO_SCHEDULE, start, window)
    gone = seen.timing.no_schedule_taint_gone()
    yield from taints.goes(story, UNSCHEDULABLE, NO_SCHEDULE, Start(ended[0], ended[0], "the uncordon"), gone)


@judges("M-TAINT-01", reads=condition_taints)
def test_taints_of_conditions_have_no_value(seen: Seen) -> Iterator[Violation]:
    for role in ("pressed", "strained", "stripped"):
        story = seen.node(role)
        for event in story.events:
            for key in (*BY_CONDITION.values(), NOT_READY, UNREACHABLE, UNSCHEDULABLE):
                value = (taints.entry(event.after, key, NO_SCHEDULE) or {}).get("value")
                if value:
                    yield Violation(want=f"{key} without value", got=repr(value), at=event.at, about=story.name)
                    return


@judges("M-TAINT-02", reads=condition_taints)
def test_a_pressure_that_becomes_unknown_loses_its_taint(seen: Seen) -> Iterator[Violation]:
    change = silences.flip(seen, "strained")
    story = seen.node("strained")
    key = BY_CONDITION["MemoryPressure"]
    if not taints.has(change.event.before, key, NO_SCHEDULE):
        raise NotExercised(f"the node had no taint {key} before", about=story.name)
    start = Start(change.at, change.at, "MemoryPressure=Unknown")
    yield from taints.goes(story, key, NO_SCHEDULE, start, seen.timing.no_schedule_taint_gone())


@judges("M-TAINT-02", reads=condition_taints)
def test_a_network_that_is_unknown_gives_no_taint(seen: Seen) -> None:
    story = seen.node("strained")
    if conditions.status(story.state_at(seen.mark("strained silent").at), "NetworkUnavailable") != "Unknown":
        raise NotExercised("NetworkUnavailable did not stay Unknown", about=story.name)
    span = taints.first(story, BY_CONDITION["NetworkUnavailable"], NO_SCHEDULE)
    if span is not None:
        raise Violation(want="no taint for NetworkUnavailable=Unknown", got="one", at=span.since, about=story.name)


@judges("M-TAINT-03", reads=silence)
def test_unknown_gives_unreachable_noexecute(seen: Seen) -> Iterator[Violation]:
    change = silences.flip(seen, "victim")
    story = seen.node("victim").until(silences.silence(seen, "victim").until)
    start = Start(change.at, change.at, "Ready=Unknown")
    yield from taints.comes(story, UNREACHABLE, NO_EXECUTE, start, seen.timing.no_execute_taint())


@judges("M-TAINT-03", reads=transitions)
def test_ready_false_gives_not_ready_noexecute(seen: Seen) -> Iterator[Violation]:
    at = turned_to(seen, "refuser", "Ready", "False").at
    story = seen.node("refuser").until(silences.flip(seen, "refuser").at)
    start = Start(at, at, "Ready=False")
    yield from taints.comes(story, NOT_READY, NO_EXECUTE, start, seen.timing.no_execute_taint_in_turn())


@judges("M-TAINT-03", reads=condition_taints)
def test_no_other_condition_gives_noexecute(seen: Seen) -> None:
    story = seen.node("pressed")
    for kind in BY_CONDITION:
        turned_to(seen, "pressed", kind, "True")
    for event in story.events:
        found = sorted(key for key, effect in taints.taints(event.after) if effect == NO_EXECUTE)
        if found:
            got = f"{', '.join(found)} with effect NoExecute"
            raise Violation(want="no NoExecute taint on a Ready node", got=got, at=event.at, about=story.name)


@judges("M-TAINT-04", reads=transitions)
def test_false_and_unknown_exchange_the_noexecute_taints_at_once(seen: Seen) -> Iterator[Violation]:
    story = seen.node("refuser")
    window = seen.timing.no_execute_taint_in_turn()
    flip = silences.flip(seen, "refuser").at
    back = next((t.at for t in conditions.changes(story, "Ready") if t.at > flip), None)
    if back is None or not taints.has(story.state_at(flip), NOT_READY, NO_EXECUTE):
        raise NotExercised("the node was not tainted while False, then Unknown, then False", about=story.name)
    gone = Start(flip, flip, "Ready=Unknown")
    yield from taints.comes(story.until(back), UNREACHABLE, NO_EXECUTE, gone, window)
    yield from taints.goes(story.until(back), NOT_READY, NO_EXECUTE, gone, window)
    again = Start(back, back, "Ready=False")
    yield from taints.comes(story, NOT_READY, NO_EXECUTE, again, window)
    yield from taints.goes(story, UNREACHABLE, NO_EXECUTE, again, window)


@judges("M-TAINT-10", reads=transitions)
def test_the_exchange_leaves_no_moment_without_taint(seen: Seen) -> None:
    story = seen.node("refuser").until(seen.mark("refuser posted Ready=True").at)
    first = taints.first(story, NOT_READY, NO_EXECUTE)
    silences.flip(seen, "refuser")
    if first is None:
        raise NotExercised(f"the node never had {NOT_READY}:NoExecute", about=story.name)
    for event in story.since(first.since).events:
        ready = conditions.status(event.after, "Ready")
        tainted = any(taints.has(event.after, key, NO_EXECUTE) for key in (NOT_READY, UNREACHABLE))
        if ready != "True" and not tainted:
            want = f"{NOT_READY} or {UNREACHABLE} with NoExecute all the time"
            raise Violation(want=want, got="neither", at=event.at, about=story.name)


@judges("M-TAINT-05", reads=silence)
def test_recovery_removes_both_taints(seen: Seen) -> Iterator[Violation]:
    silences.flip(seen, "victim")
    recovered = seen.mark("victim recovered").at
    story = seen.node("victim")
    own = (seen.naming.taint["key"], NO_SCHEDULE)
    before = taints.taints(story.state_at(seen.mark("victim silent").at)) | {own}
    after = taints.taints(story.last)
    if before != after:
        want = f"the taints of before: {_listed(before)}"
        yield Violation(want=want, got=_listed(after), about=story.name)
    start = Start(recovered, recovered, "Ready=True")
    limits = {NO_SCHEDULE: seen.timing.no_schedule_taint_gone(), NO_EXECUTE: seen.timing.taints_removed()}
    for effect, window in limits.items():
        if taints.first(story, UNREACHABLE, effect) is None:
            raise NotExercised(f"the node never carried {UNREACHABLE}:{effect}", about=story.name)
        yield from taints.goes(story, UNREACHABLE, effect, start, window)


@judges("M-TAINT-05", reads=transitions)
def test_ready_true_after_false_removes_both_taints(seen: Seen) -> Iterator[Violation]:
    story = seen.node("refuser")
    flip = silences.flip(seen, "refuser").at
    true = (t.at for t in conditions.changes(story, "Ready") if t.at > flip and (t.after or {}).get("status") == "True")
    at = next(true, None)
    if at is None:
        raise NotExercised("the node did not become Ready after it said that it was not", about=story.name)
    before = story.state_at(at)
    start = Start(at, at, "Ready=True")
    limits = {NO_SCHEDULE: seen.timing.no_schedule_taint_gone(), NO_EXECUTE: seen.timing.taints_removed()}
    for effect, window in limits.items():
        if not taints.has(before, NOT_READY, effect):
            raise NotExercised(f"the node did not carry {NOT_READY}:{effect}", about=story.name)
        yield from taints.goes(story, NOT_READY, effect, start, window)


@judges("M-TAINT-09", reads=heartbeats)
def test_a_node_without_conditions_keeps_no_taint(seen: Seen) -> Iterator[Violation]:
    story = seen.node("blank")
    start = windows.between(seen, "blank registers", "blank registered", "the node's registration")
    yield from taints.goes(story, NOT_READY, NO_SCHEDULE, start, seen.timing.no_schedule_taint_gone())


def _replaces(seen: Seen, role: str, change: Change, key: str, opposite: str) -> Iterator[Violation]:
    """Ready's new status gives its NoSchedule taint, and takes the opposite one away."""
    story = seen.node(role)
    ended = next((t.at for t in conditions.changes(story, "Ready") if t.at > change.at), seen.history.until)
    start = Start(change.at, change.at, f"Ready={(change.after or {}).get('status')}")
    window = seen.timing.no_schedule_taint()
    yield from taints.comes(story.until(ended), key, NO_SCHEDULE, start, window)
    yield from taints.goes(story.until(ended), opposite, NO_SCHEDULE, start, seen.timing.no_schedule_taint_gone())


def _listed(found: frozenset[tuple[str, str]]) -> str:
    return ", ".join(sorted(f"{key}:{effect}" for key, effect in found)) or "none"
