"""The work queue, retries and parallel work."""

import asyncio

import pytest

from refimpl.api.errors import bad_request, conflict
from refimpl.api.resources import NODES
from refimpl.client.parallel import in_parallel
from refimpl.client.retry import retry_on_conflict
from refimpl.client.workqueue import WorkQueue, work


async def test_a_waiting_key_is_handed_out_once(clock):
    queue: WorkQueue[str] = WorkQueue(clock)
    for key in "aba":
        queue.add(key)
    assert [await queue.get(), await queue.get(), len(queue)] == ["a", "b", 0]


async def test_a_key_added_while_worked_on_comes_again_afterwards(clock):
    queue: WorkQueue[str] = WorkQueue(clock)
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    assert len(queue) == 0
    queue.done(key)
    assert await queue.get() == "a"


async def test_the_earlier_of_two_delays_wins(clock):
    queue: WorkQueue[str] = WorkQueue(clock)
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    await queue.get()
    assert clock.monotonic() == 5


async def test_failures_come_back_later_and_later_until_they_succeed(clock):
    queue: WorkQueue[str] = WorkQueue(clock, base_delay=1)
    tries: list[float] = []

    async def reconcile(key: str) -> None:
        tries.append(clock.monotonic())
        if len(tries) < 4:
            raise [conflict(NODES, key), RuntimeError("bug"), conflict(NODES, key)][len(tries) - 1]

    queue.add("a")
    task = asyncio.create_task(work(queue, reconcile, name="test"))
    await clock.sleep(60)
    task.cancel()
    assert tries == [0, 1, 3, 7]


async def test_conflicts_are_retried_and_other_failures_are_not(clock):
    failures = [conflict(NODES, "n"), conflict(NODES, "n")]

    async def attempt() -> str:
        if failures:
            raise failures.pop()
        return "done"

    assert await retry_on_conflict(attempt, clock) == "done"
    assert 0.2 <= clock.monotonic() <= 0.4
    failures.append(bad_request("no"))
    with pytest.raises(type(failures[0]), match="no"):
        await retry_on_conflict(attempt, clock)


async def test_retries_end(clock):
    tries = []

    async def attempt() -> None:
        tries.append(1)
        raise conflict(NODES, "n")

    with pytest.raises(Exception, match="Operation cannot be fulfilled"):
        await retry_on_conflict(attempt, clock)
    assert len(tries) == 5


async def test_no_more_than_the_workers_work_at_the_same_time(clock):
    busy, most, done = 0, 0, []

    async def act(item: int) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await clock.sleep(1)
        busy -= 1
        done.append(item)

    await in_parallel(range(10), act, workers=4)
    assert (most, clock.monotonic(), sorted(done)) == (4, 3, list(range(10)))
