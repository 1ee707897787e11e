"""Taints follow the Ready condition."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.silence import silence
from conformance.judge import conditions, taints
from conformance.judge import silence as silences
from conformance.judge.seen import Seen
from conformance.judge.taints import NO_EXECUTE, NO_SCHEDULE, NOT_READY, UNREACHABLE
from conformance.scenario import judges
from conformance.timing import Window
from conformance.verdict import NotExercised, Violation


@judges("M-TAINT-01", reads=silence)
def test_unknown_gives_unreachable_noschedule_at_once(seen: Seen) -> None:
    _appears(seen, NO_SCHEDULE, seen.timing.no_schedule_taint())


@judges("M-TAINT-03", reads=silence)
def test_unknown_gives_unreachable_noexecute(seen: Seen) -> None:
    _appears(seen, NO_EXECUTE, seen.timing.no_execute_taint())


@judges("M-TAINT-05", reads=silence)
def test_recovery_removes_both_taints(seen: Seen) -> Iterator[Violation]:
    silences.flip(seen, "victim")
    recovered = seen.mark("victim recovered")
    limit = seen.timing.taints_removed().latest
    story = seen.node("victim")
    own = (seen.naming.taint["key"], NO_SCHEDULE)
    if own not in taints.taints(story.last):
        yield Violation(want="the node's own taint still there", got="it is gone", about=story.name)
    for effect in (NO_SCHEDULE, NO_EXECUTE):
        span = taints.first(story, UNREACHABLE, effect)
        if span is None:
            raise NotExercised(f"the node never carried {UNREACHABLE}:{effect}", about=story.name)
        if span.until is None or span.until - recovered.at > limit:
            got = "still there" if span.until is None else f"gone after {span.until - recovered.at:.2f} s"
            want = f"{UNREACHABLE}:{effect} gone within {limit:g} s of Ready=True"
            yield Violation(want=want, got=got, at=span.until, about=story.name)


def _appears(seen: Seen, effect: str, window: Window) -> None:
    """The unreachable taint follows Unknown within a window, and not-ready does not stay beside it."""
    change = silences.flip(seen, "victim")
    quiet = silences.silence(seen, "victim")
    story = seen.node("victim").since(quiet.last.sent).until(quiet.until)
    want = f"{UNREACHABLE}:{effect} within {window.latest:g} s of Ready=Unknown"
    span = taints.first(story, UNREACHABLE, effect)
    if span is None:
        raise Violation(want=want, got="it never came", at=change.at, about=story.name)
    if span.since - change.at > window.latest:
        raise Violation(want=want, got=f"after {span.since - change.at:.2f} s", at=span.since, about=story.name)
    if taints.has(story.last, NOT_READY, effect) and conditions.status(story.last, "Ready") == "Unknown":
        raise Violation(want=f"no {NOT_READY}:{effect} beside it", got="both are there", about=story.name)
