"""The scheduler when the API refuses, does not answer, or answers late."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from unittest.mock import patch

import pytest

from refimpl.api import meta
from refimpl.api.errors import ApiError, conflict, internal
from refimpl.api.http import Request, Response
from refimpl.api.resources import EVENTS_V1, PODS
from refimpl.apiserver.server import ApiServer
from refimpl.client.leaderelection import Election, LeaderElector
from refimpl.client.transport import DirectTransport, Unreachable
from refimpl.clock import Clock
from refimpl.scheduler import Scheduler
from refimpl.scheduler.algorithm import Algorithm
from refimpl.scheduler.podinfo import PodInfo
from tests.scheduler.cluster import is_refused, node_of, scheduling

Handle = Callable[[Request], Awaitable[Response]]
Trouble = Callable[[Request, Handle], Awaitable[Response]]


class Troubled:
    """Makes a bad way to a server out of a good one."""

    def __init__(self, trouble: Trouble) -> None:
        self.trouble = trouble

    def __call__(self, server: ApiServer) -> DirectTransport:
        async def handle(request: Request) -> Response:
            return await self.trouble(request, server.handle)

        return DirectTransport(handle)


def is_binding(request: Request) -> bool:
    return request.path.endswith("/binding")


def refused(error: ApiError) -> Response:
    return Response(error.code, error.to_wire())


async def test_a_refused_binding_is_tried_again_and_its_room_given_back(clock: Clock):
    attempts = []

    async def refuse_twice(request: Request, handle: Handle) -> Response:
        if is_binding(request):
            attempts.append(clock.monotonic())
            if len(attempts) <= 2:
                return refused(internal("not today"))
        return await handle(request)

    async with scheduling(clock, transport=Troubled(refuse_twice)) as cluster:
        await cluster.node(cpu="1", pods="10")
        await cluster.pod("web", requests={"cpu": "1"})
        await cluster.until("web", lambda pod: meta.condition(pod, "PodScheduled"))
        condition = meta.condition(await cluster.get("web"), "PodScheduled")
        assert condition is not None
        assert (condition["reason"], condition["status"]) == ("SchedulerError", "False")
        await cluster.bound("web", within=5)
        assert meta.is_true(await cluster.get("web"), "PodScheduled")
    assert len(attempts) == 3


async def test_a_binding_whose_answer_was_lost_has_happened(clock: Clock):
    posts = []

    async def lose_the_answer(request: Request, handle: Handle) -> Response:
        answer = await handle(request)
        if is_binding(request):
            posts.append(request)
            raise Unreachable("lost")
        return answer

    async with scheduling(clock, transport=Troubled(lose_the_answer)) as cluster:
        await cluster.node(cpu="1", pods="10")
        await cluster.pod("web", requests={"cpu": "1"})
        await cluster.bound("web")
        assert len(await cluster.events("web", "Scheduled")) == 1
        assert await cluster.events("web", "FailedScheduling") == []
    assert len(posts) == 1


async def test_while_it_is_unknown_whether_a_pod_is_bound_its_room_is_not_given_away(clock: Clock):
    away = asyncio.Event()

    async def go_away(request: Request, handle: Handle) -> Response:
        if is_binding(request) and "/first/" in request.path:
            away.set()
        if away.is_set() and request.method == "GET" and request.path.endswith("/first"):
            raise Unreachable("away")
        if away.is_set() and is_binding(request):
            raise Unreachable("away")
        return await handle(request)

    trouble = Troubled(go_away)
    async with scheduling(clock, transport=trouble) as cluster:
        await cluster.node(cpu="1", pods="10")
        await cluster.pod("first", requests={"cpu": "1"})
        await away.wait()
        await cluster.pod("second", requests={"cpu": "1"})
        await cluster.refused("second")
        await asyncio.sleep(600)
        assert not is_refused(await cluster.get("first"))
        away.clear()
        trouble.trouble = lambda request, handle: handle(request)
        await asyncio.sleep(60)
        bound = [name for name in ("first", "second") if node_of(await cluster.get(name))]
        assert len(bound) == 1


async def test_a_pod_deleted_while_it_is_being_bound_leaves_nothing_behind(clock: Clock):
    async def delete_first(request: Request, handle: Handle) -> Response:
        if is_binding(request) and "/doomed/" in request.path:
            await handle(Request("DELETE", PODS.path("default", "doomed"), (("gracePeriodSeconds", "0"),)))
            await asyncio.sleep(1)
        return await handle(request)

    async with scheduling(clock, transport=Troubled(delete_first)) as cluster:
        await cluster.node(cpu="1", pods="10")
        await cluster.pod("doomed", requests={"cpu": "1"})
        await asyncio.sleep(5)
        await cluster.pod("web", requests={"cpu": "1"})
        await cluster.bound("web", within=1)


async def test_a_watch_that_breaks_costs_no_pod(clock: Clock):
    async def break_watches(request: Request, handle: Handle) -> Response:
        if dict(request.query).get("watch") and clock.random.random() < 0.5:
            raise Unreachable("broken")
        return await handle(request)

    async with scheduling(clock, transport=Troubled(break_watches)) as cluster:
        await cluster.node()
        for number in range(5):
            await cluster.pod(f"p{number}")
        for number in range(5):
            await cluster.bound(f"p{number}", within=300)


async def test_a_failing_events_api_costs_events_and_nothing_else(clock: Clock):
    async def no_events(request: Request, handle: Handle) -> Response:
        if EVENTS_V1.group in request.path:
            return refused(internal("full"))
        return await handle(request)

    async with scheduling(clock, transport=Troubled(no_events)) as cluster:
        await cluster.node()
        await cluster.pod("web")
        await cluster.bound("web")
        assert await cluster.events("web", "Scheduled") == []


async def test_a_victim_that_cannot_be_asked_to_go_is_asked_again(clock: Clock):
    asked = []

    async def refuse_once(request: Request, handle: Handle) -> Response:
        if request.method == "DELETE":
            asked.append(request)
            if len(asked) == 1:
                return refused(conflict(PODS, "victim"))
        return await handle(request)

    async with scheduling(clock, transport=Troubled(refuse_once)) as cluster:
        await cluster.node(cpu="1", pods="10")
        await cluster.pod("victim", requests={"cpu": "1"})
        await cluster.bound("victim")
        await cluster.pod("important", requests={"cpu": "1"}, priorityClassName="system-node-critical", priority=None)
        await cluster.until("victim", meta.is_terminating, within=60)
    assert len(asked) == 2


async def test_a_leftover_is_tried_again_without_any_event(clock: Clock):
    """Five minutes and a sweep, should an event ever be missed."""
    async with scheduling(clock) as cluster:
        await cluster.node(cpu="1", pods="10")
        await cluster.pod("big", requests={"cpu": "2"})
        before = (await cluster.refused("big"))["message"]
        await asyncio.sleep(400)
        assert len(await cluster.events("big", "FailedScheduling")) == 1
        [event] = await cluster.events("big", "FailedScheduling")
        assert event["series"]["count"] == 2
        assert before == (await cluster.refused("big"))["message"]


async def test_a_scheduler_that_takes_over_knows_what_is_bound_and_nominated(clock: Clock):
    async with scheduling(clock) as cluster:
        await cluster.node(cpu="1", pods="10")
        await cluster.pod("victim", requests={"cpu": "1"})
        await cluster.bound("victim")
        await cluster.pod("important", requests={"cpu": "1"}, priorityClassName="system-node-critical", priority=None)
        await cluster.until("victim", meta.is_terminating)
        await cluster.restart_scheduler()
        await cluster.pod("opportunist", requests={"cpu": "1"})
        await cluster.refused("opportunist")
        await cluster.delete("victim")
        await cluster.bound("important")
        assert is_refused(await cluster.get("opportunist"))


@pytest.mark.parametrize("seed", [1, 2])
async def test_one_seed_gives_one_history(seed: int):
    async def history() -> list[object]:
        async with scheduling(Clock.virtual(seed)) as cluster:
            start = cluster.clock.monotonic()
            for number in range(5):
                await cluster.node(f"n{number}", cpu="4", pods="10")
            for number in range(25):
                await cluster.pod(f"p{number}", requests={"cpu": "1"})
            await asyncio.sleep(60)
            listed = await cluster.client.list(PODS)
            assert cluster.clock.monotonic() - start > 59
            return [(pod["metadata"]["name"], node_of(pod)) for pod in listed["items"]]

    assert await history() == await history()


async def test_of_two_schedulers_one_works_and_the_other_takes_over(clock: Clock):
    async with scheduling(clock) as cluster:
        await cluster.stop_scheduler()
        schedulers = [
            Scheduler(
                cluster.client, clock, elector=LeaderElector(cluster.client, clock, Election("kube-scheduler", name))
            )
            for name in ("one", "two")
        ]
        first, second = (asyncio.create_task(scheduler.run()) for scheduler in schedulers)
        await cluster.node()
        await cluster.pod("before")
        await cluster.bound("before")
        assert [scheduler.leading.is_set() for scheduler in schedulers] == [True, False]
        first.cancel()
        await cluster.pod("after")
        await cluster.bound("after", within=30)
        assert [scheduler.leading.is_set() for scheduler in schedulers] == [False, True]
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        await cluster.start_scheduler()


async def test_a_pod_that_cannot_be_judged_does_not_stop_the_others(clock: Clock):
    def poisoned(self: Algorithm, pod: PodInfo) -> object:
        if pod.name == "poison":
            raise KeyError("unexpected")
        return schedule(self, pod)

    schedule = Algorithm.schedule
    with patch.object(Algorithm, "schedule", poisoned):
        async with scheduling(clock) as cluster:
            await cluster.node()
            await cluster.pod("poison")
            await cluster.pod("web")
            await cluster.bound("web")
            condition = meta.condition(await cluster.get("poison"), "PodScheduled")
            assert condition is not None
            assert (condition["reason"], condition["message"]) == ("SchedulerError", "KeyError('unexpected')")
