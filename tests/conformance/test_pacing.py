"""What the scenarios of a run ask of a target's controllers is spread, and what needs darkness is played alone."""

from __future__ import annotations

import asyncio

import attrs

from conformance.clock import SuiteClock
from conformance.collect import Entry
from conformance.drive.pacer import Pacer
from conformance.drive.stage import Stage
from conformance.kinds import NODE
from conformance.runner.run import run
from conformance.scenario import Case, Scenario, imposed, scenario
from conformance.timing import Timing
from conformance.verdict import Verdict
from fixtures.reference import ReferenceTarget
from refimpl.clock import VIRTUAL_EPOCH


async def test_a_burst_is_let_through_and_then_a_steady_rate():
    loop = asyncio.get_running_loop()
    pacer = Pacer(SuiteClock(seed=1, epoch=VIRTUAL_EPOCH), qps=20)
    await asyncio.sleep(10)
    began, moments = loop.time(), []
    for _ in range(30):
        await pacer.wait(3)
        moments.append(loop.time() - began)
    assert moments[:4] == [0] * 4
    assert 9 * (moments[-1] + 1) + 2 * 3 >= 30 * 3


async def test_who_asks_first_goes_first():
    pacer = Pacer(SuiteClock(seed=1, epoch=VIRTUAL_EPOCH), qps=20)
    done: list[int] = []

    async def ask(number: int) -> None:
        await pacer.wait(7)
        done.append(number)

    await asyncio.gather(*(ask(number) for number in range(20)))
    assert done == list(range(20))


def lasting(seconds: float, *, alone: bool = False) -> Scenario:
    @scenario(watches=(NODE,), longest=lambda _timing: seconds, alone=alone)
    async def lasts(stage: Stage) -> None:
        """Lasts."""

    return lasts


def test_settings_impose_the_longest_wait_and_those_alone():
    scenarios = [lasting(10), lasting(30), lasting(7, alone=True), lasting(5, alone=True)]
    assert imposed(scenarios, Timing()) == 30 + 7 + 5
    assert imposed([], Timing()) == 0


def entries(*scenes: tuple[str, Scenario]) -> list[Entry]:
    return [
        Entry(f"x.py::{name}", lambda seen: None, Case(("M-HB-03",), attrs.evolve(scene, name=name)))
        for name, scene in scenes
    ]


def test_alone_means_after_all_others_and_with_their_nodes_gone():
    told: list[str] = []

    @scenario(watches=(NODE,), longest=lambda _timing: 100)
    async def crowd(stage: Stage) -> None:
        """Registers nodes and stays a while."""
        await stage.nodes("one", "two")
        await stage.hold(60)
        told.append("crowd over")

    @scenario(watches=(NODE,), longest=lambda _timing: 100, alone=True)
    async def hermit(stage: Stage) -> None:
        """Looks around."""
        nodes = (await stage.client.get(NODE.path()))["items"]
        told.append(f"hermit sees {len(nodes)}")

    report = run(ReferenceTarget(), entries=entries(("hermit", hermit), ("crowd", crowd)), seed=1)
    assert told == ["crowd over", "hermit sees 0"]
    assert {result.verdict for result in report.results} == {Verdict.PASS}
    assert not report.left_behind


class Inhabited(ReferenceTarget):
    """A target with a node of its own."""

    def open(self, seed: int):
        from contextlib import asynccontextmanager

        @asynccontextmanager
        async def opened():
            async with super(Inhabited, self).open(seed) as connection:
                wire = connection.new_wire()
                body = b'{"apiVersion":"v1","kind":"Node","metadata":{"name":"real"}}'
                await wire.send("POST", NODE.path(), {"Content-Type": "application/json"}, body)
                yield connection

        return opened()


def test_where_other_nodes_are_nothing_is_played_alone():
    report = run(Inhabited(), entries=entries(("hermit", lasting(5, alone=True))), seed=1)
    [result] = report.results
    assert result.verdict is Verdict.UNSUPPORTED
    assert "there is real" in result.judgement.findings[0].got


async def test_the_most_urgent_goes_first_whenever_it_asks():
    pacer = Pacer(SuiteClock(seed=1, epoch=VIRTUAL_EPOCH), qps=20)
    done: list[float] = []

    async def ask(urgency: float, after: float) -> None:
        await asyncio.sleep(after)
        await pacer.wait(9, urgency)
        done.append(urgency)

    await asyncio.gather(ask(1, 0), ask(1, 0), ask(1, 0), ask(1, 0), ask(2, 1.5))
    assert done == [1, 1, 2, 1, 1]


async def test_one_that_gives_up_keeps_nobody_waiting():
    pacer = Pacer(SuiteClock(seed=1, epoch=VIRTUAL_EPOCH), qps=20)
    await pacer.wait(90)
    first, second = (asyncio.create_task(pacer.wait(1)) for _ in range(2))
    await asyncio.sleep(1)
    first.cancel()
    await asyncio.wait_for(second, 20)
