"""A node of the real world: this machine, its processes, a server on the network.

kubelet = live_kubelet(client, Clock(), config)
await run_live(kubelet, config, clock)    # until cancelled
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from pathlib import Path
from typing import Final, Literal, get_args

import attrs

from refimpl.client.client import Client
from refimpl.clock import Clock
from refimpl.kubelet.config import KubeletConfig
from refimpl.kubelet.http.serving import Endpoint, listen, serve
from refimpl.kubelet.kubelet import Kubelet
from refimpl.kubelet.machine.cgroups import Cgroup
from refimpl.kubelet.machine.host import local_host
from refimpl.kubelet.machine.stats import LocalStats
from refimpl.kubelet.node.nodeevents import node_recorder
from refimpl.kubelet.runtime.base import Runtime, RuntimeUnavailable
from refimpl.kubelet.runtime.controlled import ControlledRuntime
from refimpl.kubelet.runtime.docker import DockerConfig, DockerRuntime
from refimpl.kubelet.runtime.process import ProcessRuntime
from refimpl.kubelet.runtime.simulated import SimulatedRuntime

log = logging.getLogger(__name__)

RuntimeName = Literal["process", "docker", "simulated"]
RUNTIMES: Final[tuple[RuntimeName, ...]] = get_args(RuntimeName)


def live_kubelet(
    client: Client,
    clock: Clock,
    config: KubeletConfig,
    runtime: RuntimeName = "process",
    docker: DockerConfig = DockerConfig(),  # noqa: B008
) -> Kubelet:
    """A kubelet for this machine; without `root_dir` its files live in the user's state directory, by node name.

    Args:
        client: the API, as this node.
        clock: live.
        config: settings.
        runtime: where containers live. With simulated ones pressure is simulated, too.
        docker: which Docker Engine, for that runtime.

    Raises:
        ConfigError: no kubelet starts with these settings.
    """
    if not config.root_dir:
        config = attrs.evolve(config, root_dir=str(default_root_dir(config.hostname(socket.gethostname()))))
    root = Path(config.root_dir)
    root.mkdir(parents=True, exist_ok=True)
    cgroup = Cgroup.find(config.cgroup_root) if config.cgroup_root.strip("/") else None
    host = local_host(root, cgroup.memory_limit() if cgroup is not None else None)
    name = config.hostname(host.hostname)
    containers: Runtime = _runtime(runtime, clock, name, root, docker, cgroup)
    if config.local_control and runtime != "simulated":
        containers = ControlledRuntime(containers)
    stats = None if runtime == "simulated" else LocalStats(root, cgroup)
    recorder = node_recorder(client, clock, config, name)
    return Kubelet(client, clock, config, containers, host, recorder, stats=stats, reconnect=client.aclose)


def default_root_dir(name: str) -> Path:
    """Where a node's files are unless configured: the same place at every start, so that containers are found again."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "node-contract" / "kubelet" / name


def open_endpoint(kubelet: Kubelet, client_ca: Path | None = None) -> Endpoint:
    """Binds the kubelet's server to its address and tells the kubelet its port.

    Args:
        kubelet: the kubelet; it must not run yet.
        client_ca: PEM file of the authority whose clients may ask.

    Raises:
        OSError: the address cannot be had.
    """
    config = kubelet.config
    address = config.address or next(iter(kubelet.host_ips()), "127.0.0.1")
    endpoint = Endpoint(listen(address, config.port), Path(config.root_dir) / "pki", client_ca)
    kubelet.port = endpoint.port
    return endpoint


async def run_live(kubelet: Kubelet, endpoint: Endpoint, clock: Clock) -> None:
    """Is a node, with its server, until cancelled.

    Raises:
        RuntimeUnavailable: there is no container runtime, or another kubelet uses its directory.
    """
    try:
        async with asyncio.TaskGroup() as group:
            serving = serve(kubelet.server.handle, endpoint, clock, kubelet.server.handle_socket)
            group.create_task(serving, name=f"kubelet {kubelet.name} server")
            group.create_task(kubelet.run(), name=f"kubelet {kubelet.name}")
    except* RuntimeUnavailable as unavailable:
        missing = unavailable.exceptions[0]
    else:
        return
    raise missing


async def kill_leftovers(
    clock: Clock,
    root_dir: Path,
    runtime: RuntimeName = "process",
    docker: DockerConfig = DockerConfig(),  # noqa: B008
    node: str = "",
) -> None:
    """Kills every container of a node, unless a kubelet still uses its directory.

    Args:
        clock: live.
        root_dir: the node's directory; its name is the node's unless `node` says otherwise.
        runtime: where the containers live.
        docker: which Docker Engine, for that runtime.
        node: name of the node.
    """
    containers = _runtime(runtime, clock, node or root_dir.name, root_dir, docker)
    if isinstance(containers, SimulatedRuntime):
        return
    try:
        await containers.start(lambda _: None)
    except RuntimeUnavailable as error:
        log.info("containers are left alone: %s", error)
        return
    await containers.kill_all()
    await containers.stop()


def _runtime(
    runtime: RuntimeName,
    clock: Clock,
    node: str,
    root: Path,
    docker: DockerConfig,
    cgroup: Cgroup | None = None,
) -> ProcessRuntime | DockerRuntime | SimulatedRuntime:
    match runtime:
        case "process":
            return ProcessRuntime(clock, root, cgroup.doors if cgroup is not None else ())
        case "docker":
            return DockerRuntime(clock, node, root, docker)
        case "simulated":
            return SimulatedRuntime(clock)
