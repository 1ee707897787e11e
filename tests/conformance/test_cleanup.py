"""What a killed run left is found by its label and removed, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from conformance.client import ApiClient
from conformance.clock import SuiteClock
from conformance.drive.scenarios.master.silence import silence
from conformance.kinds import NODE
from conformance.runner import cleanup
from conformance.runner.session import Session
from conformance.target import Connection
from fixtures import cleanup as command
from fixtures.reference import ReferenceTarget
from tests.conformance.runs import EMPTY, inventory


class Shared(ReferenceTarget):
    """A master that outlives the sessions on it."""

    @asynccontextmanager
    async def open(self, seed: int) -> AsyncIterator[Connection]:
        if not hasattr(self, "connection"):
            self.context = super().open(seed)
            self.connection = await self.context.__aenter__()
        yield self.connection


async def killed_run(target: Shared, seed: int) -> str:
    """A run whose process died: nothing was cleaned up. Returns its id."""
    session = Session(target, seed=seed)
    await session.open([silence])
    await session.play([silence])
    await asyncio.sleep(25)
    await session._plays.stop()
    for watch in session._watching:
        watch.cancel()
    return session.run_id


@pytest.mark.parametrize("which", ["one", "all"])
async def test_a_killed_run_is_removed_by_its_id(which: str):
    target = Shared()
    first = await killed_run(target, 1)
    second = await killed_run(target, 2)
    wire = target.connection.new_wire()
    client = ApiClient(wire, clock=SuiteClock(seed=0), who="cleanup", note=lambda _: None)
    await client.create(NODE.path(), {"metadata": {"name": "somebody-else"}})
    found, left = await cleanup.clean_up(client, first if which == "one" else "*", SuiteClock(seed=0))
    assert found > 6
    assert left == []
    remaining = [name for names in (await inventory(wire)).values() for name in names]
    assert not any(first in name for name in remaining)
    assert any(second in name for name in remaining) is (which == "one")
    if which == "all":
        assert await inventory(wire) == {**EMPTY, "Node": ["somebody-else"]}
    await target.context.__aexit__(None, None, None)


def test_an_unreachable_cluster_is_one_line(capsys: pytest.CaptureFixture[str]):
    assert command.main(["--run-id", "abc", "--kubeconfig", "/nowhere"]) == 2
    assert capsys.readouterr().err == "error: kubeconfig /nowhere: No such file or directory\n"


def test_one_has_to_say_which_run(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        command.main([])
    assert "--run-id" in capsys.readouterr().err
