"""A whole run against the reference: concurrent, repeatable, clean, and never wrong about a master on a bad network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from conformance.collect import Entry, collect
from conformance.drive.scenarios.silence import silence
from conformance.drive.stage import Stage
from conformance.judge.seen import Seen
from conformance.kinds import LEASE, NAMESPACE, NODE, POD, Kind
from conformance.naming import RUN_LABEL
from conformance.record import files
from conformance.report.results import Report
from conformance.run import run
from conformance.scenario import Case, Scenario, scenario
from conformance.session import Session
from conformance.target import Connection, TargetError
from conformance.terms import Limits
from conformance.verdict import NotExercised, SuiteError, Unsupported, Verdict, Violation
from conformance.wire import NoAnswer, Stream, Wire
from fixtures.inprocess import InProcessWire
from fixtures.reference import ReferenceTarget
from refimpl.cluster import Cluster, ClusterConfig
from tests.conformance.wires import Bad

SLICE = [found for found in collect() if found.case.scenario is silence]
"""The cases on one silence: the story of the suite in small."""


def verdicts(report: Report) -> dict[str, Verdict]:
    return {result.case.partition("::")[2]: result.verdict for result in report.results}


def play(name: str, act: Callable[[Stage], Any], longest: float = 10, **more: Any) -> Scenario:
    made = scenario(watches=(NODE, POD), longest=lambda timing: longest)(act)
    return attrs.evolve(made, name=name, **more)


def entry(scene: Scenario, judge: Callable[[Seen], Any] = lambda seen: None, name: str = "test_it") -> Entry:
    return Entry(f"x.py::{name}", judge, Case(("M-HB-03",), scene))


async def nothing(stage: Stage) -> None:
    """Does nothing."""


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


# Clean-up


class Watched(ReferenceTarget):
    """The reference with somebody else's objects in it; remembers how it was left."""

    left: dict[str, list[str]]

    @asynccontextmanager
    async def open(self, seed: int) -> AsyncIterator[Connection]:
        async with super().open(seed) as connection:
            yield connection
            self.left = await inventory(connection.new_wire())


async def inventory(wire: Wire) -> dict[str, list[str]]:
    from conformance.client import ApiClient
    from conformance.clock import SuiteClock

    client = ApiClient(wire, clock=SuiteClock(seed=0), who="test", note=lambda _: None)
    found = {}
    for kind in (NODE, POD, LEASE, NAMESPACE):
        items = (await client.get(kind.path()))["items"]
        found[kind.name] = sorted(item["metadata"]["name"] for item in items)
    return found


EMPTY = {
    "Node": [],
    "Pod": [],
    "Lease": [],
    "Namespace": ["default", "kube-node-lease", "kube-public", "kube-system"],
}


def test_a_run_leaves_nothing_behind():
    target = Watched()
    report = run(target, entries=SLICE)
    assert report.left_behind == ()
    assert target.left == EMPTY


@pytest.mark.parametrize("after", [0.0, 0.0001, 5, 25, 75, 95, 120])
def test_a_run_that_is_interrupted_leaves_nothing_behind(after: float):
    async def interrupted() -> list[str]:
        session = Session(target, seed=1)
        await session.open([silence])
        await session.play([silence])
        await asyncio.sleep(after)
        return await session.close()

    target = Watched()
    with asyncio.Runner(loop_factory=target.new_loop) as runner:
        assert runner.run(interrupted()) == []
    assert target.left == EMPTY


@pytest.mark.parametrize("when", range(0, 30, 3))
def test_an_interrupt_in_the_middle_of_a_request_leaves_nothing_behind(when: int):
    """The answer to a creation never comes; what it created is found by its name and label."""
    count = 0

    def decide(method: str, target: str) -> object:
        nonlocal count
        count += method == "POST"
        return asyncio.CancelledError() if method == "POST" and count == when + 1 else None

    async def interrupted() -> list[str]:
        session = Session(target, seed=1)
        try:
            await session.open([silence])
            await session.play([silence])
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            pass
        return await session.close()

    target = Watched(wire=lambda cluster: Bad(InProcessWire(cluster.server.handle), decide, lose_answers=True))
    with asyncio.Runner(loop_factory=target.new_loop) as runner:
        assert runner.run(interrupted()) == []
    assert target.left == EMPTY


