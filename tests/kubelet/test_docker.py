"""Containers of a real Docker Engine: exits, signals, limits, output, streams, an engine and a kubelet that die."""

import asyncio
import contextlib

import attrs
import psutil
import pytest

from refimpl.api.resources import PODS
from refimpl.apiserver.server import ApiServer
from refimpl.clock import Clock
from refimpl.kubelet.node.selfcheck import RUNTIME_LIMIT, runtime_errors
from refimpl.kubelet.runtime.base import LogOptions, RuntimeUnavailable, SessionOptions, StartFailure
from refimpl.kubelet.runtime.docker import DockerRuntime
from refimpl.storage.memory import MemoryStore
from tests.kubelet.dockerd import IMAGE, Dockerd, dockerd_here, missing
from tests.kubelet.kubelet_master import Master, make_kubelet, running, until

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(90),
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
]


def pod_of(uid="u1", **spec):
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "p1", "namespace": "default", "uid": uid},
        "spec": {"containers": [], **spec},
    }


def sh(text, name="c1", **more):
    return {"name": name, "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", text], **more}


@attrs.define(eq=False)
class Bench:
    """A Docker runtime, and what it told."""

    runtime: DockerRuntime
    changed: asyncio.Event

    async def run(self, spec, pod=None, attempt=0, env=None):
        pod = pod or pod_of()
        if self.runtime.sandbox(pod["metadata"]["uid"]) is None:
            await self.runtime.run_sandbox(pod, "10.0.0.1")
        return await self.runtime.start_container(pod, spec, attempt, env or {})

    async def until(self, condition, name="c1"):
        """Waits for changes until a condition on the latest run of a container holds."""
        while True:
            self.changed.clear()
            run = self.runtime.sandbox("u1").latest(name)
            if condition(run):
                return run
            await self.changed.wait()

    async def ended(self, name="c1"):
        return await self.until(lambda run: not run.running, name)

    async def output(self, run, **options):
        return b"".join([chunk async for chunk in self.runtime.logs(run.id, LogOptions(**options))])

    async def said(self, run, text):
        """Waits until a container has said something."""
        async with contextlib.aclosing(self.runtime.logs(run.id, LogOptions(follow=True))) as chunks:
            async for chunk in chunks:
                if text in chunk:
                    return


@contextlib.asynccontextmanager
async def bench_of(engine: Dockerd, node="n1"):
    changed = asyncio.Event()
    runtime = DockerRuntime(Clock(), node, engine.folder / "root", engine.config)
    await runtime.start(lambda _: changed.set())
    yield Bench(runtime, changed)
    await runtime.stop()


@pytest.fixture(scope="module")
def engine():
    with dockerd_here() as made:
        yield made


@pytest.fixture
async def bench(engine: Dockerd):
    async with bench_of(engine) as made:
        yield made
        await made.runtime.kill_all()
        assert not list(made.runtime.sandboxes())


async def test_how_containers_end_is_kept(bench: Bench):
    await bench.run(sh("exit 3"))
    ended = await bench.ended()
    assert (ended.exit_code, ended.reason, ended.attempt) == (3, "", 0)
    assert ended.started_at <= ended.finished_at
    deaf = await bench.run(sh("trap '' TERM; echo ready; while :; do sleep 1; done", "deaf"))
    await bench.said(deaf, b"ready")
    polite = await bench.run(sh("trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done", "polite"))
    await bench.said(polite, b"ready")
    for run in (deaf, polite):
        await bench.runtime.signal(run.id, "TERM")
    assert (await bench.ended("polite")).exit_code == 5
    assert bench.runtime.sandbox("u1").latest("deaf").running
    assert bench.runtime.usage("u1").memory > 0
    await bench.runtime.signal(deaf.id, "KILL")
    assert (await bench.ended("deaf")).exit_code == 137
    await bench.runtime.signal(deaf.id, "KILL")


async def test_a_container_that_needs_more_memory_than_its_limit_is_oomkilled(bench: Bench):
    limits = {"limits": {"memory": "16Mi", "cpu": "500m"}}
    await bench.run(sh("head -c 100000000 /dev/zero | { x=$(tr '\\0' 'x'); echo ${#x}; }; exit $?", resources=limits))
    ended = await bench.ended()
    assert ended.reason == "OOMKilled"


async def test_what_cannot_be_started_says_why(bench: Bench):
    run = await bench.run({"name": "c1", "image": IMAGE, "command": ["/no/such/program"]})
    assert (run.running, run.exit_code, run.reason) == (False, 127, "ContainerCannotRun")
    assert "/no/such/program" in run.message
    with pytest.raises(StartFailure) as never:
        await bench.run({"name": "c2", "image": "not-here:1", "imagePullPolicy": "Never"})
    assert never.value.reason == "ErrImageNeverPull"
    with pytest.raises(StartFailure) as pull:
        await bench.run({"name": "c2", "image": "localhost:1/not-here:1", "imagePullPolicy": "IfNotPresent"})
    assert pull.value.reason == "ErrImagePull"


async def test_environment_arguments_directory_and_volumes_are_the_spec_s(bench: Bench):
    pod = pod_of(volumes=[{"name": "v", "emptyDir": {}}])
    mounts = [{"name": "v", "mountPath": "/shared"}]
    spec = sh("echo $A $0 $PWD; echo hi >/shared/f; sleep 0.1", workingDir="/tmp", volumeMounts=mounts)
    await bench.run({**spec, "args": ["$(A)$(B)"]}, pod, env={"A": "1"})
    run = await bench.ended()
    assert await bench.output(run) == b"1 1$(B) /tmp\n"
    await bench.run(sh("cat /shared/f", "c2", volumeMounts=mounts), pod)
    assert await bench.output(await bench.ended("c2")) == b"hi\n"


