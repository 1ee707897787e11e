"""The scheduler's events."""

from __future__ import annotations

import asyncio

import pytest

from refimpl.api.resources import EVENTS_V1
from refimpl.apiserver.server import ApiServer
from refimpl.client.client import Client
from refimpl.client.transport import DirectTransport
from refimpl.clock import Clock
from refimpl.scheduler.recorder import SchedulerEvents
from refimpl.storage.memory import MemoryStore
from tests.scheduler.objects import pod_info


@pytest.fixture
async def client(clock: Clock):
    server = ApiServer(MemoryStore(), clock)
    await server.start()
    yield Client(DirectTransport(server.handle))
    await server.close()


@pytest.fixture
async def events(client: Client, clock: Clock):
    events = SchedulerEvents(client, clock, "default-scheduler", "default-scheduler-1")
    running = asyncio.create_task(events.run())
    yield events
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def written(client: Client):
    await asyncio.sleep(0.1)
    return (await client.list(EVENTS_V1))["items"]


async def test_an_event_says_who_did_what_about_which_pod(client: Client, events: SchedulerEvents):
    pod, other = pod_info("web"), pod_info("important")
    events.preempted(pod, other, "n1")
    [event] = await written(client)
    assert event["regarding"]["uid"] == pod.uid
    assert event["related"]["uid"] == other.uid
    assert event["note"] == f"Preempted by pod {other.uid} on node n1"
    assert (event["reason"], event["action"], event["type"]) == ("Preempted", "Preempting", "Normal")
    assert event["reportingInstance"] == "default-scheduler-1"


async def test_the_same_again_becomes_a_series_that_is_written_now_and_then(client: Client, events: SchedulerEvents):
    pod = pod_info("web")
    counts = []
    for _ in range(8):
        events.failed(pod, "no room")
        [event] = await written(client)
        counts.append((event.get("series") or {}).get("count", 1))
        await asyncio.sleep(100)
    assert counts == [1, 2, 2, 2, 2, 6, 6, 6]


async def test_another_reason_why_is_another_event(client: Client, events: SchedulerEvents):
    pod = pod_info("web")
    events.failed(pod, "no room")
    events.failed(pod, "no nodes")
    assert sorted(event["note"] for event in await written(client)) == ["no nodes", "no room"]


async def test_a_series_whose_event_has_expired_begins_anew(client: Client, events: SchedulerEvents):
    pod = pod_info("web")
    events.failed(pod, "no room")
    [event] = await written(client)
    await client.delete(EVENTS_V1, event["metadata"]["name"], namespace="default")
    events.failed(pod, "no room")
    [again] = await written(client)
    assert again["metadata"]["name"] != event["metadata"]["name"]


async def test_a_note_is_cut_to_what_the_api_takes(client: Client, events: SchedulerEvents):
    events.failed(pod_info("web"), "x" * 5000)
    [event] = await written(client)
    assert len(event["note"]) == 1024
