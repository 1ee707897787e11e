"""Lists: pages of one consistent state, versions of the past and of the future."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import CONFIGMAPS
from refimpl.apiserver.objects.cache import Change, Entry, ResourceCache, TooOld
from refimpl.apiserver.server import ApiServer
from refimpl.client.client import Client
from refimpl.client.transport import DirectTransport
from refimpl.clock import Clock, run, virtual_loop
from refimpl.storage.memory import MemoryStore

PATH = CONFIGMAPS.path("default")


def config_map(name: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default"}}


def names(listed: Object) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


async def page(client: Client, **query: str) -> Object:
    return await client.request("GET", PATH, query={key.rstrip("_"): value for key, value in query.items()})


async def fill(client: Client, *wanted: str) -> None:
    for name in wanted:
        await client.create(CONFIGMAPS, config_map(name))


Writes = st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=12)


@settings(max_examples=60, deadline=None)
@given(before=Writes, during=st.lists(Writes, max_size=4), limit=st.integers(1, 4))
def test_pages_show_the_state_at_the_first_of_them(
    before: list[tuple[str, bool]], during: list[list[tuple[str, bool]]], limit: int
):
    async def play() -> None:
        server = ApiServer(MemoryStore(), Clock.virtual())
        await server.start()
        client = Client(DirectTransport(server.handle))
        present: set[str] = set()

        async def write(changes: list[tuple[str, bool]]) -> None:
            for name, exists in changes:
                if exists and name not in present:
                    await client.create(CONFIGMAPS, config_map(name))
                elif not exists and name in present:
                    await client.delete(CONFIGMAPS, name, namespace="default")
                (present.add if exists else present.discard)(name)

        await write(before)
        expected = sorted(present)
        listed = await page(client, limit=str(limit))
        version, found = listed["metadata"]["resourceVersion"], names(listed)
        remaining = listed["metadata"].get("remainingItemCount", 0)
        assert remaining == len(expected) - len(found)
        changes = iter(during)
        while token := listed["metadata"].get("continue"):
            await write(next(changes, []))
            listed = await page(client, limit=str(limit), continue_=token)
            assert listed["metadata"]["resourceVersion"] == version
            found += names(listed)
        assert found == expected
        await server.close()

    run(play(), loop_factory=virtual_loop)


async def test_a_token_of_a_forgotten_state_offers_to_go_on_without_it(server: ApiServer, client: Client):
    await fill(client, "a", "b", "c")
    token = (await page(client, limit="1"))["metadata"]["continue"]
    await fill(client, "bb")
    await server.registry.compact(server.registry.revision)
    with pytest.raises(ApiError) as refusal:
        await page(client, limit="1", continue_=token)
    assert (refusal.value.code, refusal.value.reason) == (410, "Expired")
    going_on = refusal.value.status["metadata"]["continue"]
    rest = await page(client, limit="2", continue_=going_on)
    assert names(rest) == ["b", "bb"]
    last = await page(client, limit="2", continue_=rest["metadata"]["continue"])
    assert names(last) == ["c"]


async def test_a_list_waits_for_a_version_that_is_about_to_come(server: ApiServer, client: Client, clock: Clock):
    await fill(client, "a")
    soon = str(server.registry.revision + 1)
    waiting = asyncio.create_task(page(client, resourceVersion=soon))
    await asyncio.sleep(1)
    await fill(client, "b")
    assert names(await waiting) == ["a", "b"]


async def test_a_list_does_not_wait_for_ever(server: ApiServer, client: Client, clock: Clock):
    begun = clock.monotonic()
    with pytest.raises(ApiError) as refusal:
        await page(client, resourceVersion=str(server.registry.revision + 1))
    assert (refusal.value.code, refusal.value.retry_after) == (504, 1)
    assert clock.monotonic() - begun == 3


async def test_the_clients_whole_list_is_one_state(client: Client):
    await fill(client, *(f"m{number:04}" for number in range(1200)))
    listed = await client.list(CONFIGMAPS, namespace="default")
    assert len(listed["items"]) == 1200
    assert names(listed) == sorted(names(listed))


Changes = st.lists(st.tuples(st.sampled_from(["a", "b", "a/b"]), st.sampled_from(["x", "y", "x-y"]), st.booleans()))


@given(changes=Changes, capacity=st.integers(1, 30))
def test_every_remembered_state_can_be_had_again(changes: list[tuple[str, str, bool]], capacity: int):
    cache = ResourceCache(0, capacity)
    states = {0: []}
    for revision, (namespace, name, exists) in enumerate(changes, 1):
        key = (namespace.replace("/", "-"), name)
        old = cache.entries.get(key)
        if old is None and not exists:
            states[revision] = states[revision - 1]
            continue
        new = Entry(key, revision, json.dumps(key).encode(), {}, {}) if exists else None
        cache.apply(Change(revision, old, new, {}))
        states[revision] = list(cache.ordered())
    for revision, state in states.items():
        if revision >= cache.floor:
            assert list(cache.at(revision)) == state
        else:
            with pytest.raises(TooOld):
                cache.at(revision)
    paths = [f"{entry.key[0]}/{entry.key[1]}" for entry in cache.ordered()]
    assert paths == sorted(paths)
