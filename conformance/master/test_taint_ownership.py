"""Taints that belong to the master: when it says they came, and what becomes of other people's hands on them."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.clock import parse_time
from conformance.drive.scenarios.master.condition_taints import FOREIGN, PREFERRED, UNCALLED_FOR, condition_taints
from conformance.judge import taints, windows
from conformance.judge.conditions import turned_to
from conformance.judge.seen import Seen
from conformance.judge.taints import NO_EXECUTE, NO_SCHEDULE, NOT_READY
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


@judges("M-TAINT-06", reads=condition_taints)
def test_taints_say_when_they_were_added(seen: Seen) -> Iterator[Violation]:
    story = seen.node("stripped").until(seen.mark("stripping sent").at)
    turned = turned_to(seen, "stripped", "Ready", "False").at
    skew = seen.timing.clock_skew + seen.timing.slack
    for effect in (NO_SCHEDULE, NO_EXECUTE):
        span = taints.first(story.since(turned), NOT_READY, effect)
        if span is None:
            raise NotExercised(f"the node never had {NOT_READY}:{effect}", about=story.name)
        events = [e for e in story.since(span.since).events if span.until is None or e.at < span.until]
        stamps = [(taints.entry(event.after, NOT_READY, effect) or {}).get("timeAdded") for event in events]
        added = seen.history.moment(parse_time(stamps[0])) if stamps[0] else None
        if added is None or abs(added - events[0].at) > skew:
            want = f"timeAdded of {NOT_READY}:{effect} within {skew:g} s of its appearance"
            yield Violation(want=want, got=str(stamps[0]), at=events[0].at, about=story.name)
        elif len(set(stamps)) > 1 and not (effect == NO_EXECUTE and seen.timing.taint_writes_race):
            # Up to 1.25 a node that waits for its zone's rate is queued, and tainted, several times.
            changed = next(event.at for event, stamp in zip(events, stamps, strict=True) if stamp != stamps[0])
            want = f"timeAdded of {NOT_READY}:{effect} as it was"
            yield Violation(want=want, got="it was written anew", at=changed, about=story.name)


@judges("M-TAINT-06", reads=condition_taints)
def test_the_taint_of_a_new_node_says_nothing(seen: Seen) -> None:
    story = seen.node("stripped")
    found = taints.entry(story.events[0].after if story.events else None, NOT_READY, NO_SCHEDULE)
    if found is None:
        raise NotExercised(f"the new node was first seen without {NOT_READY}:{NO_SCHEDULE}", about=story.name)
    if found.get("timeAdded"):
        at = story.events[0].at
        raise Violation(want="no timeAdded", got=str(found["timeAdded"]), at=at, about=story.name)


@judges("M-TAINT-07", reads=condition_taints)
def test_taints_not_called_for_are_taken_off(seen: Seen) -> Iterator[Violation]:
    story = seen.node("meddled")
    start = windows.between(seen, "meddling sent", "meddling answered", "they were put there by hand")
    for taint in UNCALLED_FOR:
        window = seen.timing.uncalled_taint_removed(taint["effect"])
        if taints.first(story, taint["key"], taint["effect"]) is None:
            raise NotExercised("the taints never were on the node", about=story.name)
        yield from taints.goes(story, taint["key"], taint["effect"], start, window)


@judges("M-TAINT-07", reads=condition_taints)
def test_foreign_taints_are_left_alone(seen: Seen) -> Iterator[Violation]:
    story = seen.node("meddled")
    for taint in (PREFERRED, FOREIGN):
        span = taints.first(story, taint["key"], taint["effect"])
        if span is None:
            raise NotExercised("the taints never were on the node", about=story.name)
        if span.until is not None:
            want = f"{taint['key']}:{taint['effect']} left alone"
            yield Violation(want=want, got="taken off", at=span.until, about=story.name)


@judges("M-TAINT-08", reads=condition_taints)
def test_taints_taken_off_by_hand_come_back(seen: Seen) -> Iterator[Violation]:
    story = seen.node("stripped")
    start = windows.between(seen, "stripping sent", "stripping answered", "they were taken off by hand")
    limits = {NO_SCHEDULE: seen.timing.no_schedule_taint(), NO_EXECUTE: seen.timing.no_execute_taint_in_turn(2)}
    for effect, window in limits.items():
        spans = list(taints.spans(story, NOT_READY, effect))
        removed = next((span.until for span in spans if span.until and span.until >= start.sent), None)
        if removed is None:
            raise NotExercised(f"{NOT_READY}:{effect} was never taken off", about=story.name)
        back = next((span.since for span in spans if span.since >= removed), None)
        what = f"{NOT_READY}:{effect} again"
        yield from windows.misses(what, back, start, window, until=seen.history.until, about=story.name)
