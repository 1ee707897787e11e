"""What the Docker runtime says to an engine and understands of its answers, without one."""

import asyncio
import contextlib
import itertools
import json
import struct
import subprocess
from collections import defaultdict
from pathlib import Path

import attrs
import pytest
from aiohttp import web

from refimpl.clock import Clock
from refimpl.kubelet.runtime import dockerspec, pauseimage
from refimpl.kubelet.runtime.base import RuntimeUnavailable, StartFailure
from refimpl.kubelet.runtime.docker import DockerConfig, DockerRuntime
from refimpl.kubelet.runtime.engineapi import Engine, demultiplexed

POD = {
    "metadata": {"name": "p1", "namespace": "ns", "uid": "u1"},
    "spec": {"terminationGracePeriodSeconds": 7, "containers": []},
}


_IMAGE = {"Id": "sha256:1", "RepoTags": ["there:latest"], "RepoDigests": None, "Size": 5}


@attrs.define(eq=False)
class FakeEngine:
    """Answers like an engine that has one pod's sandbox and containers that never do anything."""

    api: str = "1.41"
    containers: dict = attrs.field(factory=dict)
    pulls: list = attrs.field(factory=list)
    pull_answer: str = "{}\n"
    numbers: itertools.count = attrs.field(factory=itertools.count)
    streams: list = attrs.field(factory=list)
    connected: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def serve(self, folder: Path) -> web.AppRunner:
        app = web.Application()
        for prefix in ("", f"/v{self.api}"):
            app.router.add_get(f"{prefix}/version", self._answer(self._version))
            app.router.add_get(f"{prefix}/images/json", self._answer(lambda _: [_IMAGE]))
            app.router.add_get(f"{prefix}/images/there/json", self._answer(lambda _: _IMAGE))
            app.router.add_get(f"{prefix}/networks", self._answer(lambda _: [{"Name": "host", "Driver": "host"}]))
            app.router.add_get(f"{prefix}/info", self._answer(lambda _: {"Architecture": "x86_64"}))
            app.router.add_get(f"{prefix}/events", self._events)
            app.router.add_get(f"{prefix}/containers/json", self._answer(self._list))
            app.router.add_get(f"{prefix}/containers/{{id}}/json", self._answer(self._inspect))
            app.router.add_post(f"{prefix}/containers/create", self._create)
            app.router.add_post(f"{prefix}/containers/{{id}}/start", self._answer(self._start))
            app.router.add_delete(f"{prefix}/containers/{{id}}", self._answer(self._remove))
            app.router.add_post(f"{prefix}/images/create", self._pull)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, str(folder / "sock")).start()
        return runner

    def _answer(self, what):
        async def handle(request: web.Request) -> web.Response:
            return web.json_response(what(request))

        return handle

    def _version(self, _):
        return {"Version": "9.9", "ApiVersion": self.api, "MinAPIVersion": "1.12"}

    def _list(self, _):
        return [{"Id": name, "Labels": found["Config"]["Labels"]} for name, found in self.containers.items()]

    def _inspect(self, request):
        return self.containers[request.match_info["id"]]

    def _start(self, request):
        self._inspect(request)["State"] |= {"Status": "running", "StartedAt": "2026-01-01T00:00:01.5Z"}

    def _remove(self, request):
        gone = request.match_info["id"]
        kept = {name: found for name, found in self.containers.items() if gone not in (name, found["Name"])}
        self.containers = kept

    async def _pull(self, request):
        self.pulls.append(dict(request.query))
        return web.Response(text=self.pull_answer, content_type="application/json")

    def end(self, name: str, code: int) -> None:
        """A container ends; nobody is told unless events flow."""
        ended = {"Status": "exited", "ExitCode": code, "FinishedAt": "2026-01-01T00:00:09Z"}
        self.containers[name]["State"] |= ended

    def id_of(self, name: str) -> str:
        return next(key for key, found in self.containers.items() if found["Name"].startswith(f"k8s_{name}_"))

    async def tell(self, name: str) -> None:
        for stream in self.streams:
            await stream.write(json.dumps({"Action": "die", "Actor": {"ID": name}}).encode() + b"\n")

    def break_off(self) -> None:
        for stream in self.streams:
            stream._req.transport.abort()
        self.streams.clear()
        self.connected.clear()

    async def _create(self, request):
        body, name = await request.json(), request.query["name"]
        if any(found["Name"] == name for found in self.containers.values()):
            return web.json_response({"message": "Conflict"}, status=409)
        made = f"id{next(self.numbers)}"
        self.containers[made] = {
            "Id": made,
            "Name": name,
            "Created": "2026-01-01T00:00:00Z",
            "Config": body,
            "HostConfig": body["HostConfig"],
            "State": {"Status": "created", "ExitCode": 0, "StartedAt": "0001-01-01T00:00:00Z", "Pid": 0},
        }
        return web.json_response({"Id": made}, status=201)

    async def _events(self, request):
        answer = web.StreamResponse()
        await answer.prepare(request)
        self.streams.append(answer)
        self.connected.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return answer


