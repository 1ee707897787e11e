"""The queue in front of an event recorder: it never waits, and a flood costs two lines of log."""

from __future__ import annotations

import asyncio

import pytest

from refimpl.client.eventqueue import EventQueue


async def test_what_was_put_in_comes_out_in_order():
    queue: EventQueue[int] = EventQueue(3)
    for number in range(3):
        queue.put(number, f"number {number}")
    assert [await queue.get() for _ in range(3)] == [0, 1, 2]


async def test_a_flood_is_cut_and_told_of_once_when_it_begins_and_once_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
):
    queue: EventQueue[int] = EventQueue(2)
    for number in range(5):
        queue.put(number, f"number {number}")
    assert caplog.messages == ["2 events wait already; dropped number 2, and more until they are written"]
    assert [await queue.get() for _ in range(2)] == [0, 1]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 1)
    assert caplog.messages[1:] == ["3 events were dropped, the queue was full"]
    queue.put(9, "number 9")
    assert await queue.get() == 9
    assert len(caplog.messages) == 2
