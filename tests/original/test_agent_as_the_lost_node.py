"""The master suite's transfer scenario at a master nobody here wrote, with a real agent as the node that is lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import psutil
import pytest

from refimpl.api.resources import LEASES, NAMESPACES, NODES, PODS
from refimpl.client.client import Client
from tests.original.plane import VARIABLE, Plane, control_plane, missing

pytestmark = [pytest.mark.live, pytest.mark.timeout(600), pytest.mark.skipif(bool(missing()), reason=missing())]

ROOT = Path(__file__).parents[2]
KUBEMARK = Path(os.environ.get(VARIABLE, "")) / "kubemark"
WAITS = 60.0
"""Seconds for what nobody has to wait for, on a machine that has much to do."""


@attrs.define(eq=False)
class Suite:
    """A run of the suite as users start it, with a folder of its own for everything that it makes."""

    plane: Plane
    folder: Path
    process: asyncio.subprocess.Process

    async def ended(self) -> tuple[int, str]:
        """Its exit code, and what it printed."""
        said, _ = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, said.decode()

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return found["runs"][0]

    def processes(self) -> list[str]:
        """What still runs of its agent: everything that works in its folder or names it."""
        found = []
        for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
            words = " ".join([*(process.info["cmdline"] or ()), process.info["cwd"] or ""])
            if str(self.folder / "tmp") in words and process.pid != self.process.pid:
                found.append(words)
        return found


@contextlib.asynccontextmanager
async def suite(plane: Plane, folder: Path, grace: int, *driver: str) -> AsyncIterator[Suite]:
    (folder / "tmp").mkdir(parents=True)
    words = ["conformance/master", "-k", "transfer or stateful", "--kubeconfig", str(plane.kubeconfig), "--agent-joins"]
    words += [*driver, "--timing", "P=1", "--timing", f"G={grace}", "--timing", "node-eviction-rate=0.5"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", *words),
        *("--report-json", str(folder / "report.json"), "--history-out", str(folder / "history.jsonl")),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder / "tmp")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield Suite(plane, folder, process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def nothing_is_left(run: Suite) -> None:
    async with contextlib.aclosing(run.plane.client()) as client:
        names = [name for kind in (NODES, LEASES, PODS, NAMESPACES) for name in await names_of(client, kind)]
    assert [name for name in names if name.startswith("nc-")] == []
    assert run.processes() == []
    assert list((run.folder / "tmp").glob("node-contract-*")) == []


async def names_of(client: Client, kind: Any) -> list[str]:
    return [item["metadata"]["name"] for item in (await client.list(kind))["items"]]


async def test_the_reference_kubelet_is_lost_and_comes_back(tmp_path: Path):
    async with (
        control_plane(tmp_path / "plane", grace=20) as plane,
        suite(plane, tmp_path / "suite", 20, "--driver", "reference-live") as run,
    ):
        code, said = await run.ended()
        assert code == 0, said
        assert run.report()["counts"] == {"pass": 16, "unsupported": 2}, said
        await nothing_is_left(run)


@pytest.mark.skipif(not os.access(KUBEMARK, os.X_OK), reason=f"${VARIABLE} has no kubemark")
async def test_a_hollow_node_is_lost_and_comes_back(tmp_path: Path):
    async with (
        control_plane(tmp_path / "plane", grace=32) as plane,
        suite(plane, tmp_path / "suite", 32, "--driver", "hollow", "--kubemark", str(KUBEMARK)) as run,
    ):
        code, said = await run.ended()
        assert code == 0, said
        assert run.report()["counts"] == {"pass": 16, "unsupported": 2}, said
        await nothing_is_left(run)


async def test_a_run_that_is_interrupted_ends_its_agent_and_removes_its_node(tmp_path: Path):
    async with (
        control_plane(tmp_path / "plane", grace=20) as plane,
        suite(plane, tmp_path / "suite", 20, "--driver", "reference-live") as run,
        contextlib.aclosing(plane.client()) as client,
    ):
        async with asyncio.timeout(WAITS):
            while not any(name.endswith("transfer-bare") for name in await names_of(client, PODS)):  # noqa: ASYNC110
                await asyncio.sleep(0.5)
        assert run.processes()
        run.process.send_signal(signal.SIGINT)
        code, said = await run.ended()
        assert code == pytest.ExitCode.INTERRUPTED, said
        await nothing_is_left(run)