@contextlib.asynccontextmanager
async def serving(engine: FakeEngine, folder: Path):
    runner = await engine.serve(folder)
    try:
        yield DockerConfig(docker_endpoint=f"unix://{folder / 'sock'}")
    finally:
        await runner.cleanup()


@attrs.define(eq=False)
class News:
    """Which pods changed, how often."""

    told: dict = attrs.field(factory=lambda: defaultdict(int))
    pulse: asyncio.Event = attrs.field(factory=asyncio.Event)

    def __call__(self, uid: str) -> None:
        self.told[uid] += 1
        self.pulse.set()


@contextlib.asynccontextmanager
async def runtime_on(engine: FakeEngine, folder: Path):
    async with serving(engine, folder) as config:
        runtime, news = DockerRuntime(Clock(), "n1", folder / "root", config), News()
        await runtime.start(news)
        try:
            yield runtime, news
        finally:
            await runtime.stop()


@pytest.mark.live
async def test_an_engine_that_speaks_too_old_an_api_is_no_runtime(tmp_path: Path):
    with pytest.raises(RuntimeUnavailable, match=r"speaks API 1\.12 to 1\.20"):
        async with runtime_on(FakeEngine(api="1.20"), tmp_path):
            pass


@pytest.mark.live
async def test_no_engine_is_no_runtime(tmp_path: Path):
    runtime = DockerRuntime(Clock(), "n1", tmp_path, DockerConfig(docker_endpoint=f"unix://{tmp_path / 'none'}"))
    with pytest.raises(RuntimeUnavailable, match="cannot connect to the Docker daemon"):
        await runtime.start(lambda _: None)
    with pytest.raises(ValueError, match="must be unix:///PATH"):
        Engine("tcp://127.0.0.1:2375")


@pytest.mark.live
async def test_an_exit_is_heard_of_by_event_and_found_after_a_break(tmp_path: Path):
    engine = FakeEngine()
    async with runtime_on(engine, tmp_path) as (runtime, news):
        sandbox = await runtime.run_sandbox(POD, "10.0.0.1")
        assert sandbox.ips == ("10.0.0.1",)
        one = await runtime.start_container(POD, {"name": "one", "image": "there"}, 0, {})
        two = await runtime.start_container(POD, {"name": "two", "image": "there"}, 0, {})
        await engine.connected.wait()
        news.pulse.clear()
        engine.end(one.id, 3)
        await engine.tell(one.id)
        await news.pulse.wait()
        assert runtime.sandbox("u1").latest("one").exit_code == 3
        assert runtime.sandbox("u1").latest("two").running
        news.pulse.clear()
        engine.break_off()
        engine.end(two.id, 4)
        await news.pulse.wait()
        assert runtime.sandbox("u1").latest("two").exit_code == 4
        assert runtime.version == "9.9"


@pytest.mark.live
async def test_what_a_kubelet_made_and_never_started_is_made_anew(tmp_path: Path):
    engine = FakeEngine()
    async with runtime_on(engine, tmp_path) as (runtime, _):
        await runtime.run_sandbox(POD, "10.0.0.1")
        body = dockerspec.container_body(POD, {"name": "c"}, 0, {}, "n1", "sandbox", tmp_path)
        await left_behind(runtime, dockerspec.container_name(POD, "c", 0), body)
        left = engine.id_of("c")
        run = await runtime.start_container(POD, {"name": "c", "image": "there"}, 0, {})
        assert (run.id != left, run.running, len(engine.containers)) == (True, True, 2)


async def left_behind(runtime: DockerRuntime, name: str, body: dict) -> None:
    await runtime._create(name, body)


@pytest.mark.live
async def test_pull_policies(tmp_path: Path):
    engine = FakeEngine()
    async with runtime_on(engine, tmp_path) as (runtime, _):
        await runtime.run_sandbox(POD, "10.0.0.1")
        engine.pulls.clear()
        await runtime.start_container(POD, {"name": "a", "image": "there", "imagePullPolicy": "IfNotPresent"}, 0, {})
        assert engine.pulls == []
        always = {"name": "b", "image": "there", "imagePullPolicy": "Always"}
        assert (await runtime.start_container(POD, always, 0, {})).pulled
        assert engine.pulls == [{"fromImage": "there", "tag": "latest"}]
        engine.pull_answer = '{"status":"Pulling"}\n{"error":"unauthorized"}\n'
        with pytest.raises(StartFailure, match="unauthorized") as failed:
            await runtime.start_container(POD, {"name": "c", "image": "not-there:2"}, 0, {})
        assert failed.value.reason == "ErrImagePull"
        spec = {"name": "c", "image": "not-there", "imagePullPolicy": "Never"}
        with pytest.raises(StartFailure) as failed:
            await runtime.start_container(POD, spec, 0, {})
        assert failed.value.reason == "ErrImageNeverPull"


