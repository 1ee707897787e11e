"""The driver of the reference kubelet does to it what scenarios ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from conformance.collect import Entry
from conformance.drive.agent import AgentStage
from conformance.driver import AgentOptions
from conformance.judge.agent import AgentSeen
from conformance.kinds import LEASE, NODE
from conformance.run import run
from conformance.scenario import Case, agent_scenario
from conformance.verdict import Unsupported, Verdict
from fixtures.reference_agent import FreezableClock, ReferenceAgentTarget, configured
from refimpl.kubelet.config import KubeletConfig


def seen_of(act: Callable[[AgentStage], Any]) -> AgentSeen:
    """What a scenario that may last long leaves behind."""
    kept: list[AgentSeen] = []
    scene = attrs.evolve(agent_scenario(watches=(NODE, LEASE), longest=lambda timing: 300)(act), name="scene")
    report = run(
        ReferenceAgentTarget(), entries=[Entry("x.py::y", kept.append, Case(("N-LSE-04",), scene))], side="node"
    )
    assert [result.verdict for result in report.results] == [Verdict.PASS]
    return kept[0]


async def test_a_frozen_clock_holds_its_sleepers_up() -> None:
    clock = FreezableClock.virtual()
    clock.thawed.clear()
    sleeper = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(5)
    assert not sleeper.done()
    clock.thawed.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sleeper.done()


def test_a_paused_agent_sends_nothing() -> None:
    async def act(stage: AgentStage) -> None:
        await stage.start()
        await stage.settled()
        await stage.driver.pause()
        stage.mark("frozen")
        await stage.hold(60)
        stage.mark("resumed")
        await stage.driver.resume()
        await stage.hold(5)

    seen = seen_of(act)
    frozen, resumed = seen.mark("frozen").at, seen.mark("resumed").at
    sent = [x.sent for x in seen.requests("GET|PUT|PATCH|POST", ".*")]
    assert not [at for at in sent if frozen < at < resumed]
    assert [at for at in sent if at > resumed]


def test_flags_reach_the_kubelet_in_their_types() -> None:
    more = {"max-pods": "7", "kube-reserved": "cpu=1,memory=1Gi", "eviction-soft": "a<1,b<2"}
    config = configured(KubeletConfig(), AgentOptions("n", more={**more, "eviction-pressure-transition-period": "20s"}))
    assert (config.max_pods, config.kube_reserved) == (7, {"cpu": "1", "memory": "1Gi"})
    assert (config.eviction_soft, config.eviction_pressure_transition_period) == (("a<1", "b<2"), 20.0)


def test_scarce_memory_is_pressure_and_scarce_process_ids_cannot_be_had() -> None:
    async def act(stage: AgentStage) -> None:
        await stage.start()
        await stage.settled()
        with pytest.raises(Unsupported):
            await stage.driver.pressure("pid", on=True)
        await stage.driver.pressure("memory", on=True)
        await stage.hold(25)

    conditions = (seen_of(act).node.last or {})["status"]["conditions"]
    assert {"MemoryPressure": "True"}.items() <= {each["type"]: each["status"] for each in conditions}.items()
