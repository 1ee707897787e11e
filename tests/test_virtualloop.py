"""The virtual loop: time jumps where it may, and waits where it must."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.clock import run, virtual_loop


async def test_a_year_of_waiting_takes_no_time():
    await asyncio.sleep(365 * 86400)
    assert asyncio.get_running_loop().time() == 365 * 86400


async def test_timers_fire_in_their_order_and_at_their_times():
    loop = asyncio.get_running_loop()
    seen: list[tuple[str, float]] = []

    async def wait(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append((name, loop.time()))

    await asyncio.gather(wait("late", 3), wait("early", 1), wait("middle", 2.5))
    assert seen == [("early", 1), ("middle", 2.5), ("late", 3)]


async def test_a_timeout_ends_what_never_comes():
    try:
        async with asyncio.timeout(60):
            await asyncio.Event().wait()
    except TimeoutError:
        assert asyncio.get_running_loop().time() == 60


@given(st.lists(st.integers(1, 10**8), min_size=1, max_size=30))
def test_sums_of_waits_are_round(waits: list[int]):
    async def wait_for_all() -> float:
        for microseconds in waits:
            await asyncio.sleep(microseconds / 10**6)
        return asyncio.get_running_loop().time()

    assert run(wait_for_all(), loop_factory=virtual_loop) == float(Fraction(sum(waits), 10**6))


async def test_time_does_not_jump_while_a_thread_works():
    loop = asyncio.get_running_loop()
    done = threading.Event()
    working = loop.run_in_executor(None, done.wait)
    timer = asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0.05)
    assert loop.time() < 60
    done.set()
    assert await working
    await timer
    assert loop.time() == 3600


async def test_what_comes_through_a_socket_is_seen_before_time_jumps():
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.send(b"x")
        async with asyncio.timeout(1):
            assert await loop.sock_recv(ours, 1) == b"x"
    assert loop.time() == 0


async def test_a_signal_is_seen_although_nothing_waits_for_the_outside():
    loop = asyncio.get_running_loop()
    seen = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, seen.set)
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        async with asyncio.timeout(3600):
            while not seen.is_set():  # noqa: ASYNC110 - time that jumps over the signal would end the wait at once
                await asyncio.sleep(1)
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)


async def test_a_call_from_another_thread_is_taken():
    loop = asyncio.get_running_loop()
    called: asyncio.Future[str] = loop.create_future()
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(called.set_result, "hello"))
    thread.start()
    thread.join()
    assert await called == "hello"


@pytest.mark.parametrize("fraction", [5e-10, 4e-7, 9.99e-7])
async def test_who_waits_until_a_moment_has_passed_sees_it_pass(fraction: float):
    loop = asyncio.get_running_loop()
    await asyncio.sleep(100)
    until, tries = 100 + fraction, 0
    while (left := until - loop.time()) > 0:
        await asyncio.sleep(left)
        tries += 1
        assert tries < 5
    assert loop.time() == 100.000001
