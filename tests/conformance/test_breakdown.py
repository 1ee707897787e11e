"""A target that breaks down in the middle ends the run at once, and says what broke."""

from __future__ import annotations

import asyncio
from unittest.mock import patch

import pytest

from conformance.runner.run import run
from conformance.target import TargetError
from conformance.verdict import Verdict
from fixtures.inprocess import InProcessWire
from fixtures.reference import ReferenceTarget
from refimpl.api.resources import NODES
from refimpl.apiserver.server import ApiServer
from refimpl.controllers.runner import ControllerManager
from refimpl.scheduler import Scheduler
from tests.conformance.runs import SLICE

CORE = [entry for entry in SLICE if entry.case.ids[0].startswith("M-NR-")]


def failing(after: float):
    async def fail(self: object) -> None:
        await asyncio.sleep(after)
        raise RuntimeError("a cable was pulled")

    return fail


@pytest.mark.parametrize("component", [ControllerManager, Scheduler])
@pytest.mark.parametrize("after", [0, 30])
def test_a_component_that_fails_ends_the_run_as_a_suite_error(component: type, after: float):
    with patch.object(component, "run", failing(after)):
        report = run(ReferenceTarget(), entries=CORE)
    assert set(report.counts()) == {Verdict.SUITE_ERROR}
    assert "the target itself broke down: " in report.results[0].judgement.findings[0].got
    assert "RuntimeError: a cable was pulled" in report.results[0].judgement.findings[0].got
    assert report.exit_code() == 7
    assert report.left_behind == ()


def test_a_target_that_breaks_down_when_all_is_judged_still_is_not_green():
    async def fail_at_the_end(self: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("a cable was pulled")

    with patch.object(Scheduler, "run", fail_at_the_end):
        report = run(ReferenceTarget(), ["M-HB-03"], entries=SLICE)
    assert report.counts() == {Verdict.PASS: 1}
    assert "a cable was pulled" in report.fault
    assert report.exit_code() == 7


def test_components_that_never_come_to_rest_do_not_hold_up_the_run():
    """In virtual time they would write for ever at one instant."""

    async def ask_for_ever(self: Scheduler) -> None:
        await asyncio.sleep(30)
        while True:
            await self._client.list(NODES)

    with patch.object(Scheduler, "run", ask_for_ever):
        report = run(ReferenceTarget(), entries=CORE)
    assert set(report.counts()) == {Verdict.SUITE_ERROR}
    assert "never come to rest" in report.fault


def test_a_target_that_does_not_start_cannot_be_tested():
    async def fail(self: object) -> None:
        raise RuntimeError("a cable was pulled")

    with (
        patch.object(ApiServer, "start", fail),
        pytest.raises(TargetError, match=r"could not be started: .*a cable was pulled"),
    ):
        run(ReferenceTarget(), ["M-HB-03"])


def test_a_server_that_stops_answering_does_not_hold_up_the_run():
    class Mute(InProcessWire):
        """Answers what it is asked in the first minute."""

        async def send(self, *request, **more):
            if asyncio.get_running_loop().time() > 60:
                await asyncio.Event().wait()
            return await super().send(*request, **more)

    report = run(ReferenceTarget(wire=lambda cluster: Mute(cluster.server.handle)), entries=SLICE)
    assert set(report.counts()) == {Verdict.SUITE_ERROR}
    assert report.left_behind
