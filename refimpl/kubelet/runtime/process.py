"""The process runtime: a container is a process group of this machine.

There are no images: a container's `command` and `args` are run as they are, with the machine's programs; one without a
command runs a built-in `pause`, which sleeps until it is told to end. All pods share the machine's network, so a pod's
address is the node's.

Each container has a shim (`shim`), which outlives the kubelet: a killed and restarted kubelet finds its containers in
`root_dir` and takes them over, with their output and exit codes. Linux only (it waits on pidfds).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal as signals
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from refimpl.api.errors import Object
from refimpl.clock import Clock
from refimpl.kubelet import podspec
from refimpl.kubelet.machine.stats import PodUsage
from refimpl.kubelet.runtime import network
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
from refimpl.kubelet.runtime.crilog import read_log
from refimpl.kubelet.runtime.launcher import launch, shim_spec
from refimpl.kubelet.runtime.processfiles import PodFiles, RunFiles, pods_on_disk, take_lock
from refimpl.kubelet.runtime.processsession import open_session
from refimpl.kubelet.runtime.readsession import ReadSession
from refimpl.kubelet.runtime.usage import usage_of

log = logging.getLogger(__name__)

_RUNS_KEPT: Final = 2


@attrs.define(eq=False)
class _Run:
    """One run: its files, what they said last, and the watch on its shim."""

    files: RunFiles
    facts: Container
    shim: int = 0
    pid: int = 0
    pidfd: int = -1


@attrs.define(eq=False)
class _Pod:
    """One pod."""

    files: PodFiles
    facts: Sandbox
    runs: list[_Run] = attrs.field(factory=list)

    def sandbox(self) -> Sandbox:
        """The current picture, the newest run of each container first."""
        ordered = sorted(self.runs, key=lambda run: (run.facts.name, -run.facts.attempt))
        return attrs.evolve(self.facts, containers=tuple(run.facts for run in ordered))


class ProcessRuntime:
    """See `refimpl.kubelet.runtime.base.Runtime`.

    Args:
        clock: time and ids.
        root_dir: where everything is kept; only one kubelet at a time may use it.
        doors: files to which a process writes to enter the cgroups that containers are to run in.
    """

    name = "process"
    version = "1.0.0"

    def __init__(self, clock: Clock, root_dir: Path, doors: Sequence[Path] = ()) -> None:
        self._clock = clock
        self._root = root_dir.resolve()
        self._doors = doors
        self._pods: dict[str, _Pod] = {}
        self._by_id: dict[str, _Run] = {}
        self._changed: Changed | None = None
        self._lock = -1

    async def start(self, changed: Changed) -> None:
        """See `Runtime`."""
        self._root.mkdir(parents=True, exist_ok=True)
        if shutil.which("sh") is None:
            raise RuntimeUnavailable("there is no shell on this machine")
        self._lock = take_lock(self._root / "lock")
        self._changed = changed
        self._pods.clear()
        self._by_id.clear()
        for files in pods_on_disk(self._root):
            facts = files.read()
            if facts is not None:
                pod = self._pods[facts.uid] = _Pod(files, facts)
                for run_files in files.runs():
                    await self._adopt(pod, run_files)

    async def stop(self) -> None:
        """See `Runtime`."""
        self._changed = None
        for run in self._by_id.values():
            self._unwatch(run)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def status(self) -> RuntimeStatus:
        """See `Runtime`."""
        return RuntimeStatus()

    def images(self) -> Sequence[Image]:
        """See `Runtime`."""
        return ()

    def sandboxes(self) -> Iterable[Sandbox]:
        """See `Runtime`."""
        return [pod.sandbox() for pod in self._pods.values()]

    def sandbox(self, uid: str) -> Sandbox | None:
        """See `Runtime`."""
        pod = self._pods.get(uid)
        return None if pod is None else pod.sandbox()

    async def run_sandbox(self, pod: Object, host_ip: str) -> Sandbox:
        """See `Runtime`."""
        metadata = pod["metadata"]
        facts = Sandbox(
            uid=metadata["uid"],
            namespace=metadata["namespace"],
            name=metadata["name"],
            ips=(host_ip,) if host_ip else (),
            grace=podspec.spec_grace(pod),
        )
        files = PodFiles(self._root / "pods" / facts.uid)
        try:
            files.create(facts)
        except OSError as error:
            files.remove()
            raise StartFailure("FailedCreatePodSandBox", str(error)) from error
        self._pods[facts.uid] = _Pod(files, facts)
        return facts

    async def start_container(self, pod: Object, spec: Object, attempt: int, env: Mapping[str, str]) -> Container:
        """See `Runtime`: a program that cannot be executed is a run that ended with 128, `StartError`."""
        part = self._pods[podspec.uid_of(pod)]
        facts = Container(
            id=f"{self._clock.random.getrandbits(256):064x}",
            pod_uid=part.facts.uid,
            name=spec["name"],
            attempt=attempt,
            image=spec.get("image", ""),
            state="running",
            started_at=self._clock.now(),
        )
        files = part.files.run(facts.name, attempt)
        run = _Run(files, facts)
        try:
            files.create(facts, shim_spec(pod, spec, env, part.files.directory, self._doors))
            run.shim = await launch(files)
        except OSError as error:
            shutil.rmtree(files.directory, ignore_errors=True)
            raise StartFailure("CreateContainerError", str(error)) from error
        self._refresh(run)
        part.runs.append(run)
        self._by_id[facts.id] = run
        self._watch(run)
        self._forget_old_runs(part, facts.name)
        self._tell(run)
        return run.facts

    async def signal(self, container_id: str, signal: Signal) -> None:
        """See `Runtime`: the whole process group gets the signal."""
        run = self._by_id.get(container_id)
        if run is not None and run.facts.running and run.pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signals.SIGTERM if signal == "TERM" else signals.SIGKILL)

    async def remove_container(self, container_id: str) -> None:
        """See `Runtime`."""
        run = self._by_id.pop(container_id, None)
        if run is not None:
            self._pods[run.facts.pod_uid].runs.remove(run)
            shutil.rmtree(run.files.directory, ignore_errors=True)

    async def remove_sandbox(self, uid: str) -> None:
        """See `Runtime`."""
        pod = self._pods.pop(uid, None)
        if pod is None:
            return
        for run in pod.runs:
            await self.signal(run.facts.id, "KILL")
            self._unwatch(run)
            self._by_id.pop(run.facts.id, None)
        for run in pod.runs:
            await self._shim_gone(run)
        pod.files.remove()

    async def _shim_gone(self, run: _Run) -> None:
        """A shim notes the end of its process last of all: before that its directory cannot be removed."""
        for _ in range(100):
            if not run.files.shim_lives():
                return
            await self._clock.sleep(0.02)

    async def exec(self, container_id: str, command: list[str]) -> ExecResult:
        """See `Runtime`: a command that cannot be executed is one that exits with 126."""
        return await result_of(self.open_exec(container_id, command, SessionOptions()))

    async def open_exec(self, container_id: str, command: list[str], options: SessionOptions) -> Session:
        """See `Runtime`: the command runs beside the container, with its environment and directory."""
        spec = self._running(container_id).files.spec()
        return await open_session(command, spec["cwd"], spec["env"], options)

    async def open_attach(self, container_id: str, options: SessionOptions) -> Session:
        """See `Runtime`: a container reads nothing and has no terminal; its output is that of its log."""
        run = self._running(container_id)
        return ReadSession(self.logs(container_id, LogOptions(follow=True, tail=0)), lambda: run.facts.exit_code)

    async def connect(self, container_id: str, action: Object, host: str) -> str:
        """See `Runtime`."""
        return await network.carry_out(action, host)

    def logs(self, container_id: str, options: LogOptions) -> AsyncGenerator[bytes, None]:
        """See `Runtime`."""
        run = self._by_id.get(container_id)
        path = run.files.log if run else self._root / "nothing"
        return read_log(path, options, lambda: run is not None and run.facts.running)

    def usage(self, uid: str) -> PodUsage | None:
        """See `Runtime`: resident memory and number of all processes of the pod's containers."""
        pod = self._pods.get(uid)
        if pod is None:
            return None
        pids = [run.pid for run in pod.runs if run.facts.running and run.pid]
        return usage_of(pids, pod.files.directory)

    async def kill_all(self) -> None:
        """Kills every container and forgets every pod: the node is taken down for good."""
        for uid in list(self._pods):
            await self.remove_sandbox(uid)

    def _running(self, container_id: str) -> _Run:
        run = self._by_id.get(container_id)
        if run is None or not run.facts.running:
            raise RuntimeUnavailable(f"container {container_id} does not run")
        return run

    async def _adopt(self, pod: _Pod, files: RunFiles) -> None:
        """Takes over a run of an earlier kubelet."""
        if files.shim_lives():
            await self._wait_for_shim(files)
        facts = files.read()
        if facts is None:
            shutil.rmtree(files.directory, ignore_errors=True)
            return
        run = _Run(files, facts)
        pod.runs.append(run)
        self._by_id[facts.id] = run
        self._refresh(run)
        if run.facts.running:
            if files.shim_lives():
                self._watch(run)
            else:
                self._lost(run)

    async def _wait_for_shim(self, files: RunFiles) -> None:
        """A shim that lives but has not noted its process is just starting it."""
        for _ in range(100):
            if files.shim() is not None or not files.shim_lives():
                return
            await self._clock.sleep(0.05)

    def _refresh(self, run: _Run) -> None:
        """Reads what the files say now."""
        run.facts = run.files.read() or run.facts
        started = run.files.shim()
        if started is not None:
            run.shim, run.pid = started["shim"], started["pid"]

    def _watch(self, run: _Run) -> None:
        try:
            run.pidfd = os.pidfd_open(run.shim)
        except ProcessLookupError:
            self._shim_ended(run)
            return
        asyncio.get_running_loop().add_reader(run.pidfd, self._shim_ended, run)

    def _unwatch(self, run: _Run) -> None:
        if run.pidfd >= 0:
            asyncio.get_running_loop().remove_reader(run.pidfd)
            os.close(run.pidfd)
            run.pidfd = -1

    def _shim_ended(self, run: _Run) -> None:
        self._unwatch(run)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(run.shim, os.WNOHANG)
        self._refresh(run)
        if run.facts.running:
            self._lost(run)
        self._tell(run)

    def _lost(self, run: _Run) -> None:
        """The shim died without noting the end of its process: whatever is left of it is killed."""
        if run.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(run.pid, signals.SIGKILL)
        now, why = self._clock.now(), "the container's shim was lost"
        try:
            run.files.write_exit(137, why, now)
        except OSError as error:
            log.warning("the end of container %s cannot be noted: %s", run.facts.id, error)
            run.facts = attrs.evolve(run.facts, state="exited", exit_code=137, message=why, finished_at=now)
            return
        self._refresh(run)

    def _forget_old_runs(self, pod: _Pod, name: str) -> None:
        runs = sorted((run for run in pod.runs if run.facts.name == name), key=lambda run: run.facts.attempt)
        for run in runs[:-_RUNS_KEPT]:
            pod.runs.remove(run)
            self._by_id.pop(run.facts.id, None)
            shutil.rmtree(run.files.directory, ignore_errors=True)

    def _tell(self, run: _Run) -> None:
        if self._changed is not None:
            self._changed(run.facts.pod_uid)
