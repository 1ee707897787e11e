"""A suite that stood still says so, and does not blame its target."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from conformance import catalogue
from conformance.clock import SuiteClock
from conformance.judge.seen import Seen
from conformance.record.history import Gap
from conformance.record.log import Log
from conformance.record.metronome import keep_time
from conformance.runner.judging import judge
from conformance.scenario import Case
from conformance.verdict import Verdict, Violation
from tests.conformance.runs import nothing, play
from tests.conformance.tales import EPOCH, Tale


class Machine(SuiteClock):
    """A clock that can be late."""

    late = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.late


async def noticed(*stops: float) -> list[Gap]:
    """What is noted on a machine that stands still so often, for so long."""
    clock, log = Machine(seed=1), Log(EPOCH)
    keeper = asyncio.create_task(keep_time(log, clock))
    for stop in stops:
        await asyncio.sleep(3.1)
        clock.late += stop
    await asyncio.sleep(3)
    keeper.cancel()
    return list(log.whole(clock.monotonic()).gaps)


async def test_a_machine_that_runs_leaves_nothing_to_say():
    assert await noticed() == []
    assert await noticed(0.2, 0.2) == []


async def test_a_stop_is_noted_with_its_length():
    [gap] = await noticed(0.1, 2.5)
    assert gap.text == "the suite itself stood still for 2.5 s: the machine was paused, or had too much to do"


async def test_where_time_only_jumps_nobody_looks_at_the_clock():
    await asyncio.wait_for(keep_time(Log(EPOCH), SuiteClock(seed=1, epoch=EPOCH)), 0.1)


def late(seen: Seen) -> Iterator[Violation]:
    yield Violation(want="soon", got="late")


def judged(*gaps: Gap) -> Verdict:
    tale = Tale().mark(10, "victim registers")
    tale.gaps = list(gaps)
    case = Case(("M-NR-01",), play("scene", nothing))
    return judge(late, case, tale.seen(60), catalogue.load()).verdict


def test_what_came_late_while_the_suite_stood_still_is_no_failure():
    assert judged() is Verdict.FAIL
    assert judged(Gap(20, 20.3, "", "too little to matter", lossy=False)) is Verdict.FAIL
    assert judged(Gap(5, 9, "", "before the scenario began", lossy=False)) is Verdict.FAIL
    assert judged(Gap(20, 23, "", "a pause", lossy=False)) is Verdict.SUITE_ERROR
