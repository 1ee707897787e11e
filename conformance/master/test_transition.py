"""Ready turns Unknown: what the master writes when a node has fallen silent."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.clock import parse_time
from conformance.drive.scenarios.master.silence import EXTRA, silence
from conformance.drive.scenarios.master.transitions import transitions
from conformance.judge import conditions, events, windows
from conformance.judge import silence as silences
from conformance.judge.seen import Seen
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")


@judges("M-HB-03", reads=silence)
def test_silence_turns_ready_unknown_in_time_and_not_early(seen: Seen) -> None:
    quiet = silences.silence(seen, "victim")
    window = seen.timing.unknown_after_silence()
    want = f"Ready=Unknown {window} after the last heartbeat"
    change = conditions.turned(seen.node("victim").since(quiet.last.sent).until(quiet.until), "Ready", "Unknown")
    if change is None:
        waited = quiet.until - quiet.last.answered
        raise Violation(want=want, got=f"still not Unknown after {waited:.1f} s", about=quiet.node)
    if change.at - quiet.last.sent < window.earliest:
        got = f"Unknown only {change.at - quiet.last.sent:.2f} s after it"
        raise Violation(want=want, got=got, at=change.at, about=quiet.node)
    if change.at - quiet.last.answered > window.latest:
        got = f"Unknown {change.at - quiet.last.answered:.2f} s after it"
        raise Violation(want=want, got=got, at=change.at, about=quiet.node)


@judges("M-NR-01", reads=silence)
def test_ready_turns_unknown_and_never_false(seen: Seen) -> Iterator[Violation]:
    quiet = silences.silence(seen, "victim")
    turns = list(conditions.changes(seen.node("victim").since(quiet.last.sent).until(quiet.until), "Ready"))
    if not turns:
        raise NotExercised("Ready of the silent node never turned", about=quiet.node)
    for turn in turns:
        if turn.after is None or turn.after["status"] != "Unknown":
            got = turn.after["status"] if turn.after else "no Ready condition"
            yield Violation(want="Ready=Unknown", got=f"Ready={got}", at=turn.at, about=quiet.node)
    written = turns[0].after or {}
    texts = {"reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}
    for field, text in texts.items():
        if written.get(field) != text:
            got = f"{field} {written.get(field)!r}"
            yield Violation(want=f"{field} {text!r}", got=got, at=turns[0].at, about=quiet.node, level="SHOULD")


@judges("M-NR-01", reads=transitions)
def test_ready_false_turns_unknown_as_well(seen: Seen) -> Iterator[Violation]:
    silences.noticed(seen, "lost")
    quiet = silences.silence(seen, "refuser")
    turn = silences.turn(seen, "refuser")
    at = turn.at if turn else None
    window = seen.timing.unknown_after_silence()
    start = windows.beat(quiet.last)
    yield from windows.misses("Ready=Unknown", at, start, window, until=quiet.until, about=quiet.node)
    if turn and turn.after and turn.after["reason"] != "NodeStatusUnknown":
        got = f"reason {turn.after['reason']!r}"
        yield Violation(want="reason 'NodeStatusUnknown'", got=got, at=turn.at, about=quiet.node, level="SHOULD")


@judges("M-NR-02", reads=silence)
def test_pressures_turn_unknown_in_the_same_write(seen: Seen) -> Iterator[Violation]:
    change = silences.flip(seen, "victim")
    ready = change.after or {}
    for kind in PRESSURES:
        found = conditions.condition(change.event.after, kind) or {}
        expected = {name: ready.get(name) for name in ("status", "reason", "message")}
        got = {name: found.get(name) for name in expected}
        if got != expected:
            yield Violation(want=f"{kind} {expected}", got=str(got), at=change.at, about=seen.name("victim"))


@judges("M-NR-03", reads=silence)
def test_heartbeat_times_stay_and_transition_times_move(seen: Seen) -> Iterator[Violation]:
    change = silences.flip(seen, "victim")
    before, after = (conditions.all_conditions(state) for state in (change.event.before, change.event.after))
    moved = set()
    for kind in ("Ready", *PRESSURES):
        old, new = before.get(kind, {}), after.get(kind, {})
        if old.get("status") == new.get("status"):
            continue
        beat, still = (entry.get("lastHeartbeatTime") for entry in (old, new))
        if beat != still:
            want = f"{kind}.lastHeartbeatTime still {beat}"
            yield Violation(want=want, got=str(still), at=change.at, about=seen.name("victim"))
        moved.add(new.get("lastTransitionTime"))
        turned = seen.history.moment(parse_time(new.get("lastTransitionTime") or "1970-01-01T00:00:00Z"))
        skew = seen.timing.clock_skew + seen.timing.slack
        if abs(turned - change.at) > skew:
            want = (
                f"{kind}.lastTransitionTime within {skew:g} s of the change ({seen.history.wall(change.at):%H:%M:%S})"
            )
            yield Violation(want=want, got=str(new.get("lastTransitionTime")), at=change.at, about=seen.name("victim"))
    if len(moved) > 1:
        got = ", ".join(sorted(str(time) for time in moved))
        want = "one lastTransitionTime for all conditions turned"
        yield Violation(want=want, got=got, at=change.at, about=seen.name("victim"), level="SHOULD")


@judges("M-NR-04", reads=silence)
def test_other_conditions_are_left_alone(seen: Seen) -> Iterator[Violation]:
    change = silences.flip(seen, "victim")
    quiet = silences.silence(seen, "victim")
    last = seen.node("victim").state_at(quiet.until)
    invented = [kind for kind in conditions.all_conditions(last) if not conditions.condition(change.event.before, kind)]
    if invented:
        want = "no condition that the node does not know"
        yield Violation(want=want, got=", ".join(invented), at=change.at, about=quiet.node)
    for kind in EXTRA:
        old = conditions.condition(change.event.before, kind)
        for state in (change.event.after, last):
            new = conditions.condition(state, kind)
            if new != old:
                yield Violation(want=f"{kind} as the node posted it: {old}", got=str(new), about=quiet.node)


@judges("M-NR-06", reads=silence)
def test_conditions_are_written_once(seen: Seen) -> None:
    change = silences.flip(seen, "victim")
    quiet = silences.silence(seen, "victim")
    watched = quiet.until - change.at
    if watched < 3 * seen.timing.node_monitor_period:
        raise NotExercised(f"the silence lasted only {watched:.1f} s after the change", about=quiet.node)
    for event in conditions.rewritten(seen.node("victim").until(quiet.until)):
        if event.at > change.at:
            want = "conditions left as they are while the silence lasts"
            got = f"written again {event.at - change.at:.2f} s after the change"
            raise Violation(want=want, got=got, at=event.at, about=quiet.node)


@judges("M-NR-05", reads=transitions)
def test_pressures_that_were_never_posted_are_added(seen: Seen) -> Iterator[Violation]:
    silences.flip(seen, "lost")
    change = silences.turn(seen, "sparse")
    if change is None:
        as_usual = "Ready=Unknown, as of a node that posts all its conditions"
        yield Violation(want=as_usual, got="it never came", about=seen.name("sparse"))
        return
    created = (change.event.after or {})["metadata"]["creationTimestamp"]
    want = {"status": "Unknown", "reason": "NodeStatusNeverUpdated", "lastHeartbeatTime": created}
    for kind in ("DiskPressure", "PIDPressure"):
        found = conditions.condition(change.event.after, kind) or {}
        got = {field: found.get(field) for field in want}
        if got != want:
            yield Violation(want=f"{kind} {want}", got=str(got), at=change.at, about=seen.name("sparse"))


@judges("M-NR-05", reads=transitions)
def test_a_pressure_already_unknown_is_left_alone(seen: Seen) -> None:
    change = silences.flip(seen, "sparse")
    before, after = (conditions.condition(s, "MemoryPressure") for s in (change.event.before, change.event.after))
    if (before or {}).get("status") != "Unknown":
        raise NotExercised("MemoryPressure was not Unknown before", about=seen.name("sparse"))
    if before != after:
        raise Violation(want=f"MemoryPressure {before}", got=str(after), at=change.at, about=seen.name("sparse"))


@judges("M-NR-05", reads=transitions)
def test_a_node_that_posted_unknown_itself_is_not_written_to(seen: Seen) -> None:
    quiet = silences.silence(seen, "doubter")
    due = seen.timing.unknown_after_silence().latest
    if quiet.until - quiet.last.answered < due:
        raise NotExercised(f"the silence lasted less than {due:g} s", about=quiet.node)
    for event in conditions.rewritten(seen.node("doubter").since(seen.mark("doubter silent").at)):
        got = f"written {event.at - quiet.last.answered:.2f} s after the last heartbeat"
        raise Violation(want="conditions left as the node posted them", got=got, at=event.at, about=quiet.node)


@judges("M-NR-07", reads=transitions)
def test_the_turn_is_announced(seen: Seen) -> Iterator[Violation]:
    change = silences.flip(seen, "lost")
    said = next(events.said(seen, "lost", "NodeNotReady"), None)
    start = windows.seen_at(change.at, "Ready=Unknown", seen.timing.watch_lag)
    at = said.at if said else None
    name = seen.name("lost")
    window = seen.timing.node_event()
    yield from windows.misses("an event NodeNotReady", at, start, window, until=seen.history.until, about=name)
    if said and (said.type, said.kind) != ("Normal", "Node"):
        yield Violation(
            want="type Normal, about a Node", got=f"type {said.type}, about a {said.kind}", at=at, about=name
        )
    text = f"Node {name} status is now: NodeNotReady"
    if said and said.message != text:
        yield Violation(want=f"message {text!r}", got=repr(said.message), at=at, about=name)


@judges("M-NR-07", reads=transitions)
def test_what_a_node_says_itself_is_not_announced(seen: Seen) -> Iterator[Violation]:
    seen.mark("refuser posted Ready=True")
    for role in ("refuser", "doubter"):
        for said in events.said(seen, role):
            if said.reason in ("NodeNotReady", "NodeReady"):
                want = "no event, as the node itself had said that it is not ready"
                yield Violation(want=want, got=f"{said.reason} by {said.component}", at=said.at, about=seen.name(role))
