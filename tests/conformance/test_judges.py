"""Facts out of histories."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.clock import parse_time
from conformance.judge import conditions, pods, silence, taints
from conformance.judge.taints import NO_EXECUTE, UNREACHABLE, Span
from conformance.verdict import NotExercised
from tests.conformance.tales import EPOCH, Tale, condition, node, pod

statuses = st.sampled_from(["True", "False", "Unknown", None])


def told(values: list[str | None]) -> Tale:
    """A node whose Ready condition has these statuses, one a second."""
    tale = Tale()
    for at, value in enumerate(values):
        found = () if value is None else (condition(tale, at, "Ready", value),)
        tale.object(at, "Node", "n", node(*found))
    return tale


@given(st.lists(statuses, min_size=1, max_size=12))
def test_a_change_is_where_the_status_differs_and_nowhere_else(values: list[str | None]):
    story = told(values).seen(100).node("n")
    expected = [at for at, value in enumerate(values) if value != (None if at == 0 else values[at - 1])]
    assert [change.at for change in conditions.changes(story, "Ready")] == expected


@given(st.lists(statuses, min_size=1, max_size=12), st.integers(min_value=0, max_value=12))
def test_a_story_is_the_sum_of_its_parts(values: list[str | None], cut: int):
    story = told(values).seen(100).node("n")
    assert story.until(cut - 0.5).events + story.since(cut - 0.5).events == story.events


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_spans_cover_exactly_the_time_with_the_taint(there: list[bool]):
    tale = Tale()
    for at, yes in enumerate(there):
        tale.object(at, "Node", "n", node(taints=((UNREACHABLE, NO_EXECUTE),) if yes else ()))
    found = list(taints.spans(tale.seen(100).node("n"), UNREACHABLE, NO_EXECUTE))
    for at, yes in enumerate(there):
        assert yes == any(span.since <= at and (span.until is None or at < span.until) for span in found)


def test_a_deleted_node_carries_no_taint():
    tale = Tale().object(1, "Node", "n", node(taints=((UNREACHABLE, NO_EXECUTE),))).object(2, "Node", "n", None)
    assert list(taints.spans(tale.seen(9).node("n"), UNREACHABLE, NO_EXECUTE)) == [Span(1, 2)]


def test_a_rewrite_is_any_difference_in_any_condition():
    tale = Tale()
    tale.object(0, "Node", "n", node(condition(tale, 0, "Ready", "True")))
    tale.object(1, "Node", "n", node(condition(tale, 0, "Ready", "True"), taints=(("k", "NoSchedule"),)))
    tale.object(2, "Node", "n", node(condition(tale, 2, "Ready", "True", since=0)))
    assert [event.at for event in conditions.rewritten(tale.seen(9).node("n"))] == [2]


def test_a_deletion_was_requested_the_grace_period_before_its_timestamp():
    tale = Tale()
    tale.object(0, "Pod", "p", pod()).object(10, "Pod", "p", pod(deleted=tale.stamp(40), grace=30))
    found = pods.deletion(tale.seen(99).pod("p"))
    assert found is not None
    assert found.requested == parse_time(tale.stamp(10)).timestamp()
    assert not found.vanished


def test_a_pod_may_vanish_at_once():
    found = pods.deletion(Tale().object(0, "Pod", "p", pod()).object(5, "Pod", "p", None).seen(9).pod("p"))
    assert found == pods.Deletion(5, None, vanished=True)


def test_nobody_asked_for_a_pod_that_lives():
    assert pods.deletion(Tale().object(0, "Pod", "p", pod()).seen(9).pod("p")) is None


def test_a_silence_begins_with_the_last_beat_and_ends_with_the_return():
    tale = Tale().beat(1, "v").beat(9, "v").mark(10, "v silent").mark(60, "v returns").beat(61, "v")
    found = silence.silence(tale.seen(99), "v")
    assert (found.last.sent, found.until) == (9, 60)


def test_a_silence_without_return_lasts_to_the_end():
    assert silence.silence(Tale().beat(1, "v").mark(2, "v silent").seen(77), "v").until == 77


@pytest.mark.parametrize("tale", [Tale(), Tale().mark(3, "v silent")])
def test_without_silence_or_beat_before_it_nothing_is_exercised(tale: Tale):
    with pytest.raises(NotExercised):
        silence.silence(tale.seen(99), "v")


def test_a_flip_after_the_return_is_not_the_silence_s():
    tale = Tale().beat(1, "v").mark(2, "v silent").mark(50, "v returns")
    tale.object(0, "Node", "v", node(condition(tale, 0, "Ready", "True")))
    tale.object(55, "Node", "v", node(condition(tale, 0, "Ready", "Unknown", since=55)))
    with pytest.raises(NotExercised, match="never became Unknown within 4"):
        silence.flip(tale.seen(99), "v")


def test_moments_and_wall_clock_are_two_views_of_one_time():
    history = Tale().history(1)
    assert history.moment(history.wall(12.5)) == 12.5
    assert history.wall(0) == EPOCH
