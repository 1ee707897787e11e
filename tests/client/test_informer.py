"""The informer: a cache that follows, resumes and lists again; handlers hear every change once."""

import asyncio

import pytest

from refimpl.api.errors import expired
from refimpl.api.http import Request, Response
from refimpl.api.resources import CONFIGMAPS
from refimpl.apiserver.server import ApiServer
from refimpl.client.client import Client
from refimpl.client.informer import Informer
from refimpl.client.transport import DirectTransport, Unreachable
from refimpl.storage.memory import MemoryStore


def by_color(obj):
    color = (obj.get("data") or {}).get("color")
    return [color] if color else []


class World:
    def __init__(self, server, clock):
        self.server, self.clock = server, clock
        self.client = Client(DirectTransport(server.handle))
        self.fail = None
        self.streams: list = []
        self.heard: list[tuple] = []
        self.informer = Informer(Client(DirectTransport(self.send)), CONFIGMAPS, clock, indexes={"color": by_color})
        self.informer.add_handler(self.hear)
        self.task = asyncio.create_task(self.informer.run())

    async def send(self, request: Request):
        if self.fail is not None:
            raise self.fail
        response = await self.server.handle(request)
        if request.parameter("watch"):
            self.streams.append(response.body)
        return response

    def hear(self, old, new):
        self.heard.append((old and old["data"]["color"], new and new["data"]["color"]))

    async def put(self, name, color):
        if self.informer.get(name, "default"):
            await self.paint(name, color)
        else:
            body = {"metadata": {"name": name, "namespace": "default"}, "data": {"color": color}}
            await self.client.create(CONFIGMAPS, body)
        await self.clock.sleep(0.1)

    async def paint(self, name, color):
        await self.client.patch(CONFIGMAPS, name, {"data": {"color": color}}, namespace="default", kind="merge")

    def colors(self):
        return sorted(obj["data"]["color"] for obj in self.informer.list())


@pytest.fixture
async def world(clock):
    server = ApiServer(MemoryStore(), clock)
    await server.start()
    world = World(server, clock)
    await world.informer.synced.wait()
    yield world
    world.task.cancel()
    await server.close()


async def test_the_cache_follows_and_handlers_hear_before_and_after(world):
    await world.put("x", "red")
    await world.put("x", "blue")
    await world.client.delete(CONFIGMAPS, "x", namespace="default")
    await world.clock.sleep(0.1)
    assert world.heard == [(None, "red"), ("red", "blue"), ("blue", None)]
    assert world.colors() == []


async def test_a_late_handler_is_told_what_is_known(world):
    await world.put("x", "red")
    told = []
    world.informer.add_handler(lambda old, new: told.append((old, new["data"]["color"])))
    assert told == [(None, "red")]


async def test_indexes_follow_changes_even_when_added_late(world):
    await world.put("x", "red")
    world.informer.add_index("name", lambda obj: [obj["metadata"]["name"]])
    await world.put("x", "blue")
    assert list(world.informer.by_index("color", "red")) == []
    assert [obj["metadata"]["name"] for obj in world.informer.by_index("color", "blue")] == ["x"]
    assert len(list(world.informer.by_index("name", "x"))) == 1


async def test_an_index_name_stands_for_one_function(world):
    world.informer.add_index("color", by_color)
    with pytest.raises(ValueError, match="index 'color' already has another function"):
        world.informer.add_index("color", lambda obj: [])


async def test_after_an_expired_watch_only_the_difference_is_told(world):
    await world.put("x", "red")
    await world.put("y", "green")
    world.fail = expired("too old")
    await world.streams[-1].aclose()
    await world.paint("x", "blue")
    await world.client.delete(CONFIGMAPS, "y", namespace="default")
    await world.clock.sleep(3)
    world.fail = None
    world.heard.clear()
    await world.clock.sleep(60)
    assert sorted(world.heard, key=str) == [("green", None), ("red", "blue")]


async def test_an_outage_is_survived_without_losing_changes(world):
    world.fail = Unreachable("gone")
    await world.streams[-1].aclose()
    await world.put("x", "red")
    await world.clock.sleep(30)
    assert world.colors() == []
    world.fail = None
    await world.clock.sleep(61)
    assert world.heard == [(None, "red")]


async def test_a_server_that_ends_watches_at_once_is_not_asked_in_haste(clock):
    asked = []

    async def hasty(request: Request) -> Response:
        asked.append(clock.monotonic())
        return Response(200, b"" if request.parameter("watch") else b'{"items":[],"metadata":{"resourceVersion":"1"}}')

    informer = Informer(Client(DirectTransport(hasty)), CONFIGMAPS, clock)
    task = asyncio.create_task(informer.run())
    await clock.sleep(60)
    task.cancel()
    assert 4 <= len(asked) <= 10
