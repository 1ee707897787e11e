"""Measures an API server, alone or in turn with another one.

    python -m bench.apiserver                           ours: TLS, RBAC, SQLite with fsync
    python -m bench.apiserver --original BIN_DIR        ours and kube-apiserver of BIN_DIR with etcd, in turn
    python -m bench.apiserver --kubeconfig A --against B [--pids 1,2 --against-pids 3,4]    two that run already

Names of benchmarks limit the run to these. Servers are measured in turn (A B A B); the medians count, every sample is
shown. CPU is that of the server with its etcd. Docs: docs/bench.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.apiserver import fanout, lists, memory, requests, servers, wrk
from bench.apiserver.measure import Benchmark, Sample, Server, in_turn, report
from bench.apiserver.objects import empty
from bench.apiserver.servers import Launched
from bench.wire import Target
from refimpl.clock import run

START = "start"
START_GOAL = 5.0


def benchmarks(running: Sequence[Server]) -> tuple[Benchmark, ...]:
    """Everything there is to measure, with a load that all the servers let in."""
    load = wrk if all(wrk.fits(server.target) for server in running) else requests
    return (
        Benchmark("leases", "renewals/s", load.leases, goal=5),
        Benchmark("patches", "patches/s", load.patches, goal=4),
        Benchmark("gets", "reads/s", load.gets, goal=3),
        Benchmark("fanout", "deliveries/s", fanout.fanout, goal=3),
        Benchmark("list", "lists/s", lists.whole, goal=3),
        Benchmark("pages", "lists/s", lists.pages, goal=3),
        Benchmark("memory", "MiB", memory.memory, more_is_better=False, goal=3, once=True),
    )


async def of_launched(options: argparse.Namespace, directory: Path) -> None:
    """Starts servers, measures, and stops them."""
    launched: list[Launched] = []
    try:
        launched.append(servers.ours(directory / "ours", options.store))
        if options.original is not None:
            launched.append(await servers.original(directory / "original", options.original))
        starts: list[list[Sample]] = [[] for _ in launched]
        for number in range(options.rounds + 1 if START in options.names else 1):
            for one, taken in zip(launched, starts, strict=True):
                await one.stop()
                started = Sample(await one.start())
                if number:  # the first start makes certificates
                    taken.append(started)
        running = [one.server for one in launched]
        if START in options.names:
            # Only the names of the servers and the samples are of use here.
            show(report(Benchmark(START, "s", memory.memory, more_is_better=False, goal=START_GOAL), running, starts))
        await measure(running, options)
    finally:
        for one in launched:
            await one.close()


async def of_running(options: argparse.Namespace) -> None:
    """Measures servers that run already, and deletes what it has made."""
    running = [Server("A", Target.of_kubeconfig(options.kubeconfig), options.pids)]
    if options.against is not None:
        running.append(Server("B", Target.of_kubeconfig(options.against), options.against_pids))
    try:
        await measure(running, options)
    finally:
        for server in running:
            await empty(server.target)


async def measure(running: Sequence[Server], options: argparse.Namespace) -> None:
    """Runs the chosen benchmarks."""
    for benchmark in benchmarks(running):
        if benchmark.name in options.names:
            rounds = 1 if benchmark.once else options.rounds
            show(report(benchmark, running, await in_turn(benchmark, running, rounds, options.seconds)))


def show(lines: Iterable[str]) -> None:
    """Prints at once."""
    for line in lines:
        print(line, flush=True)


def _pids(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def main() -> int:
    known = (START, *(benchmark.name for benchmark in benchmarks(())))
    parser = argparse.ArgumentParser(
        prog="python -m bench.apiserver", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--original", type=Path, metavar="BIN_DIR", help="where kube-apiserver is")
    parser.add_argument("--store", default="", help="of ours, as for `node-contract apiserver`")
    parser.add_argument("--kubeconfig", type=Path, metavar="A")
    parser.add_argument("--against", type=Path, metavar="B")
    parser.add_argument("--pids", type=_pids, default=())
    parser.add_argument("--against-pids", type=_pids, default=())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one sample")
    options = parser.parse_args()
    unknown = set(options.names) - set(known)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    options.names = options.names or known
    if options.kubeconfig is not None:
        run(of_running(options))
    else:
        with tempfile.TemporaryDirectory() as directory:
            run(of_launched(options, Path(directory)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
