"""Whether something came in its window, and what a taint, an event or a silence is, out of hand-made histories."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.judge import events, silence, taints
from conformance.judge.taints import NO_EXECUTE, UNREACHABLE
from conformance.judge.windows import Start, between, misses, seen_at
from conformance.timing import Timing, Window, defaults
from conformance.verdict import NotExercised
from tests.conformance.tales import Tale, node

WINDOW = Window(10, 15)
START = Start(100, 101, "the start")


def missed(at: float | None, window: Window = WINDOW, start: Start = START) -> list[str]:
    return [violation.got for violation in misses("it", at, start, window, until=200, about="n")]


@given(st.floats(min_value=110, max_value=116))
def test_in_its_window_nothing_is_missed(at: float):
    assert not missed(at)


def test_early_is_measured_from_the_request_and_late_from_the_answer():
    assert missed(109.5) == ["it came 9.50 s after it"]
    assert missed(116.5) == ["it came 15.50 s after it"]
    assert missed(97.5) == ["it came 2.50 s before it"]


def test_what_never_came_says_how_long_it_was_waited_for():
    assert missed(None) == ["it had not come 99.00 s after it"]


def test_a_window_that_begins_at_once_names_its_end_only():
    [violation] = misses("it", None, START, Window(0, 5), until=200, about="n", level="SHOULD")
    assert violation.want == "it within 5 s of the start"
    assert violation.level == "SHOULD"


def test_what_another_watch_told_may_lie_before_or_after():
    start = seen_at(50, "that", 0.5)
    assert (start.sent, start.answered) == (49.5, 50.5)


def test_a_start_lies_between_two_marks():
    seen = Tale().mark(1, "x sent").mark(2, "x answered").seen(9)
    assert between(seen, "x sent", "x answered", "x") == Start(1, 2, "x")
    with pytest.raises(NotExercised):
        between(seen, "y sent", "y answered", "y")


# Taints


def tainted(*stretches: tuple[float, float | None]) -> Tale:
    tale = Tale().object(0, "Node", "n", node())
    for since, until in stretches:
        tale.object(since, "Node", "n", node(taints=((UNREACHABLE, NO_EXECUTE),)))
        if until is not None:
            tale.object(until, "Node", "n", node())
    return tale


def comes(tale: Tale, start: Start = START) -> bool:
    return not list(taints.comes(tale.seen(200).node("n"), UNREACHABLE, NO_EXECUTE, start, Window(0, 5)))


def goes(tale: Tale, start: Start = START, until: float = 200) -> bool:
    return not list(taints.goes(tale.seen(200).node("n").until(until), UNREACHABLE, NO_EXECUTE, start, Window(0, 5)))


def test_a_taint_comes_in_time_or_too_late_or_never():
    assert comes(tainted((105, None)))
    assert not comes(tainted((107, None)))
    assert not comes(tainted())


def test_a_taint_that_is_there_already_has_come():
    assert comes(tainted((50, None)))


def test_a_taint_that_went_before_has_not_come():
    assert not comes(tainted((50, 99)))


def test_a_taint_goes_in_time_or_too_late_or_never():
    assert goes(tainted((50, 105)))
    assert not goes(tainted((50, 107)))
    assert not goes(tainted((50, None)))


def test_a_taint_that_was_never_there_has_gone():
    assert goes(tainted())


def test_a_taint_that_comes_again_later_has_gone():
    assert goes(tainted((50, 103), (120, None)))


def test_a_story_cut_short_is_judged_at_its_end():
    assert goes(tainted((50, 103), (104.5, None)), until=104)
    assert not goes(tainted((50, None)), until=104)


# Silences


def test_each_silence_ends_with_its_return():
    tale = Tale().beat(1, "n").mark(2, "n silent").mark(50, "n returns").beat(51, "n").mark(60, "n silent")
    first, second = silence.silences(tale.seen(99), "n")
    assert (first.last.sent, first.until) == (1, 50)
    assert (second.last.sent, second.until) == (51, 99)


def test_a_node_that_never_fell_silent_has_no_silence():
    seen = Tale().beat(1, "n").seen(99)
    assert silence.silences(seen, "n") == []
    with pytest.raises(NotExercised):
        silence.silence(seen, "n")


def test_a_silence_needs_a_heartbeat_before_it():
    with pytest.raises(NotExercised, match="never seen beating"):
        silence.silences(Tale().mark(2, "n silent").seen(9), "n")


# Events


def event(tale: Tale, role: str, reason: str, **more: object) -> dict[str, object]:
    about = {"kind": "Node", "name": tale.naming.name(role)}
    return {"metadata": {"name": "e"}, "involvedObject": about, "reason": reason, "type": "Normal", **more}


def test_what_was_said_about_whom():
    tale = Tale()
    tale.object(1, "Event", "e1", event(tale, "n", "Hello", source={"component": "c"}, message="m"))
    tale.object(2, "Event", "e2", event(tale, "other", "Hello"))
    tale.object(3, "Event", "e3", event(tale, "n", "Bye", reportingComponent="r"))
    seen = tale.seen(9)
    assert [(s.at, s.reason, s.type, s.component, s.message, s.kind) for s in events.said(seen, "n")] == [
        (1, "Hello", "Normal", "c", "m", "Node"),
        (3, "Bye", "Normal", "r", "", "Node"),
    ]
    assert [s.at for s in events.said(seen, "n", "Bye")] == [3]


def test_an_event_that_is_counted_up_is_said_once():
    tale = Tale()
    tale.object(1, "Event", "e", event(tale, "n", "Hello", count=1))
    tale.object(5, "Event", "e", event(tale, "n", "Hello", count=2))
    assert [s.at for s in events.said(tale.seen(9), "n")] == [1]


# Timing


def test_a_lossy_target_gets_time_to_repair_its_taints():
    timing = defaults(20)
    assert timing.no_execute_taint().latest == 2 * 5 + (5 + 10) + 2
    assert timing.taints_removed().latest == 2 * 5 + 2
    assert defaults(36).no_execute_taint_in_turn().latest == 5 + 2
    assert defaults(36).taints_removed().latest == 5 + 2


def test_a_node_may_miss_one_turn_where_the_taint_comes_with_the_flip():
    assert defaults(36).no_execute_taint().latest == defaults(36).no_execute_taint_in_turn().latest + 10
    assert defaults(20).no_execute_taint() == defaults(20).no_execute_taint_in_turn()


def test_a_large_zone_has_a_slow_rate_and_a_small_one_none():
    timing = Timing(large_cluster_size_threshold=50, secondary_node_eviction_rate=0.01)
    assert timing.rate_when_mostly_down(50) == 0
    assert timing.rate_when_mostly_down(51) == 0.01


def test_the_startup_grace_may_seem_shorter_by_what_clocks_differ():
    assert Timing(node_startup_grace_period=60, clock_skew=2).unknown_never_posted().earliest == 58
