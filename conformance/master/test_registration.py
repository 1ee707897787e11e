"""Nodes come and go: what the master says, what it counts from, what it makes of their labels."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.clock import parse_time
from conformance.drive.scenarios.master.heartbeats import FALLING_SILENT, NEVER_BEATING, heartbeats
from conformance.drive.scenarios.master.registration import (
    ARCH,
    LABELS,
    OS,
    RELABELLED,
    agree,
    registration,
)
from conformance.judge import conditions, events, windows
from conformance.judge import silence as silences
from conformance.judge.seen import Seen
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

TYPES = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


@judges("M-REG-01", reads=registration)
def test_a_new_node_is_announced(seen: Seen) -> Iterator[Violation]:
    yield from _announced(seen, "RegisteredNode", "visitor registers", "visitor registered")


@judges("M-REG-01", reads=registration)
def test_a_removed_node_is_announced(seen: Seen) -> Iterator[Violation]:
    yield from _announced(seen, "RemovingNode", "visitor is deleted", "visitor deleted")


@judges("M-REG-02", reads=heartbeats)
def test_silent_nodes_are_not_deleted(seen: Seen) -> Iterator[Violation]:
    for role in (*FALLING_SILENT, *NEVER_BEATING):
        story = seen.node(role)
        if not story.events:
            raise NotExercised(f"{role} was never there", about=story.name)
        for event in story.events:
            if event.after is None:
                yield Violation(want="the silent Node still there", got="it is gone", at=event.at, about=story.name)


@judges("M-REG-03", reads=heartbeats)
def test_grace_begins_when_the_node_is_first_seen(seen: Seen) -> Iterator[Violation]:
    silences.noticed(seen, "quiet")
    story = seen.node("old-post")
    turn = conditions.turned(story, "Ready", "Unknown")
    yield from windows.misses(
        "Ready=Unknown",
        turn.at if turn else None,
        windows.between(seen, "old-post registers", "old-post registered", "the node's registration"),
        seen.timing.unknown_after_silence(),
        until=seen.history.until,
        about=story.name,
    )


@judges("M-REG-04", reads=heartbeats)
def test_a_node_that_never_posts_is_given_up_after_the_startup_grace(seen: Seen) -> Iterator[Violation]:
    story = seen.node("never-posted")
    turn = next(conditions.changes(story, "Ready"), None)
    yield from windows.misses(
        "a Ready condition",
        turn.at if turn else None,
        windows.between(seen, "never-posted registers", "never-posted registered", "the node's registration"),
        seen.timing.unknown_never_posted(),
        until=seen.history.until,
        about=story.name,
    )


@judges("M-REG-04", reads=heartbeats)
def test_conditions_that_were_never_posted_say_so(seen: Seen) -> Iterator[Violation]:
    story = seen.node("never-posted")
    turn = next(conditions.changes(story, "Ready"), None)
    if turn is None:
        raise NotExercised("the node never got a Ready condition", about=story.name)
    created = (turn.event.after or {})["metadata"]["creationTimestamp"]
    types = tuple(conditions.all_conditions(turn.event.after))
    if sorted(types) != sorted(TYPES):
        want_types = f"the conditions {', '.join(TYPES)}"
        yield Violation(want=want_types, got=", ".join(types), at=turn.at, about=story.name)
    want = {"status": "Unknown", "reason": "NodeStatusNeverUpdated", "lastHeartbeatTime": created}
    for kind in TYPES:
        found = conditions.condition(turn.event.after, kind) or {}
        got = {field: found.get(field) for field in want}
        if got != want:
            yield Violation(want=f"{kind} {want}", got=str(got), at=turn.at, about=story.name)
        if found.get("message") != "Kubelet never posted node status.":
            text = "message 'Kubelet never posted node status.'"
            got_text = f"{kind} says {found.get('message')!r}"
            yield Violation(want=text, got=got_text, at=turn.at, about=story.name, level="SHOULD")
        skew = seen.timing.clock_skew + seen.timing.slack
        moved = seen.history.moment(parse_time(found.get("lastTransitionTime") or "1970-01-01T00:00:00Z"))
        if abs(moved - turn.at) > skew:
            want_time = f"{kind}.lastTransitionTime within {skew:g} s of the change"
            yield Violation(want=want_time, got=str(found.get("lastTransitionTime")), at=turn.at, about=story.name)


@judges("M-REG-04", reads=heartbeats)
def test_a_withdrawn_ready_condition_comes_back_unknown(seen: Seen) -> Iterator[Violation]:
    story = seen.node("forgetful")
    withdrawn = seen.mark("forgetful without Ready").at
    turn = next((t for t in conditions.changes(story.since(withdrawn), "Ready") if t.after is not None), None)
    beats = [b for b in seen.history.beats if b.node == story.name and b.ok]
    if not beats:
        raise NotExercised("the node was never seen beating", about=story.name)
    window = seen.timing.unknown_after_withdrawal()
    at = turn.at if turn else None
    until = seen.history.until
    start = windows.beat(beats[-1])
    yield from windows.misses("Ready again", at, start, window, until=until, about=story.name, level="SHOULD")
    found = (turn.after if turn else None) or {}
    got = (found.get("status"), found.get("reason"))
    if turn and got != ("Unknown", "NodeStatusNeverUpdated"):
        want = "Ready=Unknown, reason NodeStatusNeverUpdated"
        yield Violation(want=want, got=f"Ready={got[0]}, reason {got[1]}", at=at, about=story.name, level="SHOULD")


@judges("M-REG-05", reads=heartbeats)
def test_a_node_with_a_renewed_lease_needs_no_status(seen: Seen) -> Iterator[Violation]:
    story = seen.node("blank")
    watched = seen.history.until - seen.mark("blank registered").at
    needed = seen.timing.node_startup_grace_period + 3 * seen.timing.node_monitor_period
    if watched < needed:
        raise NotExercised(f"it was watched for {watched:.0f} s only, not for {needed:g} s", about=story.name)
    for event in story.events:
        invented = sorted(conditions.all_conditions(event.after))
        if invented:
            got = f"conditions {', '.join(invented)}"
            yield Violation(want="no condition invented", got=got, at=event.at, about=story.name)
            return


@judges("M-REG-06", reads=registration)
def test_beta_labels_follow_the_stable_ones(seen: Seen) -> Iterator[Violation]:
    for role, before, after in (
        ("labelled", "labelled registers", "labelled registered"),
        ("contradicting", "contradicting registers", "contradicting registered"),
        ("labelled", "relabelling sent", "relabelling answered"),
    ):
        start = windows.between(seen, before, after, f"'{after}'")
        story = seen.node(role)
        at = next((event.at for event in story.since(start.sent).events if agree(event.after)), None)
        what = "beta os and arch labels equal to the stable ones"
        window = seen.timing.labels_reconciled()
        yield from windows.misses(what, at, start, window, until=seen.history.until, about=story.name)


@judges("M-REG-06", reads=registration)
def test_stable_labels_are_never_touched(seen: Seen) -> Iterator[Violation]:
    seen.mark("relabelling answered")
    own: dict[str, dict[str, str | None]] = {
        "labelled": {**LABELS["labelled"], **RELABELLED},
        "contradicting": {name: LABELS["contradicting"][name] for name in (OS, ARCH)},
        "old-fashioned": {OS: None, ARCH: None, **LABELS["old-fashioned"]},
    }
    for role, want in own.items():
        labels = ((seen.node(role).last or {}).get("metadata") or {}).get("labels", {})
        got = {name: labels.get(name) for name in want}
        if got != want:
            yield Violation(want=f"labels as the node has them: {want}", got=str(got), about=seen.name(role))


def _announced(seen: Seen, reason: str, before: str, after: str) -> Iterator[Violation]:
    """The master says something about the visitor, in time."""
    start = windows.between(seen, before, after, f"'{after}'")
    found = next((said for said in events.said(seen, "visitor", reason) if said.at >= start.sent), None)
    name = seen.name("visitor")
    at = found.at if found else None
    window = seen.timing.node_event()
    yield from windows.misses(f"an event {reason}", at, start, window, until=seen.history.until, about=name)
    if found and (found.type, found.kind) != ("Normal", "Node"):
        want = "type Normal, about a Node"
        yield Violation(want=want, got=f"type {found.type}, about a {found.kind}", at=at, about=name)
    uid = ((seen.node("visitor").events[0].after or {}).get("metadata") or {}).get("uid")
    if found and found.uid != uid:
        want = f"an Event about the Node with uid {uid}"
        yield Violation(want=want, got=f"about {found.uid or 'none'}", at=at, about=name, level="SHOULD")
