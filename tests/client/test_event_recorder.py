"""The event recorder: what it writes, counts and holds back."""

from __future__ import annotations

import asyncio

from refimpl.api.errors import Object
from refimpl.api.resources import EVENTS
from refimpl.apiserver.server import ApiServer
from refimpl.client.client import Client
from refimpl.client.events import EventRecorder, Rate, SpamFilter
from refimpl.client.transport import DirectTransport
from refimpl.clock import Clock
from refimpl.storage.memory import MemoryStore


def about(name: str = "web") -> Object:
    return {"kind": "Pod", "namespace": "default", "name": name, "uid": f"uid-{name}"}


async def recorded(clock: Clock, *said: tuple[Object, str, str]) -> list[Object]:
    server = ApiServer(MemoryStore(), clock)
    await server.start()
    client = Client(DirectTransport(server.handle))
    recorder = EventRecorder(client, clock, "tester")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(recorder.run())
        for reference, reason, message in said:
            recorder.event(reference, "Normal", reason, message)
            await clock.sleep(0.1)
        task.cancel()
    events = (await client.list(EVENTS))["items"]
    await server.close()
    return list(events)


async def test_equal_events_are_counted_and_different_ones_are_not(clock: Clock):
    events = await recorded(clock, (about(), "A", "x"), (about(), "A", "x"), (about(), "A", "y"))
    assert sorted((event["message"], event["count"]) for event in events) == [("x", 2), ("y", 1)]


async def test_an_event_names_its_object_and_its_source(clock: Clock):
    [event] = await recorded(clock, (about(), "A", "x"))
    assert event["involvedObject"] == about()
    assert event["source"] == {"component": "tester"}


async def test_one_object_gets_only_so_many_events_at_once_and_another_its_own(clock: Clock):
    said = [(about(), "A", f"{number}") for number in range(40)]
    events = await recorded(clock, *said, (about("other"), "A", "x"))
    assert sum(event["involvedObject"]["name"] == "web" for event in events) == 25
    assert sum(event["involvedObject"]["name"] == "other" for event in events) == 1


async def test_a_quiet_object_may_be_told_of_again(clock: Clock):
    spam = SpamFilter(clock)
    assert [spam.admits(about()) for _ in range(26)] == [True] * 25 + [False]
    await clock.sleep(301)
    assert [spam.admits(about()) for _ in range(2)] == [True, False]


async def test_a_recorder_writes_a_burst_and_then_at_its_rate(clock: Clock):
    server = ApiServer(MemoryStore(), clock)
    await server.start()
    client = Client(DirectTransport(server.handle))
    recorder = EventRecorder(client, clock, "tester", rate=Rate(per_second=5, at_once=10))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(recorder.run())
        for number in range(20):
            recorder.event(about(f"pod-{number}"), "Normal", "A", "x")
        await clock.sleep(0.1)
        written = [len((await client.list(EVENTS))["items"])]
        await clock.sleep(1)
        written.append(len((await client.list(EVENTS))["items"]))
        task.cancel()
    await server.close()
    assert written == [10, 15]