async def test_output_can_be_cut_and_followed(bench: Bench):
    run = await bench.run(sh("echo one; echo two >&2; sleep 0.3; echo three"))
    assert sorted((await bench.output(run, follow=True)).split()) == [b"one", b"three", b"two"]
    run = await bench.ended()
    assert await bench.output(run, tail=1) == b"three\n"
    assert (await bench.output(run, timestamps=True))[:2] == b"20"
    later = run.finished_at.replace(year=run.finished_at.year + 1)
    assert await bench.output(run, since=later) == b""


async def test_commands_run_in_a_container_with_their_streams(bench: Bench):
    run = await bench.run(sh("trap 'exit 0' TERM; while :; do sleep 0.1; done"), env={"A": "1"})
    result = await bench.runtime.exec(run.id, ["sh", "-c", "echo $A; echo err >&2; exit 4"])
    assert (result.exit_code, sorted(result.output.split())) == (4, [b"1", b"err"])
    assert (await bench.runtime.exec(run.id, ["/no/such"])).exit_code in {126, 127}
    session = await bench.runtime.open_exec(run.id, ["cat"], SessionOptions(stdin=True))
    await session.write(b"back")
    await session.close_input()
    assert [chunk async for chunk in session.output()] == [("stdout", b"back")]
    assert await session.exit_code() == 0
    await session.close()
    terminal = await bench.runtime.open_exec(run.id, ["sh"], SessionOptions(stdin=True, tty=True))
    await terminal.resize(101, 33)
    await terminal.write(b"stty size; exit 7\n")
    said = b"".join([chunk async for _, chunk in terminal.output()])
    assert b"33 101" in said
    assert await terminal.exit_code() == 7
    await terminal.close()
    await bench.runtime.signal(run.id, "KILL")
    await bench.ended()
    with pytest.raises(RuntimeUnavailable):
        await bench.runtime.exec(run.id, ["true"])


async def test_a_command_that_is_given_up_is_ended(bench: Bench):
    run = await bench.run(sh("while :; do sleep 0.1; done"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await bench.runtime.exec(run.id, ["sleep", "4321"])
    await asyncio.sleep(0.3)
    assert not [found for found in psutil.process_iter(["cmdline"]) if found.info["cmdline"] == ["sleep", "4321"]]


async def test_only_two_runs_are_kept_and_nodes_share_an_engine(bench: Bench, engine: Dockerd):
    for attempt in range(3):
        await bench.run(sh("exit 1"), attempt=attempt)
        await bench.until(lambda run, attempt=attempt: run.attempt == attempt and not run.running)
    assert [run.attempt for run in bench.runtime.sandbox("u1").containers] == [2, 1]
    async with bench_of(engine, node="n2") as other:
        assert not list(other.runtime.sandboxes())
    async with bench_of(engine) as again:
        assert again.runtime.sandbox("u1") == bench.runtime.sandbox("u1")
        assert f"{IMAGE}" in {name for image in again.runtime.images() for name in image.names}


async def test_an_engine_that_goes_away_loses_no_container_from_sight(bench: Bench, engine: Dockerd):
    run = await bench.run(sh("trap 'exit 0' TERM; while :; do sleep 0.1; done"))
    assert (await bench.runtime.status()).error == ""
    assert bench.runtime.version[0].isdigit()
    await asyncio.to_thread(engine.stop)
    with pytest.raises(RuntimeUnavailable, match="cannot connect to the Docker daemon"):
        await bench.runtime.status()
    assert bench.runtime.version == "Unknown"
    assert bench.runtime.sandbox("u1").latest("c1").id == run.id
    assert runtime_errors(0.0, RUNTIME_LIMIT + 1, "") == ["container runtime is down"]
    with pytest.raises(RuntimeUnavailable):
        await bench.run(sh("exit 0", "c2"))
    await asyncio.to_thread(engine.start)
    ended = await bench.ended()
    assert (await bench.runtime.status()).error == ""
    assert ended.id == run.id
    again = await bench.run(sh("exec sleep 1000"), attempt=1)
    assert again.running


async def test_a_restarted_kubelet_finds_its_containers_again(engine: Dockerd):
    clock = Clock()
    server = ApiServer(MemoryStore(), clock)
    await server.start()
    master = Master(server, clock)

    def runtime() -> DockerRuntime:
        return DockerRuntime(clock, "n1", engine.folder / "root", engine.config)

    async with running(make_kubelet(master, runtime=runtime())):
        await master.bind(containers=[sh("exec sleep 1000")], terminationGracePeriodSeconds=1)
        before = await until_pod(master, lambda pod: pod["status"].get("phase") == "Running")
        assert (await master.node())["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("docker://2")
    async with running(make_kubelet(master, runtime=runtime())):
        await until(master, lambda: len(master.asked("PATCH", "/nodes/n1/status")) >= 2)
        assert (await master.pod())["status"] == before["status"]
        assert before["status"]["containerStatuses"][0]["containerID"].startswith("docker://")
        await master.client().delete(PODS, "p1", namespace="default")
        await until(master, lambda: master.asked("DELETE", "/pods/p1"))
    await server.close()


async def until_pod(master, condition):
    async with contextlib.aclosing(master.client().watch(PODS)) as events:
        async for event in events:
            if condition(event.object):
                return event.object
    raise AssertionError("the watch ended")
