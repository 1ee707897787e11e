"""A run in a process of its own: it comes to what it would have come to here, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
from contextlib import asynccontextmanager

import attrs
import pytest

from conformance import catalogue
from conformance.collect import Entry, collect
from conformance.given.terms import Terms
from conformance.report.results import Report
from conformance.runner.aside import Aside
from conformance.runner.engine import AnyTarget, Engine
from conformance.scenario import MASTER, NODE
from conformance.target import TargetError
from conformance.verdict import Verdict, Violation
from fixtures.reference import ReferenceTarget
from fixtures.reference_agent import ReferenceAgentTarget
from tests.conformance.runs import entry, nothing, play

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def engine(target: AnyTarget, side: str) -> Engine:
    return Engine(side, target, catalogue.load(), Terms(seed=3))


def aside(target: AnyTarget, entries: list[Entry], side: str = MASTER) -> Aside:
    found = Aside(engine(target, side))
    found.start(entries)
    return found


def timeless(report: Report) -> Report:
    """A report without what depends on how fast the machine is."""
    return attrs.evolve(report, wall_seconds=0)


@pytest.mark.parametrize(
    ("target", "side", "name"),
    [(ReferenceTarget(), MASTER, "test_identity.py"), (ReferenceAgentTarget(), NODE, "test_legacy.py")],
    ids=[MASTER, NODE],
)
def test_it_comes_to_the_same(target: AnyTarget, side: str, name: str):
    entries = [each for each in collect() if name in each.nodeid and each.case.scenario.side == side]
    beside, here = aside(target, entries, side), engine(target, side)
    here.start(entries)
    assert [beside.result(each) for each in entries] == [here.result(each) for each in entries]
    assert beside.announcement() == here.announcement()
    here.close()
    beside.close()
    assert timeless(beside.report()) == timeless(here.report())


def test_what_fails_there_is_explained_here():
    def judge(seen: object) -> None:
        raise Violation(want="the sun", got="rain")

    wrong = entry(play("scene", nothing), judge)
    result = aside(ReferenceTarget(), [wrong]).result(wrong)
    assert result.verdict is Verdict.FAIL
    assert "want the sun" in result.explanation


def test_a_target_that_cannot_be_tested_is_told_here():
    class Closed(ReferenceTarget):
        @asynccontextmanager
        async def open(self, seed: int):
            raise TargetError("it is closed today")
            yield

    beside = aside(Closed(), [entry(play("scene", nothing))])
    assert not beside.started
    with pytest.raises(TargetError, match="it is closed today"):
        beside.announcement()


def test_a_child_that_is_killed_is_told():
    beside = aside(ReferenceTarget(), [entry(play("scene", nothing))])
    os.kill(beside._child, signal.SIGKILL)
    with pytest.raises(TargetError, match="ended before it was done"):
        beside.announcement()


def test_who_is_not_asked_any_more_ends_at_once_and_leaves_no_process():
    beside = aside(ReferenceTarget(), [entry(play("scene", nothing))])
    child = beside._child
    beside.close()
    beside.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
