"""A bad network never makes a good master fail, and a whole run gets through it."""

from __future__ import annotations

import asyncio

import pytest

from conformance.report.results import Report
from conformance.runner.run import run
from conformance.verdict import Verdict
from fixtures.inprocess import InProcessWire
from fixtures.reference import ReferenceTarget
from tests.conformance.faulty import Faulty, Weather, every_kind
from tests.conformance.runs import SLICE
from tests.conformance.test_wrong_masters import ENTRIES

KINDS = dict(every_kind())


def through(weather: Weather, entries: object, seed: int = 5) -> Report:
    target = ReferenceTarget(wire=lambda cluster: Faulty(InProcessWire(cluster.server.handle), weather))
    report = run(target, entries=entries, seed=seed)  # type: ignore[arg-type]
    wrong = [r.explanation for r in report.results if r.verdict in (Verdict.FAIL, Verdict.WARNING)]
    assert not wrong, wrong[0]
    assert report.left_behind == ()
    return report


@pytest.mark.parametrize("kind", [kind for kind, weather in KINDS.items() if not weather.down])
def test_every_trouble_alone_is_got_over(kind: str):
    weather = KINDS[kind]
    report = through(weather, SLICE)
    assert weather.happened or weather.slow
    assert report.counts() == {Verdict.PASS: len(SLICE)}


@pytest.mark.parametrize("kind", ["is slow", "restarts", "is wretched"])
def test_a_whole_run_gets_through_the_worst(kind: str):
    report = through(KINDS[kind], ENTRIES)
    judged = report.counts()[Verdict.PASS]
    assert judged > len(ENTRIES) * 0.8, report.counts()


def test_an_outage_that_is_longer_than_heartbeats_may_be_apart_voids_what_it_touches():
    report = through(Weather(down=((40, 70),)), SLICE)
    assert set(report.counts()) <= {Verdict.SUITE_ERROR, Verdict.UNSUPPORTED}
    assert report.exit_code() == 7


@pytest.mark.parametrize("at", [0.0, 0.3])
def test_a_master_that_comes_up_only_now_is_waited_for(at: float):
    report = through(Weather(down=((at, at + 1.2),)), SLICE)
    assert Verdict.PASS in report.counts()


def test_a_watch_that_has_died_without_a_sign_is_noticed():
    """Somebody between suite and master has forgotten the connection: nothing comes, and nothing breaks."""

    class Forgetful(InProcessWire):
        forgotten = 0

        def stream(self, target, headers):  # type: ignore[no-untyped-def]
            if asyncio.get_running_loop().time() > 30 or "nodes" not in target:
                return super().stream(target, headers)
            Forgetful.forgotten += 1
            return Faulty(self, Weather()).mute()

    target = ReferenceTarget(wire=lambda cluster: Forgetful(cluster.server.handle))
    report = run(target, entries=SLICE)
    assert Forgetful.forgotten
    assert set(report.counts()) == {Verdict.SUITE_ERROR}
    assert "the watch on Node is blind" in report.results[0].judgement.findings[0].got
