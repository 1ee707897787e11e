"""Node agents nobody here wrote, many of them at once, at the reference master for a long time.

    python -m bench.hollow --agent 'COMMAND' [--nodes 50] [--minutes 30] [--kubeconfig FILE] [--log FILE]

COMMAND starts one agent; `{node}`, `{kubeconfig}`, `{port}`, `{port2}` and `{folder}` stand for its own. For kubemark:

    kubemark --morph=kubelet --name={node} --kubeconfig={kubeconfig} --kubelet-port={port}
        --kubelet-read-only-port={port2}

Without `--kubeconfig` it starts a reference master (API server with SQLite on disk, controllers, scheduler, each a
process) and gives every agent the credentials of its node. Nodes and Leases are watched; the log has a line for every
renewal and every change of Ready. Prints the figures; exit status 1 when a node was not Ready all the time from when it
first was, when it left its Lease unrenewed for longer than that holds, or when an agent ended.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import TextIO

import attrs
import psutil

from bench.attendance import Attendance
from fixtures.agents.command import Ports
from fixtures.agents.leash import Leash
from fixtures.agents.nodefile import filled, words
from fixtures.reference_live import processes
from refimpl.api.errors import Object
from refimpl.api.resources import LEASES, NODES
from refimpl.apiserver.identity import pki
from refimpl.client import kubeconfig
from refimpl.client.client import Client
from refimpl.client.http import HttpTransport
from refimpl.client.informer import Informer, run_informers
from refimpl.clock import Clock, run
from refimpl.cluster import node_user
from refimpl.commands import access

PREFIX = "hollow-"
LEASES_OF_NODES = "kube-node-lease"
MIB = 1024 * 1024
TICK = 1.0


@attrs.frozen
class Cost:
    """What processes of one sort took.

    Attributes:
        count: of them.
        cpu: seconds of a processor, together.
        resident: bytes, together; what they share counts in each.
        private: bytes, together, that belong to one of them alone.
    """

    count: int = 0
    cpu: float = 0.0
    resident: int = 0
    private: int = 0

    def __str__(self) -> str:
        memory = f"{self.resident / MIB:.0f} MiB resident, {self.private / MIB:.0f} MiB of it private"
        return f"{self.count} processes, {self.cpu:.1f} s of CPU, {memory}"


class Watch:
    """Follows the nodes and their Leases.

    Args:
        clock: live.
        log: takes a line for every event.
    """

    def __init__(self, clock: Clock, log: TextIO) -> None:
        self.nodes: dict[str, Attendance] = {}
        self.stall = 0.0
        """Seconds for which this machine let nothing of ours run, at the longest: gaps as long say nothing."""
        self._clock = clock
        self._log = log
        self._began = clock.monotonic()

    @property
    def at(self) -> float:
        """Seconds since the beginning."""
        return self._clock.monotonic() - self._began

    async def run(self, client: Client) -> None:
        """Works until cancelled."""
        nodes = Informer(client, NODES, self._clock)
        nodes.add_handler(self._on_node)
        leases = Informer(client, LEASES, self._clock, namespace=LEASES_OF_NODES)
        leases.add_handler(self._on_lease)
        async with asyncio.TaskGroup() as group:
            group.create_task(run_informers(nodes, leases), name="informers")
            group.create_task(self._tick(), name="tick")

    async def _tick(self) -> None:
        while True:
            before = self.at
            await self._clock.sleep(TICK)
            self.stall = max(self.stall, self.at - before - TICK)

    def say(self, text: str) -> None:
        """Writes a line to the log."""
        self._log.write(f"{self._clock.timestamp()} {self.at:9.3f} {text}\n")
        self._log.flush()

    def _on_node(self, old: Object | None, new: Object | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        if name in self.nodes and self.nodes[name].node(new, self.at):
            self.say(f"{name} Ready {self.nodes[name].ready}")

    def _on_lease(self, old: Object | None, new: Object | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        if new is not None and name in self.nodes and self.nodes[name].lease(new, self.at):
            self.say(f"{name} renewed")


class Crowd:
    """The agents.

    Args:
        command: words of the command line of one.
        folder: for their files.
        master: kubeconfig that reaches the master.
        authority: gives them credentials of their own; None lets all of them use `master`.
    """

    def __init__(self, command: Sequence[str], folder: Path, master: Path, authority: pki.Authority | None) -> None:
        self.agents: dict[str, Leash] = {}
        self._command = command
        self._folder = folder
        self._master = master
        self._authority = authority
        self._ports = Ports()

    async def add(self, name: str, stack: AsyncExitStack) -> None:
        """Starts one, which ends with the stack.

        Raises:
            StartError: there is no such command.
        """
        folder = self._folder / name
        folder.mkdir(parents=True)
        self.agents[name] = await stack.enter_async_context(Leash(folder))
        values = {"node": name, "folder": str(folder), "kubeconfig": str(self._credentials(name, folder))}
        values |= {"port": str(self._ports.take()), "port2": str(self._ports.take())}
        await self.agents[name].start([filled(word, values) for word in self._command])

    def _credentials(self, name: str, folder: Path) -> Path:
        if self._authority is None:
            return self._master
        own = folder / "kubeconfig"
        access.write_kubeconfig(own, access.server_of(self._master), self._authority, name, node_user(name))
        return own


@asynccontextmanager
async def master(folder: Path, given: Path | None) -> AsyncIterator[tuple[Path, pki.Authority | None]]:
    """The kubeconfig of a master that is there, or of a reference that is started, and what signs for its nodes."""
    if given is not None:
        yield given, None
        return
    async with processes(folder):
        yield folder / "kubeconfig", pki.Authority(folder / "pki", Clock())


async def play(options: argparse.Namespace, folder: Path, log: TextIO) -> tuple[list[str], list[str]]:
    """Runs the agents for the time; returns the figures, and what was wrong."""
    clock = Clock()
    names = [f"{PREFIX}{number}" for number in range(1, options.nodes + 1)]
    (folder / "master").mkdir()
    async with AsyncExitStack() as stack:
        path, authority = await stack.enter_async_context(master(folder / "master", options.kubeconfig))
        client = await stack.enter_async_context(aclosing(Client(HttpTransport(kubeconfig.load(path)))))
        crowd = Crowd(words(options.agent), folder / "agents", path, authority)
        watch = Watch(clock, log)
        watching = asyncio.create_task(watch.run(client))
        for name in names:
            watch.nodes[name] = Attendance()
            await crowd.add(name, stack)
            await clock.sleep(options.start_interval)
        watch.say(f"all {len(names)} agents are started")
        await asyncio.wait([watching], timeout=options.minutes * 60)
        at = watch.at
        faults = [f"{name} ended: {leash.log()[-400:]}" for name, leash in crowd.agents.items() if not leash.alive]
        if watching.done():
            watching.result()
        watching.cancel()
        costs = {sort: cost(found) for sort, found in sorted(processes_of(psutil.Process().children(True)).items())}
    for name, node in watch.nodes.items():
        node.end(at)
        faults += [f"{name} {fault}" for fault in node.faults()]
    stalled = f"nothing of ours ran for {watch.stall:.1f} s at the longest"
    return [*summary(list(watch.nodes.values()), at, costs), stalled], faults


def processes_of(children: Sequence[psutil.Process]) -> dict[str, list[psutil.Process]]:
    """Our processes by what they are: agents, the master's, and the keepers of the agents."""
    found: dict[str, list[psutil.Process]] = {"agents": [], "keepers": [], "master": []}
    for child in children:
        line = child.cmdline()
        sort = "keepers" if any(word.endswith("keeper.py") for word in line) else "agents"
        found["master" if "refimpl" in line else sort].append(child)
    return found


