"""Judges of scheduling and of answers, on histories made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conformance import catalogue
from conformance.drive.scenarios.master.accounting import accounting
from conformance.judge import answers, placing
from conformance.judge.seen import Seen
from conformance.judge.sums import Ask, Sum, come_out
from conformance.runner import judging
from conformance.scenario import Case
from conformance.verdict import NotExercised, Verdict, Violation
from tests.conformance.tales import Tale


def pod(node: str = "", scheduled: str = "") -> dict[str, Any]:
    conditions = [{"type": "PodScheduled", "status": scheduled, "message": "0/1 nodes"}] if scheduled else []
    return {"metadata": {"name": "p"}, "spec": {"nodeName": node}, "status": {"conditions": conditions}}


def told(*states: dict[str, Any]) -> Seen:
    tale = Tale("accounting")
    for at, state in enumerate(states, 1):
        tale.object(at, "Pod", "p", state)
    return tale.seen(100)


HERE = Tale("accounting").naming.name("n")


def test_a_pod_on_its_node_is_placed() -> None:
    assert list(placing.placed(told(pod(), pod(HERE)), "p", "n", why="it fits")) == []


@pytest.mark.parametrize(
    ("states", "got"),
    [
        ((pod(),), "never bound"),
        ((pod(), pod(scheduled="False")), "never bound, the scheduler says: 0/1 nodes"),
        ((pod(), pod("another")), "bound to another"),
    ],
)
def test_a_pod_elsewhere_is_not(states: tuple[dict[str, Any], ...], got: str) -> None:
    (violation,) = placing.placed(told(*states), "p", "n", why="it fits")
    assert violation.got == got


def test_a_refused_pod_is_kept_out_until_it_may_in() -> None:
    seen = told(pod(), pod(scheduled="False"), pod(HERE))
    assert list(placing.kept_out(seen, "p", why="full", until=2.5)) == []
    (violation,) = placing.kept_out(seen, "p", why="full")
    assert violation.got == f"bound to {HERE}"


def test_nobody_looked_at_the_pod() -> None:
    with pytest.raises(NotExercised, match="did not say"):
        list(placing.kept_out(told(pod()), "p", why="full"))


def test_visitors_spoil_the_sums_of_their_node() -> None:
    seen = Tale("accounting").mark(1, "visitors", n=1, m=0).seen(2)
    placing.alone(seen, "m")
    with pytest.raises(NotExercised, match="1 pods of others"):
        placing.alone(seen, "n")


def test_a_wrong_sum_counts_even_if_another_was_never_tried() -> None:
    wrong = Sum("n", (Ask("p", True, "it fits"),))
    untried = Sum("n", (Ask("q", True, "it fits"),))

    def case(seen: Seen) -> Iterator[Violation]:
        yield from come_out(seen, untried, wrong)

    book = catalogue.load()
    declared = Case(("M-SCHED-05",), accounting)
    assert judging.judge(case, declared, told(pod()), book).verdict is Verdict.FAIL
    assert judging.judge(case, declared, told(pod(), pod(HERE)), book).verdict is Verdict.NOT_EXERCISED


def test_an_answer_is_judged_by_status_and_reason() -> None:
    body = {"reason": "Invalid", "message": "no"}
    seen = Tale("api").mark(1, "it is tried", status=422, body=body).mark(2, "busy", status=503, body=None).seen(3)
    assert list(answers.answered(seen, "it is tried", 422, want="refused", reason="Invalid")) == []
    (violation,) = answers.answered(seen, "it is tried", 409, want="refused")
    assert violation.got == "'it is tried' was answered 422 no"
    with pytest.raises(NotExercised):
        answers.status(seen, "busy")
    with pytest.raises(NotExercised):
        answers.body(seen, "it is tried")
