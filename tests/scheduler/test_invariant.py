"""However pods come and go, and however slow and unreliable bindings are, no node holds more than it offers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.api.errors import ApiError, internal
from refimpl.api.http import Request, Response
from refimpl.api.resources import NODES, PODS
from refimpl.apiserver.server import ApiServer
from refimpl.client.transport import DirectTransport, Unreachable
from refimpl.clock import Clock, run, virtual_loop
from refimpl.scheduler.podinfo import is_terminal
from tests.scheduler.cluster import Cluster, is_refused, node_of, scheduling

UNIT = "example.com/unit"
ROOM = {"n1": 2, "n2": 3}

names = st.sampled_from([f"p{number}" for number in range(8)])
arrivals = st.tuples(st.just("arrive"), names, st.integers(1, 3))
departures = st.tuples(st.sampled_from(["delete", "terminate", "finish"]), names, st.just(0))
pauses = st.tuples(st.just("wait"), st.just(""), st.sampled_from([0, 1, 5, 60]))
steps = st.lists(st.one_of(arrivals, arrivals, arrivals, departures, pauses), min_size=10, max_size=30)


def slow_and_unreliable(clock: Clock) -> Callable[[ApiServer], DirectTransport]:
    """Bindings take up to three seconds; some are refused, the answers of some are lost."""

    def transport(server: ApiServer) -> DirectTransport:
        async def handle(request: Request) -> Response:
            if not request.path.endswith("/binding"):
                return await server.handle(request)
            await asyncio.sleep(clock.random.random() * 3)
            luck = clock.random.random()
            if luck < 0.15:
                return Response(500, internal("bad luck").to_wire())
            answer = await server.handle(request)
            if luck < 0.3:
                raise Unreachable("lost")
            return answer

        return DirectTransport(handle)

    return transport


async def act(cluster: Cluster, what: str, name: str, amount: int) -> None:
    try:
        match what:
            case "arrive":
                await cluster.pod(name, requests={UNIT: str(amount)})
            case "delete":
                await cluster.delete(name)
            case "terminate":
                await cluster.delete(name, grace=30)
            case "finish":
                await cluster.finish(name, "Succeeded")
            case _:
                await asyncio.sleep(amount)
    except ApiError as error:
        if error.code not in {404, 409}:
            raise


def units(pod) -> int:
    return int(pod["spec"]["containers"][0]["resources"]["requests"][UNIT])


async def taken(cluster: Cluster) -> dict[str, int]:
    total = dict.fromkeys(ROOM, 0)
    for pod in (await cluster.client.list(PODS))["items"]:
        if node_of(pod) and not is_terminal(pod):
            total[node_of(pod)] += units(pod)
    return total


async def watch_over(cluster: Cluster, history: list[tuple[str, str, int]]) -> None:
    async def look() -> None:
        while True:
            for name, amount in (await taken(cluster)).items():
                assert amount <= ROOM[name], f"{name} holds {amount} of {ROOM[name]}"
            await asyncio.sleep(0.5)

    looking = asyncio.create_task(look())
    for step in history:
        await act(cluster, *step)
    await asyncio.sleep(60)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    assert looking.cancelled() or looking.exception() is None, looking.exception()


async def nothing_is_left_undone(cluster: Cluster) -> None:
    """Pods wait only when no node has room for them."""
    used = await taken(cluster)
    for pod in (await cluster.client.list(PODS))["items"]:
        if not node_of(pod) and not is_terminal(pod):
            assert is_refused(pod)
            assert all(used[name] + units(pod) > room for name, room in ROOM.items()), pod["metadata"]["name"]


@settings(max_examples=40, deadline=None)
@given(steps, st.integers(0, 1000))
def test_no_node_ever_holds_more_than_it_offers_and_no_room_stays_unused(history, seed):
    async def story() -> None:
        clock = Clock.virtual(seed)
        async with scheduling(clock, transport=slow_and_unreliable(clock)) as cluster:
            for name, room in ROOM.items():
                await cluster.node(name, **{UNIT: str(room), "pods": "100"})
            await watch_over(cluster, history)
            await nothing_is_left_undone(cluster)
            assert len((await cluster.client.list(NODES))["items"]) == len(ROOM)

    run(story(), loop_factory=virtual_loop)
