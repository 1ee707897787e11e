"""A suite that stood still says so, and does not blame its target."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import attrs

from conformance import catalogue
from conformance.agent_timing import AgentTiming
from conformance.clock import SuiteClock
from conformance.judge.seen import Seen
from conformance.record.history import AGENT, SUITE, Gap
from conformance.record.log import Log
from conformance.record.metronome import keep_time
from conformance.runner.judging import judge
from conformance.scenario import Case
from conformance.timing import Timing
from conformance.verdict import Verdict, Violation
from tests.conformance.runs import nothing, play
from tests.conformance.tales import EPOCH, TIMING, Tale


class Machine(SuiteClock):
    """A clock that can be late."""

    late = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.late


class Agent:
    """An agent that gets no processor from one moment to another."""

    def __init__(self, since: float, until: float) -> None:
        self._since, self._until = since, until

    def waited(self) -> float:
        now = asyncio.get_running_loop().time()
        return max(0.0, min(now, self._until) - self._since)


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


async def starved(since: float, until: float) -> list[Gap]:
    """What is noted of an agent that gets no processor for a while, in twenty seconds."""
    clock, log = SuiteClock(seed=1), Log(EPOCH)
    keeper = asyncio.create_task(keep_time(log, clock, Agent(since, until).waited))
    await asyncio.sleep(20)
    keeper.cancel()
    await asyncio.wait([keeper])
    return list(log.whole(clock.monotonic()).gaps)


async def test_an_agent_that_gets_no_processor_is_noted():
    [gap] = await starved(5, 8)
    assert (gap.since, gap.until) == (5, 8)
    assert gap.text == "the agent was short of processor time for 3.0 s: the machine had too much to do"


async def test_an_agent_that_never_gets_one_again_is_noted_too():
    [gap] = await starved(15, 100)
    assert (gap.since, gap.until) == (15, 19.5)


async def test_an_agent_that_waits_now_and_then_is_not():
    assert await starved(5, 5.2) == []


async def test_where_time_only_jumps_nobody_looks_at_the_clock():
    await asyncio.wait_for(keep_time(Log(EPOCH), SuiteClock(seed=1, epoch=EPOCH)), 0.1)


def late(seen: Seen) -> Iterator[Violation]:
    yield Violation(want="soon", got="late")


def judged(*gaps: Gap, timing: Timing | AgentTiming = TIMING) -> Verdict:
    tale = Tale().mark(0 if isinstance(timing, AgentTiming) else 10, "it begins")
    tale.gaps = list(gaps)
    case = Case(("M-NR-01",), play("scene", nothing))
    seen = attrs.evolve(tale.seen(60), timing=timing)
    return judge(late, case, seen, catalogue.load()).verdict


def test_what_came_late_while_the_suite_stood_still_is_no_failure():
    assert judged() is Verdict.FAIL
    assert judged(Gap(20, 20.3, SUITE, "too little to matter", lossy=False)) is Verdict.FAIL
    assert judged(Gap(5, 9, SUITE, "before the scenario began", lossy=False)) is Verdict.FAIL
    assert judged(Gap(20, 23, SUITE, "a pause", lossy=False)) is Verdict.SUITE_ERROR


def test_an_agent_is_short_of_time_when_all_start_and_that_explains_nothing():
    timing = AgentTiming()
    start = timing.registered().latest
    assert judged(Gap(1, start - 1, AGENT, "all start", lossy=False), timing=timing) is Verdict.FAIL
    assert judged(Gap(1, start + 1, AGENT, "all start", lossy=False), timing=timing) is Verdict.SUITE_ERROR
