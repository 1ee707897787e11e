"""The other side: the suite is the master, writes down what the agent sends, and plays tricks on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from conformance.agent_timing import AgentTiming
from conformance.clock import SuiteClock
from conformance.collect import Entry
from conformance.drive.agent import AgentStage
from conformance.driver import Disturbance
from conformance.judge.agent import AgentSeen, sent_body
from conformance.kinds import LEASE, NODE
from conformance.record.history import AGENT, Exchange
from conformance.report.results import Report
from conformance.runner.run import run
from conformance.scenario import Case, Scenario, agent_scenario
from conformance.verdict import Verdict
from fixtures.recording import RecordingMaster
from fixtures.reference_agent import ReferenceAgentTarget
from refimpl.api.http import Request, Response
from refimpl.client.transport import Unreachable
from tests.conformance.tales import EPOCH


def play(act: Callable[[AgentStage], Any], **more: Any) -> Scenario:
    return attrs.evolve(agent_scenario(watches=(NODE, LEASE), longest=lambda timing: 60)(act), name="scene", **more)


def ran(scene: Scenario, judge: Callable[[AgentSeen], Any] = lambda seen: None) -> Report:
    return run(ReferenceAgentTarget(), entries=[Entry("x.py::y", judge, Case(("N-LSE-04",), scene))], side="node")


# The recording master


async def answer(request: Request) -> Response:
    """A server that says yes."""
    if request.path == "/stream":

        async def lines() -> Any:
            yield b"one\n"
            await asyncio.sleep(100)
            yield b"two\n"

        return Response(200, lines())
    return Response(200, b'{"ok": true}')


def master(notes: list[Exchange] | None = None) -> RecordingMaster:
    found: list[Exchange] = notes if notes is not None else []
    return RecordingMaster(answer, SuiteClock(seed=1, epoch=EPOCH), found.append, "http://master.invalid")


async def test_every_request_of_the_agent_is_written_down():
    notes: list[Exchange] = []
    headers = {"content-type": "application/json", "authorization": "Bearer secret"}
    await master(notes).handle(Request("PUT", "/x", (("a", "b c"),), headers, b'{"n": 1}'))
    (noted,) = notes
    assert (noted.who, noted.method, noted.path, noted.status) == (AGENT, "PUT", "/x?a=b+c", 200)
    assert (sent_body(noted), noted.response) == ({"n": 1}, '{"ok": true}')
    assert noted.headers == {"content-type": "application/json"}


async def test_the_suite_s_own_way_in_is_neither_written_down_nor_disturbed():
    notes: list[Exchange] = []
    its = master(notes)
    its.disturb(Disturbance("refuse"))
    reply = await its.new_wire().send("GET", "/x", {}, b"")
    assert (reply.status, notes) == (200, [])


@pytest.mark.parametrize(
    ("disturbance", "method", "path", "hit"),
    [
        (Disturbance("status"), "GET", "/x", True),
        (Disturbance("status", method="PUT"), "GET", "/x", False),
        (Disturbance("status", path="/y"), "GET", "/x", False),
        (Disturbance("status", path=r"/x.*/z"), "GET", "/x/y/z", True),
    ],
)
async def test_a_disturbance_hits_what_it_names(disturbance: Disturbance, method: str, path: str, hit: bool):
    its = master()
    its.disturb(disturbance)
    assert (await its.handle(Request(method, path))).status == (503 if hit else 200)


async def test_a_disturbance_ends_when_it_is_lifted_or_used_up():
    its = master()
    lift = its.disturb(Disturbance("status", status=429))
    assert (await its.handle(Request("GET", "/x"))).status == 429
    lift()
    its.disturb(Disturbance("status", times=1))
    assert [(await its.handle(Request("GET", "/x"))).status for _ in range(2)] == [503, 200]


@pytest.mark.parametrize("kind", ["refuse", "drop", "hang"])
async def test_connections_can_be_refused_dropped_or_left_hanging(kind: str):
    notes: list[Exchange] = []
    its = master(notes)
    its.disturb(Disturbance(kind, seconds=30))
    with pytest.raises(Unreachable):
        await its.handle(Request("GET", "/x"))
    assert notes[0].status == 0
    assert (notes[0].answered - notes[0].sent > 29) is (kind == "hang")


async def test_an_answer_can_be_late():
    its = master()
    its.disturb(Disturbance("delay", seconds=5))
    began = asyncio.get_running_loop().time()
    await its.handle(Request("GET", "/x"))
    assert asyncio.get_running_loop().time() - began == pytest.approx(5)


async def test_an_outage_cuts_the_streams_that_are_open():
    its = master()
    body = (await its.handle(Request("GET", "/stream"))).body
    assert not isinstance(body, bytes)
    assert await anext(body) == b"one\n"
    its.disturb(Disturbance("refuse"))
    with pytest.raises(Unreachable, match="cut"):
        await anext(body)


# Whole scenarios


def test_an_agent_s_requests_and_objects_are_seen_together():
    async def act(stage: AgentStage) -> None:
        await stage.start(labels={"a": "b"})
        await stage.until(lambda: stage.node, within=stage.timing.registered().latest)

    seen: list[AgentSeen] = []
    ran(play(act), seen.append)
    (its,) = seen
    (post,) = its.requests("POST", "/api/v1/nodes")
    assert sent_body(post)["metadata"]["name"] == its.node_name
    assert its.node.events[0].after is not None
    assert its.node.events[0].after["metadata"]["labels"]["a"] == "b"


def test_an_outage_reaches_the_agent_and_ends():
    async def act(stage: AgentStage) -> None:
        await stage.start()
        await stage.until(lambda: stage.lease, within=stage.timing.lease_created().latest)
        heal = stage.disturb(Disturbance("refuse"))
        await stage.hold(30)
        heal()
        await stage.until_request(lambda x: x.method == "PUT" and x.status == 200, within=60)

    def judge(seen: AgentSeen) -> None:
        cut, healed = seen.mark("master disturbed: refuse"), seen.mark("master healed")
        statuses = {x.status for x in seen.history.exchanges if x.who == AGENT and cut.at < x.sent < healed.at}
        assert statuses == {0}
        assert any(x.sent > healed.at and x.status == 200 for x in seen.requests("PUT", seen.lease_path()))

    report = ran(play(act), judge)
    assert report.counts() == {Verdict.PASS: 1}, report.results[0].explanation


def test_a_restarted_agent_goes_on():
    async def act(stage: AgentStage) -> None:
        await stage.start()
        await stage.until(lambda: stage.lease, within=stage.timing.lease_created().latest)
        await stage.driver.stop(kill=True)
        assert not stage.driver.is_alive()
        await stage.driver.restart()
        await stage.until_request(lambda x: x.method == "PUT", within=60)

    assert ran(play(act)).counts() == {Verdict.PASS: 1}


def test_what_the_driver_does_not_declare_is_unsupported():
    async def act(stage: AgentStage) -> None:
        await stage.start()

    assert ran(play(act, abilities=("reregisters_after_delete",))).counts() == {Verdict.UNSUPPORTED: 1}


def test_what_the_driver_cannot_do_is_unsupported_even_when_a_scenario_forgot_to_ask():
    async def act(stage: AgentStage) -> None:
        await stage.driver.pressure("pid", on=True)

    assert ran(play(act)).counts() == {Verdict.UNSUPPORTED: 1}


def test_every_scenario_has_a_master_of_its_own():
    async def act(stage: AgentStage) -> None:
        await stage.start()
        await stage.until(lambda: stage.node, within=60)

    names: list[list[str]] = []

    def judge(seen: AgentSeen) -> None:
        names.append([story.name for story in seen.history.stories("Node")])

    scenes = [attrs.evolve(play(act), name=name) for name in ("one", "two")]
    entries = [Entry(f"x.py::{scene.name}", judge, Case(("N-LSE-04",), scene)) for scene in scenes]
    run(ReferenceAgentTarget(), entries=entries, side="node")
    assert [len(found) for found in names] == [1, 1]
    assert names[0] != names[1]


def test_settings_reach_agent_and_suite_alike():
    async def act(stage: AgentStage) -> None:
        await stage.start()
        await stage.hold(30)

    def judge(seen: AgentSeen) -> None:
        renewals = [x.sent for x in seen.requests("PUT", seen.lease_path())]
        assert renewals[1] - renewals[0] == pytest.approx(2, abs=0.2)
        assert seen.timing.renew_interval == 2

    target = ReferenceAgentTarget({"node_lease_duration_seconds": 8})
    entries = [Entry("x.py::y", judge, Case(("N-LSE-04",), play(act)))]
    report = run(target, entries=entries, side="node")
    assert report.counts() == {Verdict.PASS: 1}, report.results[0].explanation


def test_the_windows_of_an_agent_follow_from_its_settings():
    timing = AgentTiming(node_lease_duration_seconds=8, slack=1, jitter=0.04)
    assert timing.renew_interval == 2
    assert 2.04 in timing.renewal()
    assert 4 not in timing.renewal()
