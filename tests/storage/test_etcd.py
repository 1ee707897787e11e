"""What etcd adds to the common contract: several servers on one store, and members that come and go."""

from __future__ import annotations

import asyncio
from pathlib import Path
from shutil import which

import pytest

from bench.process import free_port
from refimpl.storage import etcd as store_module
from refimpl.storage.base import Event, Mismatch, StoreFailed
from refimpl.storage.etcd import EtcdStore
from refimpl.storage.etcdgateway import Gateway, Outcome, Unavailable
from tests.storage.etcdprocess import etcd, start, stop

pytestmark = [pytest.mark.live, pytest.mark.skipif(which("etcd") is None, reason="there is no etcd here")]


async def test_two_stores_on_one_etcd_see_one_order(tmp_path: Path):
    async with etcd(tmp_path) as url:
        stores = [EtcdStore([url]), EtcdStore([url])]
        heard: list[list[Event]] = [[], []]
        for store, events in zip(stores, heard, strict=True):
            await store.start()
            store.subscribe(events.extend)
        writes = [stores[number % 2].write(f"/registry/k{number}", b"v", 0) for number in range(40)]
        revisions = await asyncio.gather(*writes)
        with pytest.raises(Mismatch):
            await stores[1].write("/registry/k0", b"w", 0)
        last = await stores[1].write("/registry/last", b"v", 0)
        # Its own next write comes back after everything before it.
        await stores[0].write("/registry/end", b"v", 0)
        assert heard[0][:41] == heard[1][:41]
        assert heard[0][40].revision == last
        assert sorted(revisions) == [event.revision for event in heard[0][:40]]
        for store in stores:
            await store.close()


async def test_a_restart_of_etcd_is_survived(tmp_path: Path):
    client, peer = free_port(), free_port()
    process = await start(tmp_path, client, peer)
    store = EtcdStore(["http://127.0.0.1:1", f"http://127.0.0.1:{client}"])
    await store.start()
    first = await store.write("/registry/k", b"1", 0)
    await stop(process)
    writing = asyncio.create_task(store.write("/registry/k", b"2", first))
    await asyncio.sleep(0.2)
    process = await start(tmp_path, client, peer)
    assert await writing > first
    await store.close()
    again = EtcdStore([f"http://127.0.0.1:{client}"])
    await again.start()
    assert [item.value for item in again.subscribe(lambda events: None).items] == [b"2"]
    await again.close()
    await stop(process)


async def test_a_write_whose_answer_was_lost_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = Gateway.write
    lost = []

    async def lose_the_first_answer(gateway: Gateway, key: str, value: bytes | None, expected: int) -> Outcome:
        outcome = await asked(gateway, key, value, expected)
        if not lost:
            lost.append(outcome.revision)
            raise Unavailable("no answer")
        return outcome

    monkeypatch.setattr(Gateway, "write", lose_the_first_answer)
    async with etcd(tmp_path) as url:
        store = EtcdStore([url])
        await store.start()
        assert await store.write("/registry/k", b"1", 0) == lost[0]
        await store.close()


async def test_what_others_keep_in_the_same_etcd_is_left_alone(tmp_path: Path):
    async with etcd(tmp_path) as url:
        other, store = EtcdStore([url], prefix="/other/"), EtcdStore([url])
        await other.start()
        await other.write("/other/k", b"1", 0)
        await store.start()
        assert list(store.subscribe(lambda events: None).items) == []
        await other.write("/other/k2", b"1", 0)
        assert await store.write("/registry/k", b"1", 0) > 0
        for opened in (store, other):
            await opened.close()


async def test_without_etcd_the_store_does_not_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store_module, "ATTEMPTS", 2)
    monkeypatch.setattr(store_module, "PAUSE", 0.01)
    with pytest.raises(StoreFailed):
        await EtcdStore(["http://127.0.0.1:1"]).start()
