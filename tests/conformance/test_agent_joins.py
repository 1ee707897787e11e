"""An agent joins the master under test and plays the node that is lost: honest beats, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml

from conformance.collect import collect
from conformance.drive.guest import GuestNode
from conformance.drive.scenarios.master.transfer import transfer
from conformance.drive.stage import Stage
from conformance.driver import Guest
from conformance.judge import conditions
from conformance.judge.seen import Seen
from conformance.kinds import LEASE, NODE
from conformance.naming import ROLE_LABEL
from conformance.report.results import Report
from conformance.runner.run import run
from conformance.runner.session import Session
from conformance.scenario import Scenario
from conformance.target import Connection
from conformance.verdict import Verdict
from fixtures import kubeconfig
from fixtures.joined import GivenAccess
from fixtures.reference import ReferenceTarget
from fixtures.reference_agent import ReferenceAgentDriver, ReferenceAgentTarget
from tests.conformance.runs import EMPTY, entry, inventory, play, verdicts
from tests.conformance.test_plugin import OPTIONS
from tests.faults.harness import Fault
from tests.faults.master.transfer import FAULTS

CASES = [found for found in collect() if found.case.scenario is transfer]
ENDED = "test_a_pod_that_has_ended_is_replaced"


class Agents(ReferenceAgentTarget):
    """The reference kubelet with fewer abilities; remembers its drivers."""

    def __init__(self, *without: str, config: Any = None) -> None:
        super().__init__(config=config)
        self._without = frozenset(without)
        self.drivers: list[ReferenceAgentDriver] = []

    def guest(self, handle: Any, seed: int) -> Guest:
        found = super().guest(handle, seed)

        @asynccontextmanager
        async def join() -> AsyncIterator[ReferenceAgentDriver]:
            async with found.join() as driver:
                assert isinstance(driver, ReferenceAgentDriver)
                self.drivers.append(driver)
                yield driver

        facts = attrs.evolve(found.facts, abilities=found.facts.abilities - self._without)
        return attrs.evolve(found, facts=facts, join=join)


class Joined(ReferenceTarget):
    """The reference, joined by a kubelet; remembers how it was left."""

    left: dict[str, list[str]]

    def __init__(self, *without: str) -> None:
        self.agents = Agents(*without)
        super().__init__(agents=self.agents)

    @asynccontextmanager
    async def open(self, seed: int) -> AsyncIterator[Connection]:
        async with super().open(seed) as connection:
            yield connection
            self.left = await inventory(connection.new_wire())


def lost(act: Callable[[Stage, GuestNode], Any]) -> Scenario:
    """A scenario with one node, an agent's."""

    async def whole(stage: Stage) -> None:
        node = await stage.lost_node("victim")
        assert isinstance(node, GuestNode)
        await act(stage, node)

    return play("scene", whole, longest=300)


def ran(target: Joined, act: Callable[[Stage, GuestNode], Any]) -> tuple[Report, list[Seen]]:
    found: list[Seen] = []
    return run(target, entries=[entry(lost(act), found.append)]), found


def test_the_transfer_scenario_is_played_with_an_agent_as_the_lost_node():
    target = Joined()
    report = run(target, entries=CASES, seed=2)
    assert len(report.results) == len(CASES)
    expected = {name: Verdict.UNSUPPORTED if name == ENDED else Verdict.PASS for name in verdicts(report)}
    assert verdicts(report) == expected, [r.explanation for r in report.results]
    assert report.left_behind == ()
    assert target.left == EMPTY


def test_what_an_agent_cannot_be_told_it_is_given_by_a_patch():
    target = Joined("takes_labels", "takes_taints")
    report = run(target, entries=CASES, seed=2)
    assert report.counts() == {Verdict.PASS: len(CASES) - 1, Verdict.UNSUPPORTED: 1}
    assert target.left == EMPTY


def test_its_node_is_marked_like_every_node_of_the_suite():
    nodes: list[Any] = []

    async def act(stage: Stage, victim: GuestNode) -> None:
        await stage.node("simulated")
        nodes.extend(stage.current(NODE, role) for role in ("simulated", "victim"))

    ran(Joined("takes_labels", "takes_taints"), act)
    simulated, victim = nodes
    assert (simulated["metadata"]["labels"] | {ROLE_LABEL: "victim"}).items() <= victim["metadata"]["labels"].items()
    assert simulated["metadata"]["annotations"].items() <= victim["metadata"]["annotations"].items()
    assert simulated["spec"]["taints"][0] in victim["spec"]["taints"]


def test_its_heartbeats_are_seen_until_it_is_killed_and_again_when_it_is_back():
    async def act(stage: Stage, victim: GuestNode) -> None:
        await stage.hold(35)
        await victim.fall_silent()
        await stage.hold(70)
        await victim.recover()
        assert conditions.status(stage.current(NODE, "victim"), "Ready") == "True"
        await stage.hold(25)

    report, (seen,) = ran(Joined(), act)
    assert report.counts() == {Verdict.PASS: 1}
    times = [beat.answered for beat in seen.history.beats if beat.signal == "lease"]
    silent, returns = seen.mark("victim silent").at, seen.mark("victim returns").at
    before, after = [t for t in times if t < silent], [t for t in times if t > returns]
    assert len(before) + len(after) == len(times)
    assert len(before) >= 3
    assert len(after) >= 2
    stories = seen.story(LEASE.name, "victim").events
    assert [event.at for event in stories if event.after] == times


