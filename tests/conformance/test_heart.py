"""A simulated node's heart beats steadily, whatever the answers do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import attrs

from conformance.collect import Entry
from conformance.drive.stage import Stage
from conformance.judge.seen import Seen
from conformance.kinds import NODE
from conformance.record.history import Beat
from conformance.runner.run import run
from conformance.scenario import Case, scenario
from conformance.verdict import Verdict
from fixtures.inprocess import InProcessWire
from fixtures.reference import ReferenceTarget
from refimpl.cluster import Cluster

INTERVAL = 10.0


class Slow(InProcessWire):
    """Status writes take their time."""

    async def send(self, method: str, target: str, headers: Any, content: bytes) -> Any:
        if target.endswith("/status"):
            await asyncio.sleep(15)
        return await super().send(method, target, headers, content)


def beats(act: Callable[[Stage], Any], wire: Callable[[Cluster], Any] | None = None) -> tuple[Beat, ...]:
    """The beats of a scenario; grace period 50 s, so one every 10 s."""
    found: list[Seen] = []
    made = attrs.evolve(scenario(watches=(NODE,), longest=lambda timing: 300)(act), name="scene")
    report = run(ReferenceTarget(wire=wire), entries=[Entry("x.py::y", found.append, Case(("M-HB-03",), made))])
    assert report.counts() == {Verdict.PASS: 1}, report.results[0].explanation
    return found[0].history.beats


async def alive(stage: Stage) -> None:
    await stage.node("n")
    await stage.hold(65)


def test_signals_take_turns_at_a_steady_pace():
    told = beats(alive)
    assert [beat.signal for beat in told] == ["status", "lease"] * 3
    assert [round(beat.sent - told[0].sent) for beat in told] == [0, 10, 20, 30, 40, 50]


def test_a_single_signal_comes_as_often():
    async def act(stage: Stage) -> None:
        await stage.node("n", beats=("lease",))
        await stage.hold(65)

    assert [beat.signal for beat in beats(act)] == ["lease"] * 6


def test_a_slow_answer_holds_up_no_other_signal():
    told = [beat for beat in beats(alive, lambda cluster: Slow(cluster.server.handle)) if beat.signal == "lease"]
    assert [round(beat.sent - told[0].sent) for beat in told] == [0, 20, 40]


def test_a_silence_begins_when_the_last_beat_has_landed():
    moments: list[float] = []

    async def act(stage: Stage) -> None:
        node = await stage.node("n")
        await stage.hold(11)
        await node.fall_silent()
        moments.append(stage.clock.moment())
        await stage.hold(100)

    (beat,) = beats(act, lambda cluster: Slow(cluster.server.handle))
    assert beat.ok
    assert beat.answered < moments[0]
