"""A whole run against the reference: concurrent, repeatable, and honest about its cases and its own health."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from conformance.collect import Entry
from conformance.drive.scenarios.master.silence import silence
from conformance.drive.stage import Stage
from conformance.judge.seen import Seen
from conformance.kinds import NODE, Kind
from conformance.record import files
from conformance.runner.run import run
from conformance.runner.session import Session
from conformance.scenario import Case
from conformance.verdict import NotExercised, SuiteError, Unsupported, Verdict, Violation
from conformance.wire import NoAnswer, Stream
from fixtures.inprocess import InProcessWire
from fixtures.reference import ReferenceTarget
from refimpl.cluster import ClusterConfig
from tests.conformance.runs import SLICE, entry, nothing, play
from tests.conformance.wires import Bad

# What a run is


def test_the_reference_passes():
    report = run(ReferenceTarget(), entries=SLICE, seed=3)
    assert {result.verdict for result in report.results} == {Verdict.PASS}, [r.explanation for r in report.results]


def test_only_the_scenarios_that_are_read_are_played():
    played: list[str] = []

    async def first(stage: Stage) -> None:
        played.append("first")

    async def second(stage: Stage) -> None:
        played.append("second")

    entries = [
        entry(play("first", first)),
        Entry("x.py::other", lambda seen: None, Case(("M-NR-01",), play("second", second))),
    ]
    run(ReferenceTarget(), ["M-NR-01"], entries=entries)
    assert played == ["second"]


def test_scenarios_play_at_the_same_time_and_a_case_waits_only_for_its_own():
    ends: dict[str, float] = {}

    def lasting(name: str, seconds: float) -> Entry:
        async def act(stage: Stage) -> None:
            await stage.hold(seconds)
            ends[name] = stage.clock.monotonic()

        return entry(play(name, act, longest=seconds), name=name)

    seen: list[list[str]] = []
    entries = [lasting("short", 5), lasting("long", 60)]
    entries[0] = attrs.evolve(entries[0], function=lambda _: seen.append(sorted(ends)))
    run(ReferenceTarget(), entries=entries)
    assert seen == [["short"]]
    assert ends["long"] - ends["short"] == pytest.approx(55, abs=1)


def test_one_seed_gives_one_history_byte_for_byte():
    def told() -> list[str]:
        async def once() -> list[str]:
            session = Session(ReferenceTarget(), seed=11)
            await session.open([silence])
            await session.play([silence])
            await session.seen(silence)
            history = session.history()
            await session.close()
            return list(files.lines(history))

        with asyncio.Runner(loop_factory=ReferenceTarget().new_loop) as runner:
            return runner.run(once())

    assert told() == told()


def test_settings_reach_target_and_suite_alike():
    report = run(ReferenceTarget({"node_monitor_grace_period": 16}), ["M-HB-03"])
    assert report.timing["node_monitor_grace_period"] == 16
    assert report.counts() == {Verdict.PASS: len(report.results)}


# What becomes of cases


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (Violation(want="a", got="b"), Verdict.FAIL),
        (Violation(want="a", got="b", level="SHOULD"), Verdict.WARNING),
        (NotExercised("never"), Verdict.NOT_EXERCISED),
        (Unsupported("not claimed"), Verdict.UNSUPPORTED),
        (SuiteError("ours"), Verdict.SUITE_ERROR),
        (KeyError("bug"), Verdict.SUITE_ERROR),
    ],
)
def test_what_a_case_raises_becomes_its_verdict(raised: Exception, expected: Verdict):
    def judge(seen: Seen) -> None:
        raise raised

    report = run(ReferenceTarget(), entries=[entry(play("quiet", nothing), judge)])
    assert [result.verdict for result in report.results] == [expected]


def test_a_case_may_yield_several_violations():
    def judge(seen: Seen) -> Any:
        yield Violation(want="a", got="b")
        yield Violation(want="c", got="d")

    report = run(ReferenceTarget(), entries=[entry(play("quiet", nothing), judge)])
    assert [finding.want for finding in report.results[0].judgement.findings] == ["a", "c"]


def test_a_broken_scenario_is_the_suite_s_error_and_harms_no_other():
    async def broken(stage: Stage) -> None:
        raise KeyError("bug")

    report = run(
        ReferenceTarget(), entries=[entry(play("broken", broken)), entry(play("quiet", nothing), name="other")]
    )
    assert [result.verdict for result in report.results] == [Verdict.SUITE_ERROR, Verdict.PASS]
    assert "KeyError" in report.results[0].explanation


def test_a_refusal_in_a_scenario_is_no_failure_of_its_cases():
    async def refused(stage: Stage) -> None:
        await stage.create(NODE, {"metadata": {"name": "Not A Name"}})

    report = run(ReferenceTarget(), entries=[entry(play("refused", refused))])
    assert [result.verdict for result in report.results] == [Verdict.SUITE_ERROR]
    assert "422" in report.results[0].explanation


def test_an_endless_scenario_is_stopped():
    async def endless(stage: Stage) -> None:
        await stage.hold(1e9)

    report = run(ReferenceTarget(), entries=[entry(play("endless", endless, longest=5))])
    assert "did not end within" in report.results[0].judgement.findings[0].got


def test_what_the_target_does_not_serve_is_unsupported():
    alien = Kind("Alien", "space.example/v1", "aliens")
    report = run(ReferenceTarget(), entries=[entry(play("alien", nothing, needs=(alien,)))])
    assert [result.verdict for result in report.results] == [Verdict.UNSUPPORTED]


def test_a_requirement_of_another_era_is_unsupported():
    report = run(
        ReferenceTarget(), entries=[Entry("x.py::y", lambda seen: None, Case(("M-LEG-01",), play("q", nothing)))]
    )
    assert [result.verdict for result in report.results] == [Verdict.UNSUPPORTED]


# The suite's own health


def test_a_suite_that_stalls_says_so_and_judges_nothing():
    """Heartbeats take longer than half the grace period: what the master makes of it proves nothing."""
    stalled: list[bool] = []

    def decide(method: str, target: str) -> object:
        beat = target.endswith("/status") or "/leases/" in target
        return NoAnswer("stuck") if beat and stalled else None

    async def act(stage: Stage) -> None:
        await stage.node("n")
        await stage.hold(30)
        stalled.append(True)
        await stage.hold(40)

    target = ReferenceTarget(wire=lambda cluster: Bad(InProcessWire(cluster.server.handle), decide))
    report = run(target, entries=[entry(play("stall", act, longest=80))])
    assert [result.verdict for result in report.results] == [Verdict.SUITE_ERROR]
    assert "suite stalled" in report.results[0].explanation


def test_a_violation_seen_through_a_blind_watch_is_no_failure():
    def judge(seen: Seen) -> None:
        raise Violation(want="a", got="b")

    async def act(stage: Stage) -> None:
        stage.mark("begun")
        await stage.node("n")
        await stage.hold(30)

    class Blind(InProcessWire):
        """Every position in the history has expired."""

        @asynccontextmanager
        async def stream(self, target: str, headers: Any) -> AsyncIterator[Stream]:
            async def gone() -> AsyncIterator[bytes]:
                await asyncio.sleep(2)
                yield b'{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}'

            yield Stream(200, gone())

    target = ReferenceTarget(wire=lambda cluster: Blind(cluster.server.handle))
    report = run(target, entries=[entry(play("blind", act, longest=40), judge)])
    assert [result.verdict for result in report.results] == [Verdict.SUITE_ERROR]
    assert "blind" in report.results[0].explanation


# Wrong masters


def test_without_controllers_only_the_timeout_fails_and_nothing_that_follows_is_exercised():
    report = run(ReferenceTarget(config=ClusterConfig(controllers=None)), entries=SLICE)
    assert report.failed() == {"M-HB-03"}
    assert set(report.counts()) == {Verdict.FAIL, Verdict.NOT_EXERCISED, Verdict.UNSUPPORTED}
    assert report.exit_code() == 1


def test_without_scheduler_nothing_that_needs_one_is_green():
    report = run(ReferenceTarget(config=ClusterConfig(scheduler=None)), ["M-XF-01", "M-HB-03"], entries=SLICE)
    assert report.counts() == {Verdict.PASS: 1, Verdict.NOT_EXERCISED: 1}
    assert report.exit_code() == 6
