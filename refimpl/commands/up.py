"""`node-contract up`: one master and some nodes on loopback, each component a process of its own.

The components are the same commands a user can start alone. Their logs go to files below the data directory. A
component that dies is not restarted behind the user's back: `up` says so, and prints the line that starts it again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shlex
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import attrs

from refimpl.apiserver.identity import pki
from refimpl.client import kubeconfig
from refimpl.client.client import Client
from refimpl.client.http import HttpTransport
from refimpl.clock import Clock
from refimpl.commands import access, components
from refimpl.commands.flags import from_flags
from refimpl.commands.service import Refused, add_common_flags, announce, serve
from refimpl.controllers import permissions
from refimpl.kubelet.live import kill_leftovers
from refimpl.kubelet.runtime.docker import DockerConfig

_READY_WITHIN = 30.0
_STOP_WITHIN = 8.0


@attrs.define(eq=False)
class Component:
    """One process of the cluster.

    Attributes:
        name: `apiserver`, `node-1`, ...
        words: the command line after `node-contract`.
        log: where its stderr goes.
    """

    name: str
    words: list[str]
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> str:
        """Starts the process and returns the line with which it says that it is ready.

        Raises:
            Refused: it ended, or said nothing in time; the text holds the end of its log.
        """
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "refimpl",
                *self.words,
                "--with-parent",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(_READY_WITHIN):
                line = await self.process.stdout.readline()
        except TimeoutError:
            raise Refused(f"{self.name} was not ready within {_READY_WITHIN:g}s; its log is {self.log}") from None
        if not line:
            await self.process.wait()
            raise Refused(f"{self.name} did not start: {self._last_words()}")
        return line.decode().strip()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL to what does not listen."""
        if self.process is None or self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_WITHIN):
                await self.process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()

    @property
    def command(self) -> str:
        """The line that starts this component alone."""
        return shlex.join(["node-contract", *self.words])

    def _last_words(self) -> str:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else f"it said nothing; its log is {self.log}"


class Supervisor:
    """Starts the components in order, tells the user, watches them, and stops them in reverse order."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._components: list[Component] = []
        directory = options.data_dir or Path(tempfile.mkdtemp(prefix="node-contract-"))
        self._directory = directory.resolve()
        self._kubeconfig = (options.kubeconfig_out or self._directory / "kubeconfig").resolve()

    async def run(self) -> None:
        """Works until cancelled."""
        (self._directory / "logs").mkdir(parents=True, exist_ok=True)
        try:
            ready = await self._start_all()
            announce(f"{ready}\n\n{self._what_to_try()}")
            async with asyncio.TaskGroup() as group:
                for component in self._components:
                    group.create_task(_tell_of_its_end(component), name=f"watch {component.name}")
        finally:
            await self._stop_all()

    async def _start_all(self) -> str:
        master = self._add("apiserver", components.apiserver_words(self._options, self._directory, self._kubeconfig))
        ready = await master.start()
        own = await self._let_in()
        workers = []
        for name, path in own.items():
            match name:
                case "controller-manager":
                    words = components.controller_manager_words(self._options, path)
                case "scheduler":
                    words = components.scheduler_words(self._options, path)
                case "kube-proxy":
                    words = components.kube_proxy_words(self._options, path)
                case _:
                    words = components.kubelet_words(self._options, name, self._directory, path)
            workers.append(self._add(name, words))
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(worker.start(), name=f"start {worker.name}")
        return ready

    async def _let_in(self) -> dict[str, Path]:
        """Gives every component credentials of its own; returns the kubeconfigs by name of the component."""
        async with aclosing(Client(HttpTransport(kubeconfig.load(self._kubeconfig)))) as admin:
            await permissions.grant(admin)
        authority = pki.Authority(self._directory / "pki", Clock())
        server = access.server_of(self._kubeconfig)
        written = {}
        for name, user in access.users(self._options.nodes).items():
            written[name] = self._directory / "kubeconfigs" / name
            access.write_kubeconfig(written[name], server, authority, name, user)
        return written

    def _add(self, name: str, words: list[str]) -> Component:
        component = Component(name, words, self._directory / "logs" / f"{name}.log")
        self._components.append(component)
        return component

    async def _stop_all(self) -> None:
        *rest, master = reversed(self._components)
        await asyncio.gather(*(component.stop() for component in rest))
        await master.stop()
        for root in sorted((self._directory / "nodes").glob("*")):
            docker = from_flags(DockerConfig, self._options)
            await kill_leftovers(Clock(), root, self._options.container_runtime, docker)

    def _what_to_try(self) -> str:
        pids = "\n".join(
            f"  {component.name:20} pid {component.process.pid if component.process else '-'}"
            for component in self._components
        )
        return f"""\
processes (logs in {self._directory / "logs"}, credentials of each in {self._directory / "kubeconfigs"}):
{pids}

try next, in another terminal:
  export KUBECONFIG={self._kubeconfig}
  kubectl get nodes -o wide
  kubectl create deployment web --image=busybox --replicas=6 -- sleep 1000000
  kubectl get pods -o wide
  kill -9 PID-OF-NODE-1; kubectl get nodes -w      # NotReady within the grace period, the pods elsewhere later
  pytest conformance/master --kubeconfig {self._kubeconfig}

Ctrl-C stops everything."""


async def _tell_of_its_end(component: Component) -> None:
    assert component.process is not None
    status = await component.process.wait()
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    announce(f"{component.name} {how}; start it again with:\n  {component.command}")


def main(arguments: Sequence[str]) -> int:
    """The `up` command."""
    parser = argparse.ArgumentParser(prog="node-contract up", description=__doc__, formatter_class=_Formatter)
    parser.add_argument("--nodes", type=int, default=3, metavar="N", help="how many nodes (default 3)")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="where the API server listens")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="store, certificates, logs (default: a new one)")
    parser.add_argument("--kubeconfig-out", type=Path, metavar="FILE", help="where to write the admin's kubeconfig")
    components.add_forwarded_flags(parser)
    add_common_flags(parser)
    options = parser.parse_args(arguments)
    if options.nodes < 0:
        parser.error("--nodes must not be negative")
    return serve("up", Supervisor(options).run, options)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the paragraphs of the module docstring."""
