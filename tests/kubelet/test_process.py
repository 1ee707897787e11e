"""Containers as processes of this machine: exits, signals, output, and a kubelet that dies and returns."""

import asyncio
import contextlib
import errno
import os
import signal
from pathlib import Path

import attrs
import psutil
import pytest

from refimpl.api.resources import PODS
from refimpl.apiserver.server import ApiServer
from refimpl.clock import Clock
from refimpl.kubelet.runtime.base import LogOptions, RuntimeUnavailable, StartFailure
from refimpl.kubelet.runtime.process import ProcessRuntime
from refimpl.kubelet.runtime.processfiles import PodFiles, RunFiles
from refimpl.storage.memory import MemoryStore
from tests.kubelet.kubelet_master import Master, make_kubelet, running, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]


def pod_of(uid="u1", **spec):
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "p1", "namespace": "default", "uid": uid},
        "spec": {"containers": [], **spec},
    }


def sh(text, name="c1", **more):
    return {"name": name, "image": "busybox", "command": ["sh", "-c", text], **more}


@attrs.define(eq=False)
class Bench:
    """A process runtime, and what it told."""

    runtime: ProcessRuntime
    changed: asyncio.Event

    async def run(self, spec, pod=None, attempt=0, env=None):
        pod = pod or pod_of()
        if self.runtime.sandbox(pod["metadata"]["uid"]) is None:
            await self.runtime.run_sandbox(pod, "10.0.0.1")
        return await self.runtime.start_container(pod, spec, attempt, env or {})

    async def until(self, condition):
        """Waits for changes until a condition on the latest run of c1 holds."""
        while True:
            self.changed.clear()
            run = self.runtime.sandbox("u1").latest("c1")
            if condition(run):
                return run
            await self.changed.wait()

    async def ended(self):
        return await self.until(lambda run: not run.running)

    async def output(self, run, **options):
        return b"".join([chunk async for chunk in self.runtime.logs(run.id, LogOptions(**options))])


@contextlib.asynccontextmanager
async def bench_in(directory: Path):
    changed = asyncio.Event()
    runtime = ProcessRuntime(Clock(), directory)
    await runtime.start(lambda _: changed.set())
    yield Bench(runtime, changed)
    await runtime.stop()


@pytest.fixture
async def bench(tmp_path: Path):
    async with bench_in(tmp_path) as made:
        yield made
        await made.runtime.kill_all()


@pytest.mark.parametrize("code", [0, 3])
async def test_exit_codes_and_times_are_kept(bench: Bench, code):
    run = await bench.run(sh(f"exit {code}"))
    ended = await bench.ended()
    assert ended.id == run.id
    assert ended.exit_code == code
    assert ended.started_at <= ended.finished_at


async def test_term_and_kill_end_the_whole_group(bench: Bench):
    run = await bench.run(sh("sleep 1000 & sleep 1000"))
    await bench.runtime.signal(run.id, "TERM")
    assert (await bench.ended()).exit_code == 143


async def test_kill_ends_what_ignores_term(bench: Bench):
    run = await bench.run(sh("trap '' TERM; echo ready; while :; do sleep 1; done"))
    async for chunk in bench.runtime.logs(run.id, LogOptions(follow=True)):
        if b"ready" in chunk:
            break
    await bench.runtime.signal(run.id, "TERM")
    await bench.runtime.signal(run.id, "KILL")
    assert (await bench.ended()).exit_code == 137


async def test_nothing_is_left_of_a_container_that_ended(bench: Bench):
    await bench.run(sh("sleep 1234 & echo $!; exit 0"))
    run = await bench.ended()
    child = int(await bench.output(run))
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


async def test_what_left_the_process_group_ends_with_the_container_too(bench: Bench):
    await bench.run(sh("setsid sleep 1235 & setsid sh -c 'echo $$; exec sleep 1236' & sleep 0.3; exit 0"))
    run = await bench.ended()
    child = int(await bench.output(run))
    assert not psutil.pid_exists(child)


async def test_who_loses_its_parent_is_reaped_while_the_container_runs(bench: Bench):
    run = await bench.run(sh("(sh -c 'echo $$' &); sleep 0.3; echo done; exec sleep 1000"))
    said = b""
    async for chunk in bench.runtime.logs(run.id, LogOptions(follow=True)):
        said += chunk
        if b"done" in said:
            break
    assert not psutil.pid_exists(int(said.split()[0]))
    assert bench.runtime.usage("u1").processes == 1


