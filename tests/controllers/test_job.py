"""Jobs: pods that are to succeed a number of times, each counted once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.errors import Object
from refimpl.api.meta import condition, finalizers, is_terminating, is_true
from refimpl.api.resources import JOBS, PODS
from refimpl.clock import Clock
from refimpl.controllers.garbage import GarbageCollector
from refimpl.controllers.job import JobController
from refimpl.controllers.job.census import FINALIZER, has_failed, take
from refimpl.controllers.job.reconcile import Decision, Failures, is_over, manage, reconcile
from tests.controllers.cluster import Cluster, control_plane, template
from tests.controllers.objects import NOW, ago, at, pod, workload


@pytest.fixture
async def cluster(clock: Clock):
    async with control_plane(clock, JobController, GarbageCollector) as cluster:
        yield cluster


def spec(**more: Any) -> Object:
    pod_template = {"metadata": {}, "spec": {**template()["spec"], "restartPolicy": "Never"}}
    return {"template": pod_template, **more}


async def finish(cluster: Cluster, name: str, phase: str) -> None:
    await cluster.patch(PODS, name, {"status": {"phase": phase}}, subresource="status")


async def running(cluster: Cluster) -> list[str]:
    pods = await cluster.list(PODS)
    return [one["metadata"]["name"] for one in pods if one["status"]["phase"] == "Running" and not is_terminating(one)]


async def test_a_job_is_complete_when_its_pods_succeeded_as_often_as_wanted(cluster: Cluster):
    await cluster.create(JOBS, "sum", spec=spec(completions=3, parallelism=2))
    for _ in range(4):
        await cluster.settle()
        for name in await running(cluster):
            await finish(cluster, name, "Succeeded")
    job = await cluster.get(JOBS, "sum")
    assert job["status"]["succeeded"] == 3
    assert is_true(job, "Complete")
    assert job["status"]["completionTime"]
    assert "active" not in job["status"]
    assert not any(FINALIZER in finalizers(one) for one in await cluster.list(PODS))
    assert "Completed" in await cluster.reasons("sum")


async def test_no_more_pods_run_at_a_time_than_allowed(cluster: Cluster):
    await cluster.create(JOBS, "sum", spec=spec(completions=5, parallelism=2))
    await cluster.settle()
    assert len(await running(cluster)) == 2


async def test_failures_are_retried_ever_later_until_the_limit(cluster: Cluster):
    await cluster.create(JOBS, "sum", spec=spec(backoffLimit=2))
    moments = []
    for _ in range(3):
        while not (names := await running(cluster)):
            await cluster.settle(1)
        moments.append(cluster.clock.monotonic())
        await finish(cluster, names[0], "Failed")
        await cluster.settle(1)
    await cluster.settle(60)
    job = await cluster.get(JOBS, "sum")
    assert job["status"]["failed"] == 3
    assert condition(job, "Failed")["reason"] == "BackoffLimitExceeded"
    assert await running(cluster) == []
    first, second = moments[1] - moments[0], moments[2] - moments[1]
    assert 10 <= first <= 14
    assert 20 <= second <= 24


async def evicted(cluster: Cluster, **more: Any) -> int:
    """How many pods there are a minute after the only one was deleted on a silent node."""
    await cluster.create(JOBS, "sum", spec=spec(**more))
    await cluster.settle()
    [one] = await cluster.list(PODS)
    cluster.kubelets.silent.add(one["spec"]["nodeName"])
    await cluster.delete(PODS, one["metadata"]["name"], grace_period=30)
    await cluster.settle(60)
    return len(await cluster.list(PODS))


async def test_a_terminating_pod_is_replaced_by_default(cluster: Cluster):
    assert await evicted(cluster) == 2


async def test_a_terminating_pod_is_not_replaced_when_only_failed_ones_are(cluster: Cluster):
    assert await evicted(cluster, podReplacementPolicy="Failed") == 1


async def test_a_job_beyond_its_deadline_fails_and_its_pods_go(cluster: Cluster):
    await cluster.create(JOBS, "sum", spec=spec(activeDeadlineSeconds=30))
    await cluster.settle(40)
    assert condition(await cluster.get(JOBS, "sum"), "Failed")["reason"] == "DeadlineExceeded"
    assert await running(cluster) == []


async def test_a_suspended_job_runs_nothing_until_it_is_resumed(cluster: Cluster):
    await cluster.create(JOBS, "sum", spec=spec(suspend=True))
    await cluster.settle()
    assert await cluster.list(PODS) == []
    assert is_true(await cluster.get(JOBS, "sum"), "Suspended")
    await cluster.patch(JOBS, "sum", {"spec": {"suspend": False}})
    await cluster.settle()
    assert len(await running(cluster)) == 1
    assert not is_true(await cluster.get(JOBS, "sum"), "Suspended")


async def test_the_pods_of_a_deleted_job_are_let_go(cluster: Cluster):
    await cluster.create(JOBS, "sum", spec=spec())
    await cluster.settle()
    await cluster.delete(JOBS, "sum", propagation="Background")
    await cluster.settle(60)
    assert await cluster.list(PODS) == []


def job(**more: Any) -> Object:
    made = workload("Job", "sum", api_version="batch/v1")
    made["spec"] = {"parallelism": 1, "completions": 1, "backoffLimit": 6, **spec(), **more}
    return made


def member(name: str, held: bool = True, **more: Any) -> Object:
    made = pod(name, **more)
    made["metadata"]["finalizers"] = [FINALIZER] if held else []
    return made


@pytest.mark.parametrize(
    ("candidate", "policy", "failed"),
    [
        (member("a", phase="Failed"), {}, True),
        (member("a"), {}, False),
        (member("a", deleting=True), {}, True),
        (member("a", deleting=True, phase="Succeeded"), {}, False),
        (member("a", deleting=True), {"podReplacementPolicy": "Failed"}, False),
        (member("a", deleting=True), {"podFailurePolicy": {"rules": []}}, False),
    ],
)
def test_what_counts_as_failed(candidate: Object, policy: Object, failed: bool):
    assert has_failed(job(**policy), candidate) is failed


@pytest.mark.parametrize(
    ("wanted", "mine", "create", "delete"),
    [
        ({"completions": 5, "parallelism": 3}, [], 3, 0),
        ({"completions": 2, "parallelism": 3}, [], 2, 0),
        ({"completions": 3, "parallelism": 3}, [member("a", phase="Succeeded"), member("b")], 1, 0),
        ({"completions": None, "parallelism": 3}, [member("a")], 2, 0),
        ({"completions": None, "parallelism": 3}, [member("a", phase="Succeeded"), member("b")], 0, 0),
        ({"completions": 5, "parallelism": 1}, [member("a"), member("b")], 0, 1),
        ({"completions": 1, "parallelism": 0}, [member("a")], 0, 1),
        ({"podReplacementPolicy": "Failed"}, [member("a", deleting=True)], 0, 0),
        ({}, [member("a", deleting=True)], 1, 0),
    ],
)
def test_how_many_pods_run(wanted: Object, mine: list[Object], create: int, delete: int):
    one = job(**wanted)
    made, doomed = manage(one, take(one, mine), NOW)
    assert (made, len(doomed)) == (create, delete)


def test_a_pod_is_counted_once_on_its_way_from_finished_to_gone():
    one = job(completions=2)
    fresh = member("a", phase="Succeeded")
    first = take(one, [fresh])
    assert (first.counted_succeeded, first.succeeded, first.releasable) == (0, ("uid-a",), ())
    one["status"] = {"uncountedTerminatedPods": {"succeeded": ["uid-a"]}}
    second = take(one, [fresh])
    assert (second.counted_succeeded, second.succeeded, second.releasable) == (0, ("uid-a",), (fresh,))
    third = take(one, [member("a", held=False, phase="Succeeded")])
    assert (third.counted_succeeded, third.succeeded) == (1, ())
    gone = take(one, [])
    assert (gone.counted_succeeded, gone.all_succeeded) == (1, 1)


def test_the_delay_after_failures_doubles_up_to_ten_minutes():
    waits = [Failures(count, NOW).remaining(NOW) for count in (0, 1, 2, 3, 20)]
    assert waits == [0, 10, 20, 40, 600]
    assert Failures(1, NOW).remaining(at(4)) == 6


def test_a_job_that_is_going_creates_nothing():
    one = job()
    one["metadata"]["deletionTimestamp"] = ago(1)
    assert reconcile(one, take(one, []), Failures(), NOW).create == 0


def live_on(mine: dict[str, Object], fate: Iterator[str], ended: dict[str, int]) -> None:
    """What becomes of the pods: they run on, end, or are deleted; deleted ones go when nobody holds them."""
    for name, present in list(mine.items()):
        if is_terminating(present):
            if not present["metadata"]["finalizers"]:
                del mine[name]
        elif present["status"]["phase"] == "Running":
            match next(fate):
                case "nothing":
                    continue
                case "deleted":
                    present["metadata"]["deletionTimestamp"] = ago(0)
                    ended["Failed"] += 1
                case phase:
                    present["status"]["phase"] = phase
                    ended[phase] += 1


@given(
    st.integers(1, 5),
    st.integers(1, 4),
    st.lists(st.sampled_from(["Succeeded", "Failed", "deleted", "nothing"]), max_size=40),
)
def test_every_job_ends_with_each_pod_counted_once(completions: int, parallelism: int, fates: list[str]):
    one = job(completions=completions, parallelism=parallelism, backoffLimit=3)
    mine: dict[str, Object] = {}
    ended = {"Succeeded": 0, "Failed": 0}
    names = (f"p{number}" for number in itertools.count())
    fate = itertools.chain(fates, itertools.repeat("Succeeded"))
    decision: Decision | None = None
    for _ in range(120):
        if is_over(one):
            break
        census = take(one, list(mine.values()))
        decision = reconcile(one, census, Failures(), NOW)
        assert len(census.active) + decision.create <= max(parallelism, len(census.active))
        one = {**one, "status": decision.status}
        for released in census.releasable:
            released["metadata"]["finalizers"] = []
        for doomed in decision.delete:
            doomed["metadata"]["deletionTimestamp"] = ago(0)
        for name in itertools.islice(names, decision.create):
            mine[name] = member(name)
        live_on(mine, fate, ended)
    assert is_over(one)
    assert one["status"].get("succeeded", 0) == ended["Succeeded"]
    assert one["status"].get("failed", 0) >= ended["Failed"]
    assert decision is not None
    assert is_true(one, "Complete") == (ended["Succeeded"] >= completions)
