"""The simulated runtime: containers without processes, for virtual time and for a thousand nodes in one process.

It outlives kubelets: hand it to the next one, and that one finds its containers running. Tests turn it through the
methods at the end (exits, failing images, an outage of the runtime or of the network, usage).
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence

import attrs

from refimpl.api.errors import Object
from refimpl.clock import Clock, format_micro_time
from refimpl.kubelet import podspec
from refimpl.kubelet.machine.stats import PodUsage
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
)
from refimpl.kubelet.runtime.readsession import ReadSession, whole
from refimpl.kubelet.runtime.script import program
from refimpl.kubelet.runtime.simcontainer import LogLine, SimulatedContainer

_RUNS_KEPT = 2


@attrs.define(eq=False)
class _Pod:
    """One pod's part: what makes up its `Sandbox`."""

    facts: Sandbox
    runs: list[SimulatedContainer] = attrs.field(factory=list)

    def sandbox(self) -> Sandbox:
        """The current picture, the newest run first."""
        return attrs.evolve(self.facts, containers=tuple(run.facts for run in reversed(self.runs)))


class SimulatedRuntime:
    """See `refimpl.kubelet.runtime.base.Runtime`.

    Args:
        clock: time and ids.
        pod_cidr: where pods get their addresses; by default a network that follows from the node's address.
        start_delay: seconds between asking for a container and its start.
        name: scheme of container ids.
        version: what it says its version is.
        images: images that it says it has.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        pod_cidr: str = "",
        start_delay: float = 1.0,
        name: str = "simulated",
        version: str = "1.0.0",
        images: tuple[Image, ...] = (),
    ) -> None:
        self.name = name
        self._images = images
        self._clock = clock
        self._version = version
        self._start_delay = start_delay
        self._pod_cidr = pod_cidr
        self._addresses: Iterator[str] = iter(())
        self._changed: Changed | None = None
        self._pods: dict[str, _Pod] = {}
        self._by_id: dict[str, SimulatedContainer] = {}
        self._bad_images: dict[str, StartFailure] = {}
        self._usage: dict[str, PodUsage] = {}
        self._status = RuntimeStatus()
        self._down = False

    @property
    def version(self) -> str:
        """See `Runtime`."""
        return "Unknown" if self._down else self._version

    async def start(self, changed: Changed) -> None:
        """See `Runtime`."""
        if self._down:
            raise RuntimeUnavailable("the simulated runtime is down")
        self._changed = changed

    async def stop(self) -> None:
        """See `Runtime`."""
        self._changed = None

    async def status(self) -> RuntimeStatus:
        """See `Runtime`."""
        if self._down:
            raise RuntimeUnavailable("the simulated runtime is down")
        return self._status

    def images(self) -> Sequence[Image]:
        """See `Runtime`."""
        return self._images

    def sandboxes(self) -> Iterable[Sandbox]:
        """See `Runtime`."""
        return [pod.sandbox() for pod in self._pods.values()]

    def sandbox(self, uid: str) -> Sandbox | None:
        """See `Runtime`."""
        pod = self._pods.get(uid)
        return None if pod is None else pod.sandbox()

    async def run_sandbox(self, pod: Object, host_ip: str) -> Sandbox:
        """See `Runtime`."""
        self._check_up()
        metadata = pod["metadata"]
        ip = host_ip if podspec.on_host_network(pod) else self._free_address(host_ip)
        facts = Sandbox(
            uid=metadata["uid"],
            namespace=metadata["namespace"],
            name=metadata["name"],
            ips=(ip,),
            grace=podspec.spec_grace(pod),
        )
        self._pods[facts.uid] = _Pod(facts)
        return facts

    async def start_container(self, pod: Object, spec: Object, attempt: int, env: Mapping[str, str]) -> Container:
        """See `Runtime`."""
        self._check_up()
        await self._clock.sleep(self._start_delay)
        self._check_up()
        failure = self._bad_images.get(spec.get("image", ""))
        if failure is not None:
            raise StartFailure(failure.reason, failure.message)
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
        argv = [*(spec.get("command") or ()), *(spec.get("args") or ())]
        container = SimulatedContainer(facts, program(argv), self._clock, lambda: self._tell(facts.pod_uid))
        part.runs.append(container)
        self._by_id[facts.id] = container
        self._forget_old_runs(part, facts.name)
        container.begin()
        self._tell(facts.pod_uid)
        return facts

    async def signal(self, container_id: str, signal: Signal) -> None:
        """See `Runtime`."""
        container = self._by_id.get(container_id)
        if container is not None:
            container.deliver(signal)

    async def remove_container(self, container_id: str) -> None:
        """See `Runtime`."""
        container = self._by_id.pop(container_id, None)
        if container is not None:
            self._pods[container.facts.pod_uid].runs.remove(container)

    async def remove_sandbox(self, uid: str) -> None:
        """See `Runtime`."""
        pod = self._pods.pop(uid, None)
        for run in pod.runs if pod else ():
            run.end(137)
            self._by_id.pop(run.facts.id, None)
        self._usage.pop(uid, None)

    async def exec(self, container_id: str, command: list[str]) -> ExecResult:
        """See `Runtime`: knows the commands of `script` that take no time, and `sleep`."""
        container = self._running(container_id)
        before = len(container.log)
        for step in program(command).steps:
            if step.verb == "sleep":
                await self._clock.sleep(float(step.argument))
            elif step.verb != "wait":
                exit_code = container.do(step)
                if exit_code is not None:
                    return ExecResult(exit_code, b"")
        said = [line.text for line in container.log[before:]]
        del container.log[before:]
        return ExecResult(0, "".join(f"{text}\n" for text in said).encode())

    async def open_exec(self, container_id: str, command: list[str], options: SessionOptions) -> Session:
        """See `Runtime`: the command is over before its streams are open."""
        result = await self.exec(container_id, command)
        return ReadSession(whole(result.output), lambda: result.exit_code)

    async def open_attach(self, container_id: str, options: SessionOptions) -> Session:
        """See `Runtime`: a container reads nothing; its output is that of its log."""
        container = self._running(container_id)
        lines = self.logs(container_id, LogOptions(follow=True, tail=0))
        return ReadSession(lines, lambda: container.facts.exit_code)

    async def connect(self, container_id: str, action: Object, host: str) -> str:
        """See `Runtime`: succeeds unless the file `/down` was made in the container."""
        container = self._running(container_id)
        return "connection refused" if container.files.get("/down") else ""

    async def logs(self, container_id: str, options: LogOptions) -> AsyncGenerator[bytes, None]:
        """See `Runtime`."""
        container = self._by_id.get(container_id)
        if container is None:
            return
        shown = [line for line in container.log if options.since is None or line.written_at >= options.since]
        if options.tail is not None:
            shown = shown[len(shown) - min(options.tail, len(shown)) :]
        position = len(container.log)
        while True:
            for line in shown:
                yield _shown(line, options)
            if not options.follow or not container.facts.running:
                return
            container.written.clear()
            await container.written.wait()
            shown, position = container.log[position:], len(container.log)

    def usage(self, uid: str) -> PodUsage | None:
        """See `Runtime`."""
        return self._usage.get(uid, PodUsage()) if uid in self._pods else None

    # What tests turn.

    def exit_container(self, uid: str, name: str, exit_code: int, *, reason: str = "") -> None:
        """Ends the running container of a pod.

        Raises:
            KeyError: no such container runs.
        """
        pod = self._pods[uid]
        for run in pod.runs:
            if run.facts.name == name and run.facts.running:
                run.end(exit_code, reason=reason)
                return
        raise KeyError(name)

    async def end_container(self, uid: str, name: str, exit_code: int, *, reason: str = "") -> None:
        """See `refimpl.kubelet.runtime.controlled.RuntimeLevers`."""
        self.exit_container(uid, name, exit_code, reason=reason)

    def set_file(self, uid: str, name: str, path: str, *, exists: bool) -> None:
        """Makes or removes a file in the newest run of a container; probes may look for it."""
        for run in reversed(self._pods[uid].runs):
            if run.facts.name == name:
                run.files[path] = exists
                return
        raise KeyError(name)

    def fail_image(self, image: str, reason: str = "ErrImagePull", message: str = "image not found") -> None:
        """Containers of this image cannot be started from now on."""
        self._bad_images[image] = StartFailure(reason, message)

    def mend_image(self, image: str) -> None:
        """Containers of this image can be started again."""
        self._bad_images.pop(image, None)

    def set_usage(self, uid: str, usage: PodUsage) -> None:
        """Says what a pod uses."""
        self._usage[uid] = usage

    def set_down(self, *, down: bool) -> None:
        """Stops or resumes answering; containers run on."""
        self._down = down

    def set_status(self, status: RuntimeStatus) -> None:
        """Says how the runtime and the network are."""
        self._status = status

    def _check_up(self) -> None:
        if self._down:
            raise StartFailure("CreateContainerError", "the simulated runtime is down")

    def _running(self, container_id: str) -> SimulatedContainer:
        container = self._by_id.get(container_id)
        if container is None or not container.facts.running:
            raise RuntimeUnavailable(f"container {container_id} does not run")
        return container

    def _tell(self, uid: str) -> None:
        if self._changed is not None:
            self._changed(uid)

    def _forget_old_runs(self, pod: _Pod, name: str) -> None:
        runs = [run for run in pod.runs if run.facts.name == name]
        for run in runs[:-_RUNS_KEPT]:
            pod.runs.remove(run)
            self._by_id.pop(run.facts.id, None)

    def _free_address(self, host_ip: str) -> str:
        taken = {ip for pod in self._pods.values() for ip in pod.facts.ips}
        if not self._pod_cidr:
            self._pod_cidr = default_pod_cidr(host_ip)
        for _ in range(2):
            for address in self._addresses:
                if address not in taken:
                    return address
            network = ipaddress.ip_network(self._pod_cidr)
            # .0 is the network's own, .1 the gateway's.
            self._addresses = (str(network[offset]) for offset in range(2, network.num_addresses - 1))
        raise StartFailure("FailedCreatePodSandBox", f"no address is free in {self._pod_cidr}")


def default_pod_cidr(host_ip: str) -> str:
    """A network of its own for each node, as long as nodes differ in the last two bytes of their addresses."""
    *_, third, fourth = (int(byte) for byte in (host_ip or "0.0.0.0").split("."))
    return f"10.{128 + third % 128}.{fourth}.0/24"


def _shown(line: LogLine, options: LogOptions) -> bytes:
    stamp = f"{format_micro_time(line.written_at)} " if options.timestamps else ""
    return f"{stamp}{line.text}\n".encode()
