"""Every store keeps the promises of `refimpl.storage.base.Store`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refimpl.clock import run, virtual_loop
from refimpl.storage.base import FIRST_REVISION, Event, Mismatch, Store
from refimpl.storage.memory import MemoryStore
from refimpl.storage.sqlite import SqliteStore

Make = Callable[[Path], Store]
STORES: dict[str, Make] = {
    "memory": lambda _: MemoryStore(),
    "sqlite": lambda path: SqliteStore(path / "store.db", threaded=False),
}


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = STORES[request.param](tmp_path)
    await opened.start()
    yield opened
    await opened.close()


async def test_an_empty_store_is_at_the_first_revision(store: Store):
    snapshot = store.subscribe(lambda events: None)
    assert (snapshot.revision, list(snapshot.items), list(snapshot.history)) == (FIRST_REVISION, [], [])


async def test_every_write_has_the_next_revision(store: Store):
    revisions = [await store.write(f"/k{n}", b"v", 0) for n in range(3)]
    assert revisions == [FIRST_REVISION + 1, FIRST_REVISION + 2, FIRST_REVISION + 3]


async def test_a_write_must_name_the_revision_it_replaces(store: Store):
    first = await store.write("/k", b"1", 0)
    second = await store.write("/k", b"2", first)
    for wrong in (0, first, second + 1):
        with pytest.raises(Mismatch):
            await store.write("/k", b"3", wrong)
    await store.write("/k", None, second)
    with pytest.raises(Mismatch):
        await store.write("/k", b"4", second)
    await store.write("/k", b"5", 0)


async def test_a_missing_key_cannot_be_deleted(store: Store):
    with pytest.raises(Mismatch):
        await store.write("/k", None, 7)


async def test_of_two_writes_with_one_expectation_one_wins(store: Store):
    results = await asyncio.gather(store.write("/k", b"a", 0), store.write("/k", b"b", 0), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Mismatch", "int"]


async def test_writes_in_one_turn_see_each_other(store: Store):
    created = asyncio.create_task(store.write("/k", b"a", 0))
    await asyncio.sleep(0)
    deleted = asyncio.create_task(store.write("/k", None, FIRST_REVISION + 1))
    await asyncio.sleep(0)
    again = asyncio.create_task(store.write("/k", b"b", 0))
    assert [await created, await deleted, await again] == [2, 3, 4]


async def test_a_listener_hears_of_a_write_before_it_returns(store: Store):
    heard: list[Event] = []
    store.subscribe(heard.extend)
    revision = await store.write("/k", b"1", 0)
    assert [(event.revision, event.key, event.value, event.previous) for event in heard] == [
        (revision, "/k", b"1", None)
    ]
    await store.write("/k", None, revision)
    assert heard[1].value is None
    assert heard[1].previous is not None
    assert heard[1].previous.value == b"1"


async def test_what_is_unsubscribed_hears_nothing(store: Store):
    heard: list[Sequence[Event]] = []
    store.subscribe(heard.append)
    store.unsubscribe(heard.append)
    await store.write("/k", b"1", 0)
    assert heard == []


async def test_a_snapshot_and_the_events_after_it_are_everything(store: Store):
    await store.write("/b", b"1", 0)
    await store.write("/a", b"2", 0)
    heard: list[Event] = []
    snapshot = store.subscribe(heard.extend)
    await store.write("/c", b"3", 0)
    assert [item.key for item in snapshot.items] == ["/a", "/b"]
    assert [event.key for event in snapshot.history] == ["/b", "/a"]
    assert [event.key for event in heard] == ["/c"]
    assert heard[0].revision == snapshot.revision + 1


async def test_compaction_forgets_the_past_and_keeps_the_present(store: Store):
    first = await store.write("/k", b"1", 0)
    second = await store.write("/k", b"2", first)
    gone = await store.write("/gone", b"x", 0)
    deleted = await store.write("/gone", None, gone)
    await store.compact(gone)
    snapshot = store.subscribe(lambda events: None)
    assert snapshot.compacted == gone
    assert [event.revision for event in snapshot.history] == [deleted]
    assert [(item.key, item.value, item.revision) for item in snapshot.items] == [("/k", b"2", second)]


async def test_the_future_cannot_be_compacted(store: Store):
    revision = await store.write("/k", b"1", 0)
    await store.compact(revision + 10)
    assert store.subscribe(lambda events: None).compacted == FIRST_REVISION


async def test_revisions_are_not_given_again_after_compaction_and_restart(tmp_path: Path):
    store = SqliteStore(tmp_path / "s.db", threaded=False)
    await store.start()
    created = await store.write("/k", b"1", 0)
    deleted = await store.write("/k", None, created)
    await store.compact(deleted)
    await store.close()
    await store.start()
    assert await store.write("/k", b"2", 0) == deleted + 1
    await store.close()


async def test_a_restart_finds_everything_again(tmp_path: Path):
    store = SqliteStore(tmp_path / "s.db", threaded=False)
    await store.start()
    one = await store.write("/one", b"1", 0)
    two = await store.write("/two", b"2", 0)
    new = await store.write("/one", b"3", one)
    await store.write("/two", None, two)
    await store.close()
    reopened = SqliteStore(tmp_path / "s.db", threaded=False)
    await reopened.start()
    snapshot = reopened.subscribe(lambda events: None)
    assert [(item.key, item.value, item.revision) for item in snapshot.items] == [("/one", b"3", new)]
    assert [event.revision for event in snapshot.history] == [one, two, new, new + 1]
    assert snapshot.history[2].previous is not None
    assert snapshot.history[2].previous.value == b"1"
    await reopened.close()


Operations = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["set", "delete", "compact"])), max_size=25)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(operations=Operations)
def test_all_stores_are_the_same(operations: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory):
    """Any series of writes leaves every store, also after a restart, in the same state."""

    async def play(store: Store) -> tuple[object, ...]:
        await store.start()
        heads: dict[str, int] = {}
        last = FIRST_REVISION
        for number, (key, what) in enumerate(operations):
            if what == "compact":
                await store.compact(last - 1)
            elif what == "set":
                last = heads[key] = await store.write(key, b"%d" % number, heads.get(key, 0))
            elif heads.get(key):
                last = await store.write(key, None, heads.pop(key))
        await store.close()
        await store.start()
        snapshot = store.subscribe(lambda events: None)
        await store.close()
        history = [(event.revision, event.key, event.value) for event in snapshot.history]
        return snapshot.revision, snapshot.compacted, list(snapshot.items), history

    path = tmp_path_factory.mktemp("store")
    states = [run(play(make(path)), loop_factory=virtual_loop) for make in STORES.values()]
    assert states[0] == states[1]
