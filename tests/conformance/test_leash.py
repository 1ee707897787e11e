"""Agents as processes: they are started, stopped and frozen, and nothing of them outlives the suite."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from conformance.clock import SuiteClock
from conformance.driver import Disturbance
from conformance.record.history import Exchange
from fixtures.agents.leash import Leash, StartError
from fixtures.agents.master import live_master
from refimpl.apiserver.identity import pki
from refimpl.clock import Clock

pytestmark = pytest.mark.live

ORPHAN = "echo hello; setsid sleep 600 & echo $! > {0}/orphan; exec sleep 600"


async def until(holds) -> None:
    """Waits for what only the kernel knows."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def appears(path: Path) -> str:
    await until(lambda: path.exists() and path.read_text().endswith("\n"))
    return path.read_text()  # noqa: ASYNC240


def lives(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and ") Z " not in state.read_text()


async def test_an_agent_is_started_killed_and_nothing_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    folder.mkdir()

    async with Leash(folder) as leash:
        await leash.start(["sh", "-c", ORPHAN.format(folder)])
        orphan = int(await appears(folder / "orphan"))
        await until(lambda: os.getsid(orphan) == orphan)
        assert leash.alive
        await leash.end(kill=True)
        assert (leash.alive, leash.code) == (False, -signal.SIGKILL)
        assert lives(orphan), "what an agent leaves behind lives on, as containers do"
        assert leash.log() == "hello\n"
        await leash.start(["sh", "-c", "exit 3"])
        await until(lambda: not leash.alive)
        assert leash.code == 3
    assert not lives(orphan)
    assert not folder.exists()


async def test_a_frozen_agent_does_nothing_until_it_goes_on(tmp_path: Path) -> None:
    async with Leash(tmp_path) as leash:
        await leash.start(["sh", "-c", "while :; do echo tick; sleep 0.01; done"])
        await appears(tmp_path / "agent.log")
        await leash.signal(signal.SIGSTOP)
        await asyncio.sleep(0.1)
        before = leash.log()
        await asyncio.sleep(0.2)
        assert leash.log() == before
        await leash.signal(signal.SIGCONT)
        await until(lambda: leash.log() != before)


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the system does not say who waits")
async def test_agents_that_share_a_processor_wait_for_it(tmp_path: Path) -> None:
    spin = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nwhile True: pass"
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    async with Leash(folders[0]) as one, Leash(folders[1]) as other:
        assert one.waited() == 0
        for leash in (one, other):
            await leash.start([sys.executable, "-c", spin])
        await until(lambda: one.waited() > 0.05 and other.waited() > 0.05)
        await one.end(kill=True)
        assert one.waited() == 0


async def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with Leash(tmp_path) as leash:
        with pytest.raises(StartError, match="no-such-agent"):
            await leash.start(["no-such-agent"])


HOLDER = """
import asyncio, sys
from pathlib import Path
from fixtures.agents.leash import Leash
async def main():
    async with Leash(Path(sys.argv[1])) as leash:
        await leash.start(["sh", "-c", sys.argv[2]])
        print(flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


async def test_when_the_suite_is_killed_its_agents_go_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    folder.mkdir()
    argv = [sys.executable, "-c", HOLDER, str(folder), ORPHAN.format(folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as suite:  # noqa: ASYNC220
        assert suite.stdout is not None
        suite.stdout.readline()
        orphan = int(await appears(folder / "orphan"))
        os.kill(suite.pid, signal.SIGKILL)
        await until(lambda: not lives(orphan) and not folder.exists())


async def test_a_live_master_records_over_tls_and_breaks_connections(tmp_path: Path) -> None:
    written: list[Exchange] = []

    authority = pki.Authority(tmp_path, Clock())
    async with live_master(SuiteClock(seed=1), written.append, authority) as master:
        access = master.admit("n1")
        tls = ssl.create_default_context(cafile=access.ca)
        tls.load_cert_chain(str(access.certificate), str(access.key))
        async with httpx.AsyncClient(base_url=master.address, verify=tls, trust_env=False) as agent:
            me = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
            reviews = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
            said = (await agent.post(reviews, json=me)).json()
            assert said["status"]["userInfo"]["username"] == "system:node:n1"
            assert json.loads(access.kubeconfig())["clusters"][0]["cluster"]["server"] == master.address
            for kind, error in (("refuse", httpx.ReadError), ("down", httpx.ConnectError)):
                heal = master.disturb(Disturbance(kind))
                # A connection that was there already breaks; a new one meets what the disturbance means.
                with pytest.raises(httpx.NetworkError):
                    await agent.get("/api/v1/nodes")
                with pytest.raises(error):
                    await agent.get("/api/v1/nodes")
                heal()
                assert (await agent.get("/api/v1/nodes")).status_code == 200
            heal = master.disturb(Disturbance("blackhole"))
            with pytest.raises(httpx.TimeoutException):
                await agent.get("/api/v1/nodes", timeout=0.3)
            with pytest.raises(httpx.TimeoutException):
                await agent.get("/api/v1/nodes", timeout=0.3)
            heal()
            assert (await agent.get("/api/v1/nodes")).status_code == 200
    assert [x.status for x in written] == [201, 0, 0, 200, 200, 0, 200]
    assert all(x.connection for x in written)
    assert written[0].connection == written[1].connection != written[2].connection
