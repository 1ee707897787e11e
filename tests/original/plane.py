"""A control plane of the original binaries, and reference kubelets that join it with the rights of their nodes."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import attrs

from bench.apiserver import servers
from bench.apiserver.servers import Launched
from fixtures.agents.command import Ports
from fixtures.agents.leash import Leash
from refimpl.api.http import User
from refimpl.apiserver.identity import pki
from refimpl.client import kubeconfig
from refimpl.client.client import Client
from refimpl.client.http import HttpTransport
from refimpl.clock import Clock
from refimpl.cluster import node_user
from refimpl.commands.access import write_kubeconfig

VARIABLE = "NODE_CONTRACT_ORIGINAL"
"""Names the folder of kube-apiserver, kube-controller-manager and kube-scheduler."""
GRACE = 20
"""Seconds of silence after which a node is given up: twice the interval at which a kubelet renews by default."""
TOLERATION = 3
"""Seconds for which pods stay on a node that is given up."""
_NEEDED = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_ADMIN = User("admin", ("system:masters",))


def missing() -> str:
    """Why there can be no such control plane here; empty when there can."""
    folder = os.environ.get(VARIABLE, "")
    if not folder:
        return f"${VARIABLE} does not name a folder with {', '.join(_NEEDED)}"
    absent = [name for name in _NEEDED if not os.access(Path(folder) / name, os.X_OK)]
    if absent:
        return f"${VARIABLE}: {folder} has no {', '.join(absent)}"
    return "" if shutil.which("etcd") else "no etcd on the PATH"


@attrs.define(eq=False)
class Node:
    """A reference kubelet as a process, told nothing but who it is and where its files are."""

    name: str
    leash: Leash
    words: Sequence[str]

    async def start(self) -> None:
        """Starts it, for the first time or again."""
        await self.leash.start(self.words)

    async def kill(self) -> None:
        """SIGKILL to the kubelet; its containers run on."""
        await self.leash.end(kill=True)


@attrs.define(eq=False)
class Plane:
    """The control plane.

    Attributes:
        kubeconfig: its administrator's.
    """

    folder: Path
    apiserver: Launched
    authority: pki.Authority
    stack: contextlib.AsyncExitStack
    ports: Ports = attrs.field(factory=Ports)

    @property
    def kubeconfig(self) -> Path:
        return self.credentials("admin", _ADMIN)

    def credentials(self, name: str, user: User) -> Path:
        path = self.folder / "kubeconfigs" / name
        write_kubeconfig(path, f"https://127.0.0.1:{self.apiserver.port}", self.authority, name, user)
        return path

    def client(self) -> Client:
        return Client(HttpTransport(kubeconfig.load(self.kubeconfig)))

    async def restart_apiserver(self) -> None:
        """kill -9, and a new one on the same etcd; returns when it is ready."""
        assert self.apiserver.process is not None
        self.apiserver.process.kill()
        await self.apiserver.process.wait()
        await self.apiserver.start()

    async def leash(self, name: str) -> Leash:
        folder = self.folder / name
        folder.mkdir()
        return await self.stack.enter_async_context(Leash(folder))

    async def node(self, name: str) -> Node:
        """A kubelet with the flags that it cannot be without, and every other as it is by default."""
        leash = await self.leash(name)
        words = [sys.executable, "-m", "refimpl", "kubelet", f"--hostname-override={name}"]
        words += [f"--kubeconfig={self.credentials(name, node_user(name))}", f"--root-dir={leash.folder}/root"]
        words += [f"--client-ca-file={self.authority.pair.certificate}", f"--port={self.ports.take()}"]
        node = Node(name, leash, words)
        await node.start()
        return node


@contextlib.asynccontextmanager
async def control_plane(folder: Path, *, grace: int = GRACE) -> AsyncIterator[Plane]:
    """Starts etcd, kube-apiserver, kube-controller-manager and kube-scheduler; stops them at the end.

    Args:
        folder: for all their files.
        grace: seconds of silence after which a node is given up.
    """
    binaries = Path(os.environ[VARIABLE])
    authority = pki.Authority(folder / "pki", Clock())
    serving, caller = authority.serving(["127.0.0.1"]), authority.client("kubelet-client", _ADMIN)
    apiserver = await servers.original(
        folder / "apiserver",
        binaries,
        f"--tls-cert-file={serving.certificate}",
        f"--tls-private-key-file={serving.key}",
        f"--client-ca-file={authority.pair.certificate}",
        f"--kubelet-client-certificate={caller.certificate}",
        f"--kubelet-client-key={caller.key}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--default-not-ready-toleration-seconds={TOLERATION}",
        f"--default-unreachable-toleration-seconds={TOLERATION}",
    )
    try:
        await apiserver.start()
        async with contextlib.AsyncExitStack() as stack:
            plane = Plane(folder, apiserver, authority, stack)
            await _start_controllers(plane, binaries, grace)
            yield plane
    finally:
        await apiserver.close()


async def _start_controllers(plane: Plane, binaries: Path, grace: int) -> None:
    admin, keys = plane.kubeconfig, plane.folder / "apiserver"
    access = [f"--{name}={admin}" for name in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")]
    common = [*access, "--leader-elect=false", "--port=0", "--bind-address=127.0.0.1"]
    manager = await plane.leash("kube-controller-manager")
    flags = [f"--node-monitor-grace-period={grace}s", "--node-monitor-period=1s", "--node-eviction-rate=0.5"]
    flags += [f"--service-account-private-key-file={keys}/sa.key", f"--cert-dir={manager.folder}"]
    await manager.start(
        [str(binaries / "kube-controller-manager"), *common, *flags, f"--secure-port={plane.ports.take()}"]
    )
    scheduler = await plane.leash("kube-scheduler")
    words = [str(binaries / "kube-scheduler"), *common, f"--cert-dir={scheduler.folder}"]
    await scheduler.start([*words, f"--secure-port={plane.ports.take()}"])
