"""What a run leaves behind: nothing of its own, and everybody else's things as they were."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from conformance.drive.scenarios.master.silence import silence
from conformance.drive.stage import Stage
from conformance.given.terms import Limits
from conformance.kinds import LEASE, NODE
from conformance.naming import RUN_LABEL
from conformance.runner.run import run
from conformance.runner.session import Session
from conformance.target import Connection, TargetError
from conformance.verdict import Verdict
from conformance.wire import Wire
from fixtures.inprocess import InProcessWire
from fixtures.reference import ReferenceTarget
from refimpl.cluster import Cluster
from tests.conformance.runs import EMPTY, SLICE, entry, inventory, nothing, play
from tests.conformance.wires import Bad


class Watched(ReferenceTarget):
    """The reference with somebody else's objects in it; remembers how it was left."""

    left: dict[str, list[str]]

    @asynccontextmanager
    async def open(self, seed: int) -> AsyncIterator[Connection]:
        async with super().open(seed) as connection:
            yield connection
            self.left = await inventory(connection.new_wire())


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