def test_other_people_s_objects_are_never_touched():
    """Names alike, labels alike, nodes, pods: only what the run made is written or deleted."""
    touched: list[str] = []
    run_id = ""

    class Guarded(ReferenceTarget):
        @asynccontextmanager
        async def open(self, seed: int) -> AsyncIterator[Connection]:
            async with super().open(seed) as connection:
                wire = connection.new_wire()
                body = b'{"apiVersion":"v1","kind":"Node","metadata":{"name":"nc-other-silence-victim"}}'
                await wire.send("POST", NODE.path(), {"content-type": "application/json"}, body)
                yield connection
                reply = await wire.send("GET", NODE.path(name="nc-other-silence-victim"), {}, b"")
                assert reply.status == 200

    def decide(method: str, target: str) -> object:
        if method not in ("GET", "POST"):
            touched.append(target)
        return None

    def wire(cluster: Cluster) -> Wire:
        return Bad(InProcessWire(cluster.server.handle), decide)

    report = run(Guarded(wire=wire), entries=SLICE)
    run_id = report.run_id
    assert touched
    assert [target for target in touched if f"nc-{run_id}" not in target] == []


def test_everything_the_suite_creates_carries_the_run_s_label():
    bodies: list[tuple[str, bytes]] = []

    class Noting(InProcessWire):
        async def send(self, method: str, target: str, headers: Any, content: bytes) -> Any:
            if method == "POST":
                bodies.append((target, content))
            return await super().send(method, target, headers, content)

    report = run(ReferenceTarget(wire=lambda cluster: Noting(cluster.server.handle)), entries=SLICE)
    assert bodies
    label = f'"{RUN_LABEL}":"{report.run_id}"'.encode()
    assert [target for target, body in bodies if label not in body] == []


def test_a_change_of_the_leading_controller_manager_voids_what_was_seen():
    """Every grace period began anew with it: what looks late is not."""

    async def act(stage: Stage) -> None:
        path = LEASE.path("kube-system", "kube-controller-manager")
        await stage.client.patch(path, {"spec": {"holderIdentity": "two"}})

    class Elected(ReferenceTarget):
        @asynccontextmanager
        async def open(self, seed: int) -> AsyncIterator[Connection]:
            async with super().open(seed) as connection:
                body = (
                    b'{"apiVersion":"coordination.k8s.io/v1","kind":"Lease",'
                    b'"metadata":{"name":"kube-controller-manager"},"spec":{"holderIdentity":"one"}}'
                )
                reply = await connection.new_wire().send("POST", LEASE.path("kube-system"), {}, body)
                assert reply.status == 201
                yield connection

    report = run(Elected(), entries=[entry(play("elected", act))])
    assert "changed during the scenario (one to two)" in report.results[0].explanation


@pytest.mark.parametrize(
    ("provider", "safe"), [("aws:///eu-1/i-1", False), ("gce://p/z/n", False), ("kind://docker/a/b", True), ("", True)]
)
def test_clusters_of_a_cloud_are_refused_unless_asked(provider: str, safe: bool):
    """A cloud's node controller deletes nodes that it does not know."""

    class Cloud(ReferenceTarget):
        @asynccontextmanager
        async def open(self, seed: int) -> AsyncIterator[Connection]:
            async with super().open(seed) as connection:
                body = json.dumps({"metadata": {"name": "machine"}, "spec": {"providerID": provider}}).encode()
                await connection.new_wire().send("POST", NODE.path(), {}, body)
                yield connection

    entries = [entry(play("quiet", nothing))]
    if not safe:
        with pytest.raises(TargetError, match="--allow-hazards"):
            run(Cloud(), entries=entries)
    limits = Limits(allow_hazards=not safe)
    assert run(Cloud(), entries=entries, limits=limits).exit_code() == 0


def test_what_still_runs_when_a_scenario_has_failed_creates_nothing_any_more():
    """`asyncio.gather` lets the others go on when one of them fails."""

    async def fails(stage: Stage) -> None:
        await stage.hold(1)
        raise KeyError("bug")

    async def goes_on(stage: Stage) -> None:
        await stage.hold(5)
        await stage.node("late")

    async def act(stage: Stage) -> None:
        await asyncio.gather(fails(stage), goes_on(stage))

    async def lasting(stage: Stage) -> None:
        await stage.hold(20)

    target = Watched()
    scenes = [entry(play("torn", act)), entry(play("lasting", lasting), name="other")]
    report = run(target, entries=scenes)
    assert [result.verdict for result in report.results] == [Verdict.SUITE_ERROR, Verdict.PASS]
    assert target.left == EMPTY
