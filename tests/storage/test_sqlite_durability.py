"""What SQLite promises beyond the common contract: group commit, and survival of kill -9. These need real time."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from refimpl.storage.base import StoreFailed
from refimpl.storage.sqlite import SqliteStore

WRITER = """
import asyncio, sys
from pathlib import Path
from refimpl.storage.sqlite import SqliteStore

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await store.start()
    async def writer(name):
        revision = 0
        while True:
            revision = await store.write(f"/{name}", str(revision).encode(), revision)
            print(name, revision, flush=True)
    await asyncio.gather(*(writer(name) for name in "abcdefgh"))

asyncio.run(main())
"""


def run_until_killed(path: Path) -> dict[str, int]:
    """Starts a writing process, kills it, and returns the last revision of each key that it said was written."""
    acknowledged: dict[str, int] = {}
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(400):
            name, revision = process.stdout.readline().split()
            acknowledged[f"/{name}"] = int(revision)
        process.send_signal(signal.SIGKILL)
        for line in process.stdout.read().splitlines()[:-1]:
            name, revision = line.split()
            acknowledged[f"/{name}"] = int(revision)
    return acknowledged


@pytest.mark.live
async def test_an_acknowledged_write_survives_kill_9(tmp_path: Path):
    path = tmp_path / "s.db"
    acknowledged = run_until_killed(path)
    store = SqliteStore(path)
    await store.start()
    snapshot = store.subscribe(lambda events: None)
    kept = {item.key: item.revision for item in snapshot.items}
    assert all(kept[key] >= revision for key, revision in acknowledged.items())
    assert await store.write("/new", b"", 0) > max(acknowledged.values())
    await store.close()


@pytest.mark.live
async def test_writers_share_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store = SqliteStore(tmp_path / "s.db")
    await store.start()
    sizes: list[int] = []
    commit = store._commit
    monkeypatch.setattr(store, "_commit", lambda batch: (sizes.append(len(batch.writes)), commit(batch))[1])
    await asyncio.gather(*(store.write(f"/{n}", b"v", 0) for n in range(200)))
    await store.close()
    assert sum(sizes) == 200
    assert len(sizes) < 20


@pytest.mark.live
async def test_a_second_process_is_refused(tmp_path: Path):
    first, second = SqliteStore(tmp_path / "s.db"), SqliteStore(tmp_path / "s.db")
    await first.start()
    await first.write("/k", b"v", 0)
    with pytest.raises(StoreFailed, match="locked"):
        await second.start()
    await first.close()


@pytest.mark.live
async def test_after_a_failed_commit_nothing_is_written_any_more(tmp_path: Path):
    store = SqliteStore(tmp_path / "s.db")
    await store.start()
    store._db.execute("drop table log")
    with pytest.raises(StoreFailed):
        await store.write("/k", b"v", 0)
    with pytest.raises(StoreFailed):
        await store.write("/k", b"v", 0)
    await store.close()


async def test_a_caller_that_gives_up_does_not_take_its_write_back(tmp_path: Path):
    store = SqliteStore(tmp_path / "s.db", threaded=False)
    await store.start()
    seen: list[str] = []
    store.subscribe(lambda events: seen.extend(event.key for event in events))
    impatient = asyncio.create_task(store.write("/k", b"v", 0))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await store.write("/other", b"v", 0)
    assert impatient.cancelled()
    assert seen == ["/k", "/other"]
    await store.close()
