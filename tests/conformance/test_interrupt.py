"""SIGTERM ends what is waited for, and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from conformance.pytest_plugin.interrupt import sigterm_as_ctrl_c


@pytest.fixture(params=[signal.default_int_handler, signal.SIG_IGN], ids=["usual", "in-the-background"])
def on_sigint(request: pytest.FixtureRequest) -> Iterator[object]:
    """What SIGINT does when the session begins."""
    before = signal.signal(signal.SIGINT, request.param)
    yield request.param
    signal.signal(signal.SIGINT, before)


def test_sigterm_cancels_what_is_waited_for_and_leaves_other_tasks_alone(on_sigint: object):
    ended: list[str] = []

    async def bystander() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(100):
            await asyncio.sleep(0)
        ended.append("bystander")

    async def waiting(others: set[asyncio.Task[None]]) -> None:
        others.add(asyncio.create_task(bystander()))
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("waiting")
            raise

    others: set[asyncio.Task[None]] = set()
    with asyncio.Runner() as runner, sigterm_as_ctrl_c():
        with pytest.raises(KeyboardInterrupt):
            runner.run(waiting(others))
        runner.run(asyncio.wait_for(others.pop(), timeout=10))
    assert ended == ["waiting", "bystander"]
    assert signal.getsignal(signal.SIGINT) is on_sigint


def test_sigterm_means_again_what_it_meant_before():
    before = signal.getsignal(signal.SIGTERM)
    with sigterm_as_ctrl_c():
        pass
    assert signal.getsignal(signal.SIGTERM) is before