def cost(found: Sequence[psutil.Process]) -> Cost:
    """What processes have taken so far."""
    times = [process.cpu_times() for process in found]
    memory = [process.memory_full_info() for process in found]
    cpu = sum(time.user + time.system for time in times)
    return Cost(len(found), cpu, sum(each.rss for each in memory), sum(each.uss for each in memory))


def summary(nodes: Sequence[Attendance], at: float, costs: Mapping[str, Cost]) -> list[str]:
    """The figures, a line each.

    Args:
        nodes: what was seen of each.
        at: seconds since the beginning.
        costs: by sort of process.
    """
    ready = [node.ready_at for node in nodes if node.ready_at is not None]
    renewals = [node.renewals for node in nodes]
    changes = sum(len(node.transitions) for node in nodes)
    gap = max(node.longest_gap for node in nodes)
    return [
        f"{len(nodes)} agents for {at / 60:.1f} minutes",
        f"{len(ready)} were Ready, the last after {max(ready, default=0):.1f} s; {changes} changes of Ready since",
        f"{sum(renewals)} renewals of Leases, {min(renewals)} to {max(renewals)} a node; longest gap {gap:.1f} s",
        *(f"{sort}: {taken}" for sort, taken in costs.items()),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agent", required=True, metavar="COMMAND")
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--start-interval", type=float, default=1.0, metavar="SECONDS", help="between two starts")
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="a master that runs already")
    parser.add_argument("--log", type=Path, default=Path("hollow.log"), metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, options.log.open("w") as log:
        figures, faults = run(play(options, Path(folder), log))
    print("\n".join([*figures, *(f"FAULT: {fault}" for fault in faults), f"{len(faults)} faults"]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
