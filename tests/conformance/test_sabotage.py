"""A recording master misbehaves as it is told, and writes down what it was asked."""

from __future__ import annotations

import asyncio
import json
from itertools import count

import pytest

from conformance.clock import SuiteClock
from conformance.driver import Disturbance
from conformance.record.history import Exchange
from fixtures.flows import Flows
from fixtures.recording import RecordingMaster
from refimpl.api import protobuf
from refimpl.api.http import Request, Response
from refimpl.client.transport import DirectTransport, Unreachable

NODES = "/api/v1/nodes"


class Server:
    """Answers with the number of the request, or with a stream of two events."""

    def __init__(self) -> None:
        self.asked = 0

    async def handle(self, request: Request) -> Response:
        self.asked += 1
        if request.parameter("watch"):
            return Response(200, self._events())
        return Response(200, json.dumps({"asked": self.asked}).encode())

    async def _events(self):
        yield b'{"type":"ADDED"}\n'
        await asyncio.sleep(5)
        yield b'{"type":"DELETED"}\n'


class Scene:
    """A master with a server behind it."""

    def __init__(self) -> None:
        self.server = Server()
        self.written: list[Exchange] = []
        self.master = RecordingMaster(self.server.handle, SuiteClock(seed=1), self.written.append, "http://x")

    async def ask(self, method: str = "GET", path: str = NODES, **more) -> bytes:
        response = await self.master.handle(Request(method, path, **more))
        body = response.body
        return body if isinstance(body, bytes) else b"".join([chunk async for chunk in body])


@pytest.fixture
def scene() -> Scene:
    return Scene()


WATCH = {"query": (("watch", "true"),)}


@pytest.mark.parametrize("kind", ["refuse", "hang", "drop"])
async def test_without_an_answer_the_request_is_written_down_all_the_same(scene: Scene, kind: str) -> None:
    scene.master.disturb(Disturbance(kind, seconds=3))
    with pytest.raises(Unreachable):
        await scene.ask()
    assert [(x.path, x.status) for x in scene.written] == [(NODES, 0)]
    assert scene.server.asked == (kind == "drop")


async def test_where_nobody_listens_nothing_is_written_down(scene: Scene) -> None:
    lift = scene.master.disturb(Disturbance("down"))
    with pytest.raises(Unreachable):
        await scene.ask()
    lift()
    assert await scene.ask() == b'{"asked": 1}'
    assert len(scene.written) == 1


async def test_a_black_hole_answers_nobody_and_keeps_streams_silent(scene: Scene) -> None:
    loop = asyncio.get_running_loop()
    stream = asyncio.create_task(scene.ask(**WATCH))
    await asyncio.sleep(1)
    lift = scene.master.disturb(Disturbance("blackhole"))
    asked = asyncio.create_task(scene.ask())
    await asyncio.sleep(30)
    assert not asked.done()
    assert not stream.done()
    lift()
    assert (await stream).count(b"\n") == 2
    with pytest.raises(Unreachable):
        await asked
    assert loop.time() < 100


async def test_a_slow_answer_is_whole_in_the_end(scene: Scene) -> None:
    loop = asyncio.get_running_loop()
    scene.master.disturb(Disturbance("slow", seconds=8))
    began = loop.time()
    assert await scene.ask() == b'{"asked": 1}'
    assert 6 <= loop.time() - began <= 8.5


@pytest.mark.parametrize("more", [{}, WATCH])
async def test_a_truncated_answer_breaks_off_in_the_middle(scene: Scene, more) -> None:
    scene.master.disturb(Disturbance("truncate"))
    response = await scene.master.handle(Request("GET", NODES, **more))
    got = await anext(response.body)
    assert got
    assert not got.endswith((b"}", b"\n"))
    with pytest.raises(Unreachable):
        await anext(response.body)


async def test_stale_reads_are_all_like_the_first(scene: Scene) -> None:
    lift = scene.master.disturb(Disturbance("stale"))
    assert await scene.ask() == await scene.ask()
    lift()
    assert await scene.ask() == b'{"asked": 2}'


async def test_an_expired_watch_says_so_in_its_first_event(scene: Scene) -> None:
    scene.master.disturb(Disturbance("expire"))
    event = json.loads(await scene.ask(**WATCH))
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert await scene.ask() == b'{"asked": 1}'


async def test_a_disturbance_hits_as_often_as_it_says_and_only_what_it_names(scene: Scene) -> None:
    scene.master.disturb(Disturbance("status", "POST", f"{NODES}$", status=500, times=1))
    assert b"asked" in await scene.ask()
    assert json.loads(await scene.ask("POST"))["code"] == 500
    assert b"asked" in await scene.ask("POST")


async def test_binary_bodies_are_written_down_as_json(scene: Scene) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
    body = protobuf.encode(node)
    assert body is not None
    await scene.ask("POST", body=body, headers={"content-type": protobuf.MEDIA_TYPE})
    assert json.loads(scene.written[0].request)["metadata"] == {"name": "n"}


async def test_open_watches_can_be_brought_to_their_end_and_new_ones_live(scene: Scene) -> None:
    watching = asyncio.create_task(scene.ask(**WATCH))
    await asyncio.sleep(1)
    scene.master.disturb(Disturbance("end", path="/api/v1/pods"))
    await asyncio.sleep(1)
    assert not watching.done()
    scene.master.disturb(Disturbance("end", path=NODES))
    assert await watching == b'{"type":"ADDED"}\n'
    assert (await scene.ask(**WATCH)).count(b"\n") == 2


async def test_connections_die_that_are_open_and_no_others(scene: Scene) -> None:
    flows = Flows(DirectTransport(scene.master.handle), count(1))
    watch = (await flows.send(Request("GET", NODES, **WATCH), stream=True)).body
    lift = scene.master.disturb(Disturbance("half-dead"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            await flows.send(Request("GET", NODES))
    await flows.renew()
    assert (await flows.send(Request("GET", NODES))).status == 200
    with pytest.raises(Unreachable):
        await anext(aiter(watch))
    lift()
    assert [x.connection for x in scene.written] == [1, 2]