@pytest.mark.parametrize("after", [0.0, 3.05, 3.2, 6, 24.5, 60, 110])
def test_a_run_that_is_interrupted_leaves_neither_agent_nor_node(after: float):
    async def interrupted() -> list[str]:
        session = Session(target, seed=2)
        await session.open([transfer])
        await session.play([transfer])
        await asyncio.sleep(after)
        left = await session.close()
        assert not any(driver.is_alive() for driver in target.agents.drivers)
        return left

    target = Joined()
    with asyncio.Runner(loop_factory=target.new_loop) as runner:
        assert runner.run(interrupted()) == []
    assert target.left == EMPTY


def told(report: Report) -> str:
    (result,) = report.results
    assert result.verdict is Verdict.SUITE_ERROR
    return result.judgement.findings[0].got


def test_an_agent_that_stops_beating_by_itself_voids_the_scenario():
    target = Joined()

    async def act(stage: Stage, victim: GuestNode) -> None:
        await target.agents.drivers[0].pause()
        await stage.hold(60)
        await target.agents.drivers[0].resume()
        await stage.hold(20)

    report, seen = ran(target, act)
    assert "the agent stalled: no heartbeat of nc-" in told(report)
    assert not seen
    assert target.left == EMPTY


def test_an_agent_that_ends_by_itself_voids_the_scenario():
    target = Joined()

    async def act(stage: Stage, victim: GuestNode) -> None:
        await target.agents.drivers[0].stop()

    report, _ = ran(target, act)
    assert told(report).endswith("ended by itself")
    assert target.left == EMPTY


def test_an_agent_that_never_comes_back_is_no_fault_of_the_master():
    target = Joined()

    async def act(stage: Stage, victim: GuestNode) -> None:
        await victim.fall_silent()
        await target.agents.drivers[0].pause()
        await victim.recover()

    report, _ = ran(target, act)
    assert "did not come back within" in told(report)
    assert target.left == EMPTY


def test_an_agent_that_does_not_register_itself_is_unsupported():
    report = run(Joined("registers_itself"), entries=CASES, seed=2)
    assert report.counts() == {Verdict.UNSUPPORTED: len(CASES)}


@pytest.mark.parametrize("fault", FAULTS[:4], ids=str)
def test_a_wrong_master_is_found_out_as_ever(fault: Fault):
    with fault.patch():
        report = run(Joined(), entries=CASES, seed=2)
    found = {
        name for result in report.results if result.verdict in (Verdict.FAIL, Verdict.WARNING) for name in result.ids
    }
    assert set(fault.ids) & found


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ((), "--agent-joins needs a master * and an agent*"),
        (("--driver", "reference"), "--agent-joins needs a master * and an agent*"),
        (("--driver", "cluster", "--kubeconfig", "x"), "--agent-joins needs a master * and an agent*"),
        (
            ("--target", "reference", "--driver", "reference-live"),
            "--agent-joins: reference-live cannot join reference*",
        ),
        (
            ("--target", "reference-live", "--driver", "reference"),
            "--agent-joins: reference cannot join reference-live*",
        ),
    ],
)
def test_options_that_do_not_go_together_are_told(pytester: pytest.Pytester, options: tuple[str, ...], line: str):
    pytester.makepyfile(
        test_cases="""
        from conformance.drive.scenarios.master.transfer import transfer
        from conformance.scenario import judges

        @judges("M-XF-01", reads=transfer)
        def test_it(seen):
            pass
        """
    )
    result = pytester.runpytest_inprocess(*OPTIONS, "--agent-joins", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{line}"])


def test_a_kubeconfig_that_is_passed_on_works_from_any_folder(tmp_path: Path):
    given, agent = tmp_path / "given", tmp_path / "agent"
    given.mkdir()
    agent.mkdir()
    for name in ("ca.crt", "me.crt", "me.key"):
        (given / name).write_text(name)
    document = {
        "clusters": [{"name": "c", "cluster": {"server": "https://x:1", "certificate-authority": "ca.crt"}}],
        "users": [
            {"name": "u", "user": {"client-certificate": "me.crt", "client-key": "me.key"}},
            {"name": "v", "user": {"exec": {"command": "./plugin"}}},
            {"name": "w", "user": {"exec": {"command": "plugin"}}},
        ],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": name}} for name in ("u", "v", "w")],
        "current-context": "v",
    }
    (given / "config").write_text(yaml.safe_dump(document))
    access = GivenAccess(lambda: kubeconfig.standalone(given / "config", "u"), agent).admit("node")
    (agent / "kubeconfig").write_text(access.kubeconfig())
    found = kubeconfig.load(agent / "kubeconfig")
    assert (found.name, found.ca, found.certificate) == ("u", b"ca.crt", (b"me.crt", b"me.key"))
    files = [path.read_text() for path in (access.ca, access.certificate, access.key) if path]
    assert (access.server, files, access.token) == ("https://x:1", ["ca.crt", "me.crt", "me.key"], "")
    users = {each["name"]: each["user"] for each in yaml.safe_load(access.kubeconfig())["users"]}
    assert users["v"]["exec"]["command"] == str(given / "plugin")
    assert users["w"]["exec"]["command"] == "plugin"