async def test_a_cgroup_that_cannot_be_entered_keeps_a_container_from_starting(tmp_path: Path):
    runtime = ProcessRuntime(Clock(), tmp_path, [tmp_path / "no" / "cgroup.procs"])
    await runtime.start(lambda _: None)
    await runtime.run_sandbox(pod_of(), "10.0.0.1")
    run = await runtime.start_container(pod_of(), sh("echo here"), 0, {})
    assert (run.running, run.exit_code, run.reason) == (False, 128, "StartError")
    await runtime.kill_all()
    await runtime.stop()


async def test_a_container_for_which_there_is_no_room_is_not_created(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RunFiles, "create", full)
    with pytest.raises(StartFailure, match="No space left on device"):
        await bench.run(sh("echo here"))
    monkeypatch.setattr(PodFiles, "create", full)
    with pytest.raises(StartFailure, match="No space left on device"):
        await bench.run(sh("echo here"), pod=pod_of("u2"))


async def test_an_end_that_cannot_be_noted_is_known_all_the_same(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    run = await bench.run(sh("exec sleep 1000"))
    monkeypatch.setattr(RunFiles, "write_exit", full)
    os.kill(bench.runtime._by_id[run.id].shim, signal.SIGKILL)
    ended = await bench.ended()
    assert (ended.exit_code, ended.message) == (137, "the container's shim was lost")


async def test_an_image_without_command_pauses_until_told_to_end(bench: Bench):
    run = await bench.run({"name": "c1", "image": "pause"})
    assert run.running
    await bench.runtime.signal(run.id, "TERM")
    # The shell may not have set its trap yet: then the signal itself ends it.
    assert (await bench.ended()).exit_code in {0, 143}


async def test_a_program_that_does_not_exist_ends_with_128(bench: Bench):
    run = await bench.run({"name": "c1", "image": "x", "command": ["/no/such/program"]})
    assert (run.running, run.exit_code, run.reason) == (False, 128, "StartError")
    assert "/no/such/program" in run.message


async def test_output_is_kept_with_times_and_can_be_cut(bench: Bench):
    await bench.run(sh("echo one; echo two >&2; sleep 0.2; printf three"))
    run = await bench.ended()
    assert sorted((await bench.output(run)).split()) == [b"one", b"three", b"two"]
    assert await bench.output(run, tail=1) == b"three"
    assert await bench.output(run, tail=0) == b""
    stamped = (await bench.output(run, timestamps=True)).splitlines()
    assert all(line[:4].isdigit() and b"T" in line.split()[0] for line in stamped)
    later = run.finished_at.replace(year=run.finished_at.year + 1)
    assert await bench.output(run, since=later) == b""


async def test_following_ends_with_the_container(bench: Bench):
    run = await bench.run(sh("for i in 1 2 3; do echo line$i; sleep 0.1; done"))
    assert await bench.output(run, follow=True) == b"line1\nline2\nline3\n"


async def test_the_environment_is_the_spec_s(bench: Bench):
    os.environ["NODE_CONTRACT_SECRET"] = "secret"
    try:
        await bench.run(sh("echo $A $HOSTNAME [$NODE_CONTRACT_SECRET]"), env={"A": "1"})
        assert await bench.output(await bench.ended()) == b"1 p1 []\n"
    finally:
        del os.environ["NODE_CONTRACT_SECRET"]


async def test_commands_run_beside_a_container_and_can_be_given_up(bench: Bench):
    run = await bench.run(sh("sleep 1000"))
    result = await bench.runtime.exec(run.id, ["sh", "-c", "echo out; exit 4"])
    assert (result.exit_code, result.output) == (4, b"out\n")
    assert (await bench.runtime.exec(run.id, ["/no/such"])).exit_code == 126
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await bench.runtime.exec(run.id, ["sleep", "1000"])
    assert bench.runtime.usage("u1").memory > 0
    await bench.runtime.signal(run.id, "KILL")
    await bench.ended()
    with pytest.raises(RuntimeUnavailable):
        await bench.runtime.exec(run.id, ["true"])


async def test_probes_over_the_network(bench: Bench):
    async def page(reader, writer):
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    run = await bench.run(sh("sleep 1000"))
    async with await asyncio.start_server(page, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await bench.runtime.connect(run.id, {"httpGet": {"port": port}}, "127.0.0.1") == ""
        assert await bench.runtime.connect(run.id, {"tcpSocket": {"port": port}}, "127.0.0.1") == ""
    assert await bench.runtime.connect(run.id, {"tcpSocket": {"port": port}}, "127.0.0.1") != ""


async def test_a_new_runtime_takes_over_with_output_and_exit_code(tmp_path: Path):
    os.mkfifo(tmp_path / "fifo")
    async with bench_in(tmp_path) as first:
        run = await first.run(sh("echo before; read x < fifo; echo after; exit 6", workingDir=str(tmp_path)))
    async with bench_in(tmp_path) as second:
        found = second.runtime.sandbox("u1").latest("c1")
        assert (found.id, found.running, found.started_at) == (run.id, True, run.started_at)
        await asyncio.to_thread((tmp_path / "fifo").write_text, "go\n")
        ended = await second.ended()
        assert ended.exit_code == 6
        assert await second.output(ended) == b"before\nafter\n"
        await second.runtime.kill_all()
        assert not list(second.runtime.sandboxes())


async def test_an_exit_while_nobody_watched_is_known_afterwards(tmp_path: Path):
    async with bench_in(tmp_path) as first:
        run = await first.run(sh("echo $$; exec sleep 1000"))
        async for chunk in first.runtime.logs(run.id, LogOptions(follow=True)):
            if chunk:
                pid = int(chunk)
                break
    watched = os.pidfd_open(first.runtime._by_id[run.id].shim)
    os.kill(pid, signal.SIGKILL)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(watched, ended.set)
    await ended.wait()
    asyncio.get_running_loop().remove_reader(watched)
    os.close(watched)
    async with bench_in(tmp_path) as second:
        found = second.runtime.sandbox("u1").latest("c1")
        assert (found.running, found.exit_code) == (False, 137)
        await second.runtime.kill_all()


async def test_a_container_whose_shim_was_killed_is_killed_too(bench: Bench):
    run = await bench.run(sh("exec sleep 1000"))
    state = bench.runtime._by_id[run.id]
    os.kill(state.shim, signal.SIGKILL)
    ended = await bench.ended()
    assert (ended.exit_code, ended.message) == (137, "the container's shim was lost")
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(state.pid).wait(timeout=5)


async def test_a_directory_belongs_to_one_kubelet_at_a_time(tmp_path: Path):
    async with bench_in(tmp_path):
        with pytest.raises(RuntimeUnavailable, match="another kubelet"):
            async with bench_in(tmp_path):
                pass
    async with bench_in(tmp_path):
        pass


async def test_only_two_runs_of_a_container_are_remembered(bench: Bench):
    for attempt in range(4):
        await bench.run(sh("exit 1"), attempt=attempt)
        await bench.until(lambda run, attempt=attempt: run.attempt == attempt and not run.running)
    assert [run.attempt for run in bench.runtime.sandbox("u1").containers] == [3, 2]


async def test_a_killed_kubelet_finds_its_processes_again(tmp_path: Path):
    clock = Clock()
    server = ApiServer(MemoryStore(), clock)
    await server.start()
    master = Master(server, clock)
    runtime = ProcessRuntime(clock, tmp_path)
    async with running(make_kubelet(master, runtime=runtime)):
        await master.bind(containers=[sh("echo here; sleep 1000")], terminationGracePeriodSeconds=5)
        before = await until_pod(master, lambda pod: pod["status"].get("phase") == "Running")
    (alive,) = [run.pid for run in runtime._by_id.values()]
    assert psutil.pid_exists(alive)
    async with running(make_kubelet(master, runtime=ProcessRuntime(clock, tmp_path))):
        await until(master, lambda: len(master.asked("PATCH", "/nodes/n1/status")) >= 2)
        assert (await master.pod())["status"] == before["status"]
        assert before["status"]["containerStatuses"][0]["containerID"].startswith("process://")
        await master.client().delete(PODS, "p1", namespace="default")
        await until(master, lambda: master.asked("DELETE", "/pods/p1"))
        assert not psutil.pid_exists(alive)
    assert not list((tmp_path / "pods").iterdir())
    await server.close()


async def until_pod(master, condition):
    async with contextlib.aclosing(master.client().watch(PODS)) as events:
        async for event in events:
            if condition(event.object):
                return event.object
    raise AssertionError("the watch ended")