def test_labels_and_names_are_those_of_dockershim():
    body = dockerspec.container_body(POD, {"name": "c", "image": "i"}, 2, {"A": "1"}, "n1", "s" * 8, Path("/v"))
    assert body["Labels"] == {
        "io.kubernetes.pod.name": "p1",
        "io.kubernetes.pod.namespace": "ns",
        "io.kubernetes.pod.uid": "u1",
        "io.kubernetes.container.name": "c",
        "io.kubernetes.docker.type": "container",
        "io.kubernetes.sandbox.id": "ssssssss",
        "annotation.io.kubernetes.container.restartCount": "2",
        "node-contract.io/node": "n1",
    }
    assert body["Env"] == ["A=1"]
    assert body["HostConfig"]["NetworkMode"] == "container:ssssssss"
    assert dockerspec.container_name(POD, "c", 2) == "k8s_c_p1_ns_u1_2"


def test_limits_in_dockers_units():
    given = {"requests": {"cpu": "250m"}, "limits": {"cpu": "1500m", "memory": "1Ki"}}
    assert dockerspec.resource_limits(given) == {
        "CpuShares": 256,
        "CpuPeriod": 100000,
        "CpuQuota": 150000,
        "Memory": 1024,
        "MemorySwap": 1024,
    }
    assert dockerspec.resource_limits({}) == {"CpuShares": 2}
    assert dockerspec.resource_limits({"limits": {"cpu": "1m"}})["CpuQuota"] == 1000


def test_mounts_of_host_paths_and_empty_directories():
    pod = {**POD, "spec": {"volumes": [{"name": "h", "hostPath": {"path": "/h"}}, {"name": "e", "emptyDir": {}}]}}
    mounts = [
        {"name": "h", "mountPath": "/in", "readOnly": True},
        {"name": "e", "mountPath": "/e", "subPath": "x"},
        {"name": "token", "mountPath": "/t"},
    ]
    assert dockerspec.binds(pod, {"volumeMounts": mounts}, Path("/v")) == ["/h:/in:ro", "/v/e/x:/e"]


def inspected(**state):
    labels = dockerspec.container_body(POD, {"name": "c", "image": "i"}, 1, {}, "n1", "s", Path("/v"))["Labels"]
    base = {"StartedAt": "2026-01-01T00:00:01.123456789Z", "FinishedAt": "0001-01-01T00:00:00Z", "ExitCode": 0}
    return {
        "Id": "x",
        "Created": "2026-01-01T00:00:00Z",
        "Config": {"Labels": labels, "Image": "i"},
        "State": {**base, **state},
    }


def test_states_of_containers():
    assert dockerspec.container_facts(inspected(Status="running")).running
    assert dockerspec.container_facts(inspected(Status="created", StartedAt="0001-01-01T00:00:00Z")) is None
    killed = dockerspec.container_facts(
        inspected(Status="exited", ExitCode=137, OOMKilled=True, FinishedAt="2026-01-01T00:00:02Z")
    )
    assert (killed.exit_code, killed.reason, killed.attempt) == (137, "OOMKilled", 1)
    refused = dockerspec.container_facts(inspected(Status="created", ExitCode=127, Error="no such file"))
    assert (refused.reason, refused.message, refused.running) == ("ContainerCannotRun", "no such file", False)


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ("a", ("a", "latest")),
        ("a:1", ("a", "1")),
        ("host:5000/a", ("host:5000/a", "latest")),
        ("host:5000/a:1", ("host:5000/a", "1")),
        ("a@sha256:0", ("a", "sha256:0")),
    ],
)
def test_names_and_tags_of_images(image, found):
    assert dockerspec.name_and_tag(image) == found


async def test_frames_are_separated_wherever_they_are_cut():
    framed = struct.pack(">BxxxL", 1, 3) + b"out" + struct.pack(">BxxxL", 2, 3) + b"err"

    async def bytewise():
        for position in range(len(framed)):
            yield framed[position : position + 1]

    assert [found async for found in demultiplexed(bytewise())] == [("stdout", b"out"), ("stderr", b"err")]


def test_the_program_of_a_sandbox_sleeps_until_it_is_killed(tmp_path: Path):
    import platform

    content = pauseimage.program(platform.machine())
    if content is None:
        pytest.skip(f"no program for {platform.machine()}")
    path = tmp_path / "pause"
    path.write_bytes(content)
    path.chmod(0o755)
    process = subprocess.Popen([path])
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.2)
    process.kill()
    assert process.wait() == -9
    assert pauseimage.program("vax") is None
