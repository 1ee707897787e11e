"""The queue of pods that wait for a node."""

from __future__ import annotations

import asyncio

import pytest

from refimpl.clock import Clock
from refimpl.scheduler.config import SchedulerConfig
from refimpl.scheduler.schedulingqueue import SchedulingQueue, backoff
from tests.scheduler.objects import parser, pod, pod_info


@pytest.fixture
def queue(clock: Clock) -> SchedulingQueue:
    return SchedulingQueue(clock, SchedulerConfig())


def anything(pod, far_sighted):
    return True


async def test_the_highest_priority_goes_first_then_the_longest_waiting(queue: SchedulingQueue):
    low, old, young = pod_info(priority=-1), pod_info(), pod_info()
    high = pod_info(priority=7)
    for one in (low, old):
        queue.add(one)
    await asyncio.sleep(1)
    for one in (young, high):
        queue.add(one)
    assert [(await queue.pop()).pod for _ in range(4)] == [high, old, young, low]


async def test_pop_waits_for_a_pod(queue: SchedulingQueue):
    wanted = pod_info()
    popping = asyncio.create_task(queue.pop())
    await asyncio.sleep(5)
    assert not popping.done()
    queue.add(wanted)
    assert (await popping).pod is wanted


async def test_an_unschedulable_pod_rests_until_an_event_may_help_it(queue: SchedulingQueue):
    queue.add(pod_info())
    queue.unschedulable(await queue.pop())
    popping = asyncio.create_task(queue.pop())
    queue.move(lambda *_: False)
    await asyncio.sleep(60)
    assert not popping.done()
    queue.move(anything)
    await popping


async def test_an_idle_scheduler_does_not_wait_for_a_back_off(queue: SchedulingQueue):
    queue.add(pod_info())
    queue.unschedulable(await queue.pop())
    queue.move(anything)
    before = asyncio.get_running_loop().time()
    await queue.pop()
    assert asyncio.get_running_loop().time() == before


async def test_a_pod_that_backs_off_lets_the_others_pass(queue: SchedulingQueue):
    hopeless, hopeful = pod_info(priority=9), pod_info()
    queue.add(hopeless)
    queue.unschedulable(await queue.pop())
    queue.move(anything)
    assert queue.place_of(hopeless.uid) == "backoff"
    queue.add(hopeful)
    assert (await queue.pop()).pod is hopeful
    assert (await queue.pop()).pod is hopeless


async def test_a_back_off_ends_by_itself(queue: SchedulingQueue):
    hopeless = pod_info(priority=9)
    queue.add(hopeless)
    queue.unschedulable(await queue.pop())
    queue.move(anything)
    await asyncio.sleep(1)
    queue.add(pod_info())
    assert (await queue.pop()).pod is hopeless


async def test_nothing_shortens_the_wait_after_an_error(queue: SchedulingQueue):
    queue.add(pod_info())
    queued = await queue.pop()
    for expected in (1, 2, 4, 8, 10, 10):
        before = asyncio.get_running_loop().time()
        queue.failed(queued)
        queue.move(anything)
        queued = await queue.pop()
        assert asyncio.get_running_loop().time() - before == pytest.approx(expected)


def test_the_back_off_doubles_up_to_its_limit():
    config = SchedulerConfig(pod_initial_backoff_seconds=1, pod_max_backoff_seconds=10)
    assert [backoff(config, attempts) for attempts in range(7)] == [0, 1, 2, 4, 8, 10, 10]


async def test_a_leftover_is_tried_again_after_five_minutes(queue: SchedulingQueue):
    waiting = pod_info()
    queue.add(waiting)
    queue.unschedulable(await queue.pop())
    await asyncio.sleep(299)
    queue.flush_leftover()
    assert queue.place_of(waiting.uid) == "unschedulable"
    await asyncio.sleep(1)
    queue.flush_leftover()
    assert queue.place_of(waiting.uid) == "active"


async def test_one_question_is_asked_for_all_pods_of_a_kind(queue: SchedulingQueue):
    for requests in ({"cpu": "1"}, {"cpu": "1"}, {"cpu": "2"}):
        queue.add(pod_info(requests=requests))
    for queued in [await queue.pop() for _ in range(3)]:
        queue.unschedulable(queued)
    asked = []
    queue.move(lambda pod, _: asked.append(pod) or pod.asks.requests == {"cpu": 1000})
    assert len(asked) == 2
    assert len(queue) == 3
    await queue.pop()
    await queue.pop()
    assert {queued.place for queued in queue._pods.values()} == {"in flight", "unschedulable"}


async def test_a_gated_pod_waits_for_its_last_gate(queue: SchedulingQueue):
    gated = pod(schedulingGates=[{"name": "example.com/a"}], uid="gated")
    queue.add(parser.parse(gated))
    queue.move(anything)
    assert queue.place_of("gated") == "gated"
    queue.update(parser.parse(pod(uid="gated")))
    assert (await queue.pop()).pod.uid == "gated"


async def test_a_change_of_what_a_waiting_pod_asks_for_makes_it_ready(queue: SchedulingQueue):
    queue.add(parser.parse(pod(uid="one")))
    queue.unschedulable(await queue.pop())
    queue.update(parser.parse(pod(uid="one")))
    assert queue.place_of("one") == "unschedulable"
    queue.update(parser.parse(pod(uid="one", tolerations=[{"operator": "Exists"}])))
    assert queue.place_of("one") == "backoff"


@pytest.mark.parametrize("give_back", [SchedulingQueue.unschedulable, SchedulingQueue.failed])
async def test_a_pod_removed_while_it_was_being_tried_does_not_come_back(queue: SchedulingQueue, give_back):
    gone = pod_info()
    queue.add(gone)
    queued = await queue.pop()
    queue.remove(gone.uid)
    give_back(queue, queued)
    queue.move(anything)
    assert gone.uid not in queue
    assert not queue._unschedulable


async def test_a_removed_pod_is_not_handed_out(queue: SchedulingQueue):
    gone, other = pod_info(), pod_info()
    queue.add(gone)
    queue.add(other)
    queue.remove(gone.uid)
    assert (await queue.pop()).pod is other


async def test_a_held_pod_stays_until_it_is_released(queue: SchedulingQueue):
    held = pod_info()
    queue.add(held)
    queue.unschedulable(await queue.pop(), held=True)
    queue.move(anything)
    assert queue.place_of(held.uid) == "unschedulable"
    queue.release(held.uid, activate=False)
    queue.move(anything)
    assert queue.place_of(held.uid) == "backoff"
