"""The Docker runtime: containers of a Docker Engine, reached over its unix socket.

Each pod has a sandbox, a container that only sleeps; the pod's containers join its network and IPC namespaces. An
engine without a bridge network (`dockerd --bridge=none`) gives pods the machine's network: a pod's address is then the
node's. Labels say whose everything is, so that a restarted kubelet finds its containers, and several nodes can share an
engine. What happens is heard from the engine's events; after every break of that connection everything is listed anew.

Source: kubelet 1.20 `dockershim`, the last of its kind with Docker built in.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import attrs

from refimpl.api.errors import Object
from refimpl.clock import Clock
from refimpl.kubelet import podspec
from refimpl.kubelet.machine.stats import PodUsage
from refimpl.kubelet.runtime import dockerspec, network, pauseimage
from refimpl.kubelet.runtime.base import (
    Changed,
    Container,
    ExecResult,
    Image,
    LogOptions,
    RuntimeStatus,
    RuntimeUnavailable,
    Sandbox,
    Session,
    SessionOptions,
    Signal,
    StartFailure,
    result_of,
)
from refimpl.kubelet.runtime.dockerimages import DockerImages
from refimpl.kubelet.runtime.dockersession import open_attach, open_exec
from refimpl.kubelet.runtime.dockertable import DockerPod, DockerTable
from refimpl.kubelet.runtime.engineapi import DEFAULT_ENDPOINT, Engine, EngineError, demultiplexed, filters
from refimpl.kubelet.runtime.usage import usage_of

log = logging.getLogger(__name__)

_RUNS_KEPT: Final = 2
_RECONNECT: Final = 1.0
_UNKNOWN: Final = "Unknown"


@attrs.frozen(kw_only=True)
class DockerConfig:
    """How the kubelet uses Docker.

    Attributes:
        docker_endpoint: where the engine listens, unix:///PATH.
        docker_network: network of pods; auto is the engine's bridge, or the machine's network where there is none.
        pod_infra_container_image: image of pods' sandboxes; by default one that is made on the spot.
    """

    docker_endpoint: str = DEFAULT_ENDPOINT
    docker_network: str = "auto"
    pod_infra_container_image: str = pauseimage.IMAGE


class DockerRuntime:
    """See `refimpl.kubelet.runtime.base.Runtime`.

    Args:
        clock: time.
        node: name of the node; only containers with its label are touched.
        root_dir: where `emptyDir` volumes are.
        config: which engine, and how.

    Raises:
        ValueError: the endpoint is not a unix socket.
    """

    name = "docker"

    def __init__(self, clock: Clock, node: str, root_dir: Path, config: DockerConfig) -> None:
        self._clock = clock
        self._node = node
        self._root = root_dir.resolve()
        self._config = config
        self._engine = Engine(config.docker_endpoint)
        self._images = DockerImages(self._engine)
        self._network = ""
        self._table = DockerTable(self._tell)
        self._changed: Changed | None = None
        self._following: asyncio.Task[None] | None = None
        self.version = _UNKNOWN

    async def start(self, changed: Changed) -> None:
        """See `Runtime`."""
        self._changed = changed
        try:
            await self._connect()
            await self._list()
        except BaseException:
            await self._engine.aclose()
            raise
        self._following = asyncio.create_task(self._follow(), name=f"docker events of {self._node}")

    async def stop(self) -> None:
        """See `Runtime`."""
        self._changed = None
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})
            self._following = None
        await self._engine.aclose()

    async def status(self) -> RuntimeStatus:
        """See `Runtime`."""
        if self._following is not None and self._following.done():
            self._following.result()
        try:
            await self._connect()
        except RuntimeUnavailable:
            self.version = _UNKNOWN
            raise
        return RuntimeStatus()

    def images(self) -> Sequence[Image]:
        """See `Runtime`."""
        return self._images.listed

    def sandboxes(self) -> Iterable[Sandbox]:
        """See `Runtime`."""
        return [pod.sandbox() for pod in self._table.pods.values()]

    def sandbox(self, uid: str) -> Sandbox | None:
        """See `Runtime`."""
        pod = self._table.pods.get(uid)
        return None if pod is None else pod.sandbox()

    async def run_sandbox(self, pod: Object, host_ip: str) -> Sandbox:
        """See `Runtime`."""
        uid = podspec.uid_of(pod)
        image = self._config.pod_infra_container_image
        where = "host" if podspec.on_host_network(pod) else self._network
        try:
            if image == pauseimage.IMAGE:
                await self._images.make_pause()
            else:
                await self._images.ensure(image, "IfNotPresent")
            body = dockerspec.sandbox_body(pod, self._node, image, where, host_ip)
            created = await self._create(dockerspec.container_name(pod, "POD", 0), body)
            await self._engine.send("POST", f"/containers/{created}/start")
            self._place_volumes(pod)
            facts = dockerspec.sandbox_facts(await self._inspect(created))
        except EngineError as error:
            raise StartFailure("CreatePodSandboxError", error.message) from error
        self._table.pods[uid] = DockerPod(created, facts)
        return facts

    async def start_container(self, pod: Object, spec: Object, attempt: int, env: Mapping[str, str]) -> Container:
        """See `Runtime`: what Docker made but could not start is a run that ended, `ContainerCannotRun`."""
        part = self._table.pods[podspec.uid_of(pod)]
        pulled = await self._images.ensure(spec.get("image", ""), spec.get("imagePullPolicy") or "IfNotPresent")
        volumes = self._volumes(part.facts.uid)
        body = dockerspec.container_body(pod, spec, attempt, env, self._node, part.id, volumes)
        try:
            # A sandbox that ended, with its engine for example, is started again; where it runs nothing happens.
            await self._engine.send("POST", f"/containers/{part.id}/start")
            created = await self._create(dockerspec.container_name(pod, spec["name"], attempt), body)
        except EngineError as error:
            raise StartFailure("CreateContainerError", error.message) from error
        refused: EngineError | None = None
        try:
            await self._engine.send("POST", f"/containers/{created}/start")
        except EngineError as error:
            refused = error
        run = await self._refresh(created)
        if run is None:
            raise StartFailure("RunContainerError", refused.message if refused else "the container did not start")
        await self._forget_old_runs(part, spec["name"])
        return attrs.evolve(run, pulled=pulled)

    async def signal(self, container_id: str, signal: Signal) -> None:
        """See `Runtime`."""
        with _ignoring(404, 409):
            await self._engine.send("POST", f"/containers/{container_id}/kill", {"signal": f"SIG{signal}"})

    async def remove_container(self, container_id: str) -> None:
        """See `Runtime`."""
        await self._remove(container_id)
        self._table.lose(container_id)

    async def remove_sandbox(self, uid: str) -> None:
        """See `Runtime`."""
        pod = self._table.pods.get(uid)
        if pod is None:
            return
        # Also what a kubelet made and never started, because it died just then; the sandbox last.
        for container_id in [*await self._ids_of(uid), pod.id]:
            await self._remove(container_id)
        shutil.rmtree(self._volumes(uid).parent, ignore_errors=True)
        self._table.pods.pop(uid, None)

    async def kill_all(self) -> None:
        """See `Runtime`."""
        for uid in list(self._table.pods):
            await self.remove_sandbox(uid)

    async def exec(self, container_id: str, command: list[str]) -> ExecResult:
        """See `Runtime`: a command that cannot be executed is one that exits with 126."""
        return await result_of(self.open_exec(container_id, command, SessionOptions()))

    async def open_exec(self, container_id: str, command: list[str], options: SessionOptions) -> Session:
        """See `Runtime`."""
        return await open_exec(self._engine, container_id, command, options)

    async def open_attach(self, container_id: str, options: SessionOptions) -> Session:
        """See `Runtime`."""
        return await open_attach(self._engine, container_id, options)

    async def connect(self, container_id: str, action: Object, host: str) -> str:
        """See `Runtime`."""
        return await network.carry_out(action, host)

    async def logs(self, container_id: str, options: LogOptions) -> AsyncGenerator[bytes, None]:
        """See `Runtime`."""
        query = {"stdout": "1", "stderr": "1", "follow": "1" if options.follow else "0"}
        if options.tail is not None:
            query["tail"] = str(options.tail)
        if options.since is not None:
            query["since"] = f"{options.since.timestamp():.6f}"
        if options.timestamps:
            query["timestamps"] = "1"
        try:
            has_terminal = (await self._inspect(container_id))["Config"]["Tty"]
            async with aclosing(self._engine.stream("GET", f"/containers/{container_id}/logs", query)) as chunks:
                if has_terminal:
                    async for chunk in chunks:
                        yield chunk
                else:
                    async for _, chunk in demultiplexed(chunks):
                        yield chunk
        except (EngineError, RuntimeUnavailable) as error:
            log.info("logs of %s: %s", container_id, error)

    def usage(self, uid: str) -> PodUsage | None:
        """See `Runtime`: resident memory and number of all processes of the pod's containers."""
        return usage_of(self._table.pids(uid), self._volumes(uid)) if uid in self._table.pods else None

    async def _connect(self) -> None:
        """Asks the engine who it is, and what it has."""
        self.version = (await self._engine.negotiate()).engine
        try:
            await self._images.refresh()
            if not self._network:
                self._network = await self._pod_network()
        except EngineError as error:
            raise RuntimeUnavailable(str(error)) from error

    async def _pod_network(self) -> str:
        """The network of pods that do not want the machine's."""
        if self._config.docker_network != "auto":
            return self._config.docker_network
        drivers = [network["Driver"] for network in await self._engine.get("/networks")]
        return "bridge" if "bridge" in drivers else "host"

    async def _follow(self) -> None:
        """Hears of every change, until cancelled."""
        wanted = filters(type=["container"], label=[f"{dockerspec.NODE}={self._node}"], event=["die", "destroy"])
        while True:
            try:
                async with aclosing(self._engine.lines("GET", "/events", wanted)) as events:
                    async for event in events:
                        # Listing after the first sign of life leaves no gap between the list and the events.
                        await (self._list() if event is None else self._refresh(event["Actor"]["ID"]))
            except (RuntimeUnavailable, EngineError) as error:
                log.warning("the Docker daemon's events broke off: %s", error)
            await self._clock.sleep(_RECONNECT)

    async def _list(self) -> None:
        """Reads everything that there is; tells of what changed."""
        mine = filters(label=[f"{dockerspec.NODE}={self._node}"])
        try:
            listed = await self._engine.get("/containers/json", {"all": "1", **mine})
        except EngineError as error:
            raise RuntimeUnavailable(str(error)) from error
        for entry in sorted(listed, key=lambda entry: entry["Labels"][dockerspec.TYPE] == "container"):
            await self._refresh(entry["Id"])
        self._table.keep_only({entry["Id"] for entry in listed})

    async def _ids_of(self, uid: str) -> list[str]:
        labels = [f"{dockerspec.NODE}={self._node}", f"{dockerspec.POD_UID}={uid}", f"{dockerspec.TYPE}=container"]
        listed = await self._engine.get("/containers/json", {"all": "1", **filters(label=labels)})
        return [entry["Id"] for entry in listed]

    async def _refresh(self, container_id: str) -> Container | None:
        """Reads one container; None where it is a sandbox, was never started, or is gone."""
        try:
            inspected = await self._inspect(container_id)
        except EngineError:
            self._table.lose(container_id)
            return None
        labels = inspected["Config"]["Labels"]
        uid = labels[dockerspec.POD_UID]
        if labels[dockerspec.TYPE] == "podsandbox":
            self._table.pods.setdefault(uid, DockerPod(container_id, dockerspec.sandbox_facts(inspected)))
            return None
        run = dockerspec.container_facts(inspected)
        if run is None:
            return None
        self._table.note(run, inspected["State"].get("Pid", 0))
        return run

    async def _create(self, name: str, body: Object) -> str:
        """Creates a container; one of that name, left behind by a kubelet that died just then, is removed."""
        try:
            made = await self._engine.send("POST", "/containers/create", {"name": name}, body)
        except EngineError as error:
            if error.status != 409:
                raise
            await self._remove(name)
            made = await self._engine.send("POST", "/containers/create", {"name": name}, body)
        return str(made["Id"])

    async def _inspect(self, container_id: str) -> Any:
        return await self._engine.get(f"/containers/{container_id}/json")

    async def _remove(self, container_id: str) -> None:
        with _ignoring(404, 409):
            await self._engine.send("DELETE", f"/containers/{container_id}", {"force": "1", "v": "1"})

    async def _forget_old_runs(self, pod: DockerPod, name: str) -> None:
        for run in pod.sandbox().runs(name)[_RUNS_KEPT:]:
            await self.remove_container(run.id)

    def _volumes(self, uid: str) -> Path:
        return self._root / "pods" / uid / "volumes"

    def _place_volumes(self, pod: Object) -> None:
        for volume in pod["spec"].get("volumes") or ():
            if "emptyDir" in volume:
                place = self._volumes(podspec.uid_of(pod)) / volume["name"]
                place.mkdir(parents=True, exist_ok=True)
                place.chmod(0o777)

    def _tell(self, uid: str) -> None:
        if self._changed is not None:
            self._changed(uid)


@contextlib.contextmanager
def _ignoring(*statuses: int) -> Iterator[None]:
    """Lets refusals with these statuses pass."""
    try:
        yield
    except EngineError as error:
        if error.status not in statuses:
            raise
