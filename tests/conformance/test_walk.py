"""Nodes and pods in any order: invariants hold on the reference, and catch a reference that breaks them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from conformance.collect import collect
from conformance.drive.scenarios.master.random_walk import random_walk
from conformance.drive.stage import Stage
from conformance.drive.walk import QUIET, REPLICAS, SEATS, Step, Walk
from conformance.judge import invariants
from conformance.judge.seen import Seen
from conformance.kinds import NODE, POD, REPLICATION_CONTROLLER
from conformance.runner.run import run
from conformance.runner.session import Session
from conformance.scenario import scenario
from conformance.verdict import Verdict, Violation
from fixtures.reference import ReferenceTarget
from tests.conformance.tales import TIMING, Tale, condition
from tests.faults.harness import all_faults

FAST = {"node_monitor_period": 1.0, "node_monitor_grace_period": 8.0, "node_startup_grace_period": 12.0}
WALK = [entry for entry in collect() if entry.case.scenario is random_walk]


def judged(seen: Seen) -> list[Violation]:
    """Everything that does not hold."""
    return [
        *invariants.overbooked(seen, SEATS),
        *invariants.evicted_early(seen),
        *invariants.restamped(seen),
        *invariants.misjudged(seen),
        *invariants.miscounted(seen, "crew", REPLICAS, seen.mark(QUIET).at),
    ]


class Guided:
    """A walk on the reference whose steps come from outside, one after the other."""

    def __init__(self, target: ReferenceTarget) -> None:
        self.walk: Walk
        self._steps: asyncio.Queue[Step | None] = asyncio.Queue()
        self._runner = asyncio.Runner(loop_factory=target.new_loop)
        self._session = Session(target, seed=1, settings=FAST)
        self._scenario = scenario(
            watches=(NODE, POD), optional=(REPLICATION_CONTROLLER,), longest=lambda timing: 100_000
        )(self.guided_walk)
        self._run(self._begin)

    async def guided_walk(self, stage: Stage) -> None:
        """Takes the steps it is told."""
        self.walk = Walk(stage)
        await self.walk.begin()
        self._steps.task_done()
        while (step := await self._steps.get()) is not None:
            await self.walk.take(step)
            self._steps.task_done()
        await self.walk.rest()

    async def _begin(self) -> None:
        await self._session.open([self._scenario])
        self._steps.put_nowait(Step("begin"))
        self._steps.get_nowait()
        await self._session.play([self._scenario])
        await self._taken()

    async def _taken(self) -> None:
        """The step has been taken, or the scenario has come to an end, which it must not."""
        taken = asyncio.ensure_future(self._steps.join())
        over = asyncio.ensure_future(self._session.seen(self._scenario))
        await asyncio.wait((taken, over), return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if over.done():
            over.result()

    def take(self, step: Step) -> None:
        async def taken() -> None:
            self._steps.put_nowait(step)
            await self._taken()

        self._run(taken)

    def end(self) -> list[Violation]:
        """Comes to rest, judges, and cleans up."""

        async def ended() -> list[Violation]:
            self._steps.put_nowait(None)
            try:
                return judged(await self._session.seen(self._scenario))
            finally:
                assert await self._session.close() == []

        try:
            return self._run(ended)
        finally:
            self._runner.close()

    def _run(self, act: Callable[[], Awaitable[Any]]) -> Any:
        return self._runner.run(act())  # type: ignore[arg-type]


class AnyOrder(RuleBasedStateMachine):
    """Steps in an order that hypothesis chooses and shrinks."""

    def __init__(self) -> None:
        super().__init__()
        self._guided = Guided(ReferenceTarget(FAST))
        self._told: list[str] = []

    def _take(self, data: st.DataObject, *verbs: str) -> None:
        possible = [step for step in self._guided.walk.possible() if step.verb in verbs]
        if possible:
            step = data.draw(st.sampled_from(possible))
            self._told.append(str(step))
            self._guided.take(step)

    @rule(data=st.data())
    def nodes_come_and_go_silent(self, data: st.DataObject) -> None:
        self._take(data, "register", "silence", "recover")

    @rule(data=st.data())
    def nodes_are_closed_and_opened(self, data: st.DataObject) -> None:
        self._take(data, "cordon", "uncordon", "taint", "untaint")

    @rule(data=st.data())
    def pods_come_and_go(self, data: st.DataObject) -> None:
        self._take(data, "create", "delete")

    @rule(data=st.data())
    def time_passes(self, data: st.DataObject) -> None:
        self._take(data, "wait")

    @precondition(lambda self: any(step.verb == "outwait" for step in self._guided.walk.possible()))
    @rule()
    def silence_is_noticed(self) -> None:
        self._told.append("outwait")
        self._guided.take(Step("outwait"))

    def teardown(self) -> None:
        violations = self._guided.end()
        note("; ".join(self._told))
        assert [str(violation) for violation in violations] == []


def test_invariants_hold_in_any_order():
    budget = settings(max_examples=8, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(AnyOrder, settings=budget)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_walk_of_a_seed_is_the_same_walk_again(seed: int):
    def steps() -> list[str]:
        async def once() -> list[str]:
            session = Session(ReferenceTarget(FAST), seed=seed, settings=FAST)
            await session.open([random_walk])
            await session.play([random_walk])
            seen = await session.seen(random_walk)
            await session.close()
            return [mark.name for mark in seen.history.marks if mark.name.startswith("step ")]

        with asyncio.Runner(loop_factory=ReferenceTarget().new_loop) as runner:
            return runner.run(once())

    first = steps()
    assert len(first) > 14
    assert first == steps()


# A reference that breaks them


@pytest.mark.parametrize(
    ("fault", "requirement"),
    [
        ("other pods are not counted", "M-SCHED-23"),
        ("evicts at once whatever is tolerated for a time", "M-EV-03"),
        ("transition time stays", "M-NR-03"),
        ("never times out", "M-HB-03"),
        ("times out at half the grace", "M-HB-03"),
        ("nothing is replaced", "M-XF-04"),
    ],
)
def test_a_reference_that_breaks_an_invariant_is_caught(fault: str, requirement: str):
    (patched,) = [each.patch for each in all_faults() if each.name == fault]
    with patched():
        report = run(ReferenceTarget(FAST), entries=WALK, seed=1, settings=FAST)
    assert report.failed() == {requirement}
    assert "--seed 1" in next(result.explanation for result in report.results if result.verdict is Verdict.FAIL)


# The judges


def node(tale: Tale, at: float, ready: str, *, since: float, beat: float, seats: int = 2, taints: Any = ()) -> None:
    state = condition(tale, beat, "Ready", ready, since=since)
    tale.object(
        at,
        "Node",
        "n1",
        {
            "metadata": {"name": tale.naming.name("n1")},
            "spec": {"taints": [{"key": key, "effect": "NoExecute"} for key in taints]},
            "status": {"conditions": [state], "allocatable": {SEATS: str(seats)}},
        },
    )


def pod(
    tale: Tale,
    at: float,
    role: str,
    *,
    leaving: bool = False,
    phase: str = "Running",
    tolerates: dict[str, int | None] | None = None,
) -> None:
    entries = [
        {"key": key, "operator": "Exists", **({} if seconds is None else {"tolerationSeconds": seconds})}
        for key, seconds in (tolerates or {}).items()
    ]
    metadata = {"name": tale.naming.name(role), **({"deletionTimestamp": tale.stamp(at)} if leaving else {})}
    spec = {
        "nodeName": tale.naming.name("n1"),
        "tolerations": entries,
        "containers": [{"resources": {"requests": {SEATS: "1"}}}],
    }
    tale.object(at, "Pod", role, {"metadata": metadata, "spec": spec, "status": {"phase": phase}})


def found(violations: Any) -> list[tuple[str, str]]:
    return [(violation.want, violation.got) for violation in violations]


def test_more_pods_than_seats_are_noticed_until_one_is_gone():
    tale = Tale()
    node(tale, 1, "True", since=1, beat=1, seats=1)
    pod(tale, 2, "a")
    assert found(invariants.overbooked(tale.seen(9), SEATS)) == []
    pod(tale, 3, "b")
    ((want, got),) = found(invariants.overbooked(tale.seen(9), SEATS))
    assert want == f"at most 1 of {SEATS} asked for on node {tale.naming.name('n1')}"
    assert got == f"2 with pod {tale.naming.name('b')}"


def test_a_seat_is_free_again_only_when_its_pod_is_gone_or_has_finished():
    tale = Tale()
    node(tale, 1, "True", since=1, beat=1, seats=1)
    pod(tale, 2, "a")
    tale.object(3, "Pod", "a", None)
    pod(tale, 4, "b")
    pod(tale, 5, "b", phase="Succeeded")
    pod(tale, 6, "c")
    assert found(invariants.overbooked(tale.seen(9), SEATS)) == []
    pod(tale, 7, "c", leaving=True)
    pod(tale, 8, "d")
    assert len(found(invariants.overbooked(tale.seen(9), SEATS))) == 1


@pytest.mark.parametrize(
    ("tolerates", "at", "early"),
    [
        ({}, 10.1, False),
        ({"a": 5}, 13.5, True),
        ({"a": 5}, 14.6, False),
        ({"a": 5, "b": 2}, 12.0, False),
        ({"a": 5, "b": 2}, 10.5, True),
        ({"a": None, "b": None}, 100.0, True),
        ({"a": None, "b": 20}, 30.0, False),
    ],
)
def test_evictions_are_held_against_the_taints_of_the_stretch(tolerates: dict[str, int | None], at: float, early: bool):
    tale = Tale()
    node(tale, 1, "True", since=1, beat=1)
    pod(tale, 2, "p", tolerates=tolerates)
    node(tale, 10, "True", since=1, beat=1, taints=("a", *(["b"] if "b" in tolerates else [])))
    pod(tale, at, "p", leaving=True, tolerates=tolerates)
    assert bool(found(invariants.evicted_early(tale.seen(200)))) is early


def test_an_eviction_that_no_taint_calls_for_is_too_early():
    tale = Tale()
    node(tale, 1, "True", since=1, beat=1, taints=("a",))
    node(tale, 3, "True", since=1, beat=1)
    pod(tale, 5, "p")
    pod(tale, 6, "p", leaving=True)
    ((_, got),) = found(invariants.evicted_early(tale.seen(9)))
    assert got == "deleted, though no taint called for it"


def test_a_pod_that_the_scenario_deletes_is_not_evicted():
    tale = Tale()
    node(tale, 1, "True", since=1, beat=1)
    pod(tale, 2, "p")
    tale.mark(3, "p deletion sent")
    pod(tale, 3.1, "p", leaving=True)
    assert found(invariants.evicted_early(tale.seen(9))) == []


@pytest.mark.parametrize(
    ("ready", "since", "beat", "wrong"),
    [
        ("Unknown", 50, 10, False),
        ("Unknown", 10, 10, True),
        ("True", 50, 10, True),
        ("True", 10, 10, False),
        ("True", 50, 50, False),
    ],
)
def test_transition_times_move_with_the_status_unless_the_node_itself_writes(
    ready: str, since: float, beat: float, wrong: bool
):
    tale = Tale()
    node(tale, 10, "True", since=10, beat=10)
    node(tale, 50, ready, since=since, beat=beat)
    assert bool(found(invariants.restamped(tale.seen(60)))) is wrong


@pytest.mark.parametrize(("turned", "wrong"), [(30, True), (41, False), (56, False), (80, True), (None, True)])
def test_a_node_is_given_up_in_its_window(turned: float | None, wrong: bool):
    """The grace period is 40 s, and three passes of 5 s, and 2 s."""
    tale = Tale()
    tale.beat(10, "n1")
    node(tale, 5, "True", since=5, beat=5)
    if turned is not None:
        node(tale, 10 + turned, "Unknown", since=10 + turned, beat=5)
    assert bool(found(invariants.misjudged(tale.seen(200, TIMING)))) is wrong


def test_a_beat_that_was_not_answered_proves_nothing():
    tale = Tale()
    tale.beat(10, "n1")
    tale._beats[-1] = attrs.evolve(tale._beats[-1], ok=False)
    node(tale, 5, "True", since=5, beat=5)
    assert found(invariants.misjudged(tale.seen(200))) == []


def test_live_pods_are_counted_from_the_quiet_on():
    tale = Tale()
    pod(tale, 1, "crew-a")
    pod(tale, 2, "crew-b")
    assert found(invariants.miscounted(tale.seen(20), "crew", 2, 10)) == []
    pod(tale, 12, "crew-b", leaving=True)
    pod(tale, 13, "crew-c")
    assert found(invariants.miscounted(tale.seen(20), "crew", 2, 15)) == []
    ((want, got),) = found(invariants.miscounted(tale.seen(20), "crew", 2, 10))
    assert (want, got) == ("2 live pods of crew", f"1: {tale.naming.name('crew-a')}")
