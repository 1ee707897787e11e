"""The driver of the reference kubelet does to it what scenarios ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from conformance import catalogue
from conformance.collect import Entry
from conformance.drive.agent import AgentStage
from conformance.drive.containers import pause
from conformance.driver import AgentOptions, Disturbance
from conformance.judge.agent import AgentSeen
from conformance.kinds import LEASE, NODE
from conformance.runner.run import run
from conformance.scenario import Case, agent_scenario
from conformance.verdict import Unsupported, Verdict
from fixtures.reference_agent import FreezableClock, ReferenceAgentTarget, configured
from refimpl.kubelet.config import KubeletConfig
from refimpl.kubelet.era import EraName


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


def test_settings_of_a_file_reach_the_kubelet() -> None:
    config = configured(KubeletConfig(), AgentOptions("n", config={"nodeStatusUpdateFrequency": "4s", "maxPods": "7"}))
    assert (config.node_status_report_frequency, config.max_pods) == (4.0, 7)


def test_devices_come_and_go_and_resources_are_withheld() -> None:
    async def act(stage: AgentStage) -> None:
        await stage.driver.withhold("ephemeral-storage", on=True)
        await stage.start()
        await stage.hold(20)
        stage.mark("withheld", node=stage.node)
        await stage.driver.withhold("ephemeral-storage", on=False)
        await stage.driver.devices("conformance.test/device", 3, 1)
        await stage.hold(20)
        stage.mark("there", node=stage.node)
        await stage.driver.devices("conformance.test/device", 0, plugin=False)
        await stage.hold(20)

    seen = seen_of(act)
    withheld, there, last = seen.mark("withheld").facts["node"], seen.mark("there").facts["node"], seen.node.last
    device = [(node or {})["status"]["capacity"].get("conformance.test/device") for node in (withheld, there, last)]
    assert device == [None, "4", "0"]
    assert [("ephemeral-storage" in node["status"]["capacity"]) for node in (withheld, there)] == [False, True]


def test_containers_are_listed_and_ended() -> None:
    async def act(stage: AgentStage) -> None:
        await stage.start()
        await stage.settled()
        pod = await stage.pod("web", {"containers": [pause("c1")], "restartPolicy": "Never"})
        await stage.hold(10)
        listed = [await stage.driver.containers()]
        await stage.driver.exit_container(pod["metadata"]["uid"], "c1", 3)
        await stage.hold(1)
        stage.mark("listed", uid=pod["metadata"]["uid"], listed=[*listed, await stage.driver.containers()])

    facts = seen_of(act).mark("listed").facts
    states = [[(each["name"], each["state"]) for each in listed] for listed in facts["listed"]]
    assert states == [[("c1", "running")], [("c1", "exited")]]
    assert {each["pod_uid"] for listed in facts["listed"] for each in listed} == {facts["uid"]}


def test_an_agent_that_refuses_its_settings_is_not_alive() -> None:
    async def act(stage: AgentStage) -> None:
        await stage.start(more={"kube-reserved": "memory=10000Gi"})
        stage.mark("started", alive=stage.driver.is_alive(), logs=await stage.driver.logs())

    facts = seen_of(act).mark("started").facts
    assert (facts["alive"], "invalid Node Allocatable configuration" in facts["logs"]) == (False, True)


def test_a_master_can_embellish_its_answers() -> None:
    async def act(stage: AgentStage) -> None:
        stage.disturb(Disturbance("embellish", "GET"))
        await stage.start()
        await stage.settled()
        stage.mark("settled", ready=stage.is_ready())

    seen = seen_of(act)
    assert seen.mark("settled").facts["ready"]
    assert any("conformanceSuite" in x.response for x in seen.requests("GET", ".*"))


@pytest.mark.parametrize("era", ["1.20", "1.5"])
def test_kubelets_of_old_keep_the_rules_of_their_time(era: EraName) -> None:
    ids = [name for name in catalogue.load().requirements if name.startswith("N-")]
    report = run(ReferenceAgentTarget(config=KubeletConfig(era=era)), ids, side="node", seed=1)
    wrong = [result for result in report.results if result.verdict not in (Verdict.PASS, Verdict.UNSUPPORTED)]
    assert [(result.case, result.judgement) for result in wrong] == []


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
