"""Sends an API server what no good client would, and looks whether it ever is at a loss.

    python bench/fuzz.py [--requests 20000] [--watches 2000] [--seed 1]

A real process gets objects of every served kind in right and wrong shapes, absurd parameters, bytes that are no HTTP,
connections that dawdle, and many idle watches. Prints the answers by status, those of 5xx that the original would not
give (each as the request that got it), and how much the memory has grown; exit status 1 when it was at a loss.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import attrs
import psutil
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from bench import hostile, rawhttp
from bench.process import free_port, listening, spawn
from bench.wire import Connection, Lost, Target
from refimpl.api.http import Request
from refimpl.api.resources import TABLE
from refimpl.clock import live_loop

ROUNDS = 10
EXAMPLE = 20
"""Requests an example."""
LANES = 4
PATIENCE = 30.0
"""Seconds within which every request is answered."""
TOLERATED_GROWTH = 1.1
"""Memory at the end over that after half of the rounds, when what is built on first use has been built."""


@attrs.define
class Findings:
    """What came back.

    Attributes:
        answers: by status.
        deliberate: answers of 5xx that the original gives too, by their text.
        broken: requests that got another 5xx.
        hung_up: requests without any answer.
        stuck: connections with neither answer nor end.
        memory: bytes after each round, everything deleted.
    """

    answers: Counter[int] = attrs.field(factory=Counter)
    deliberate: Counter[str] = attrs.field(factory=Counter)
    broken: list[str] = attrs.field(factory=list)
    hung_up: list[str] = attrs.field(factory=list)
    stuck: list[str] = attrs.field(factory=list)
    memory: list[int] = attrs.field(factory=list)

    @property
    def growth(self) -> float:
        """Memory at the end over that after half of the rounds."""
        return self.memory[-1] / self.memory[len(self.memory) // 2] if self.memory else 1.0

    @property
    def at_a_loss(self) -> bool:
        """Whether anything was wrong."""
        return bool(self.broken or self.hung_up or self.stuck) or self.growth > TOLERATED_GROWTH


def _brief(request: Request) -> str:
    about = f"{request.method} {request.path!r} {request.query!r} {dict(request.headers)}"
    return f"{about[:500]} {request.body[:1500]!r}"


class Lane:
    """One connection at a time."""

    def __init__(self, target: Target, findings: Findings) -> None:
        self._target = target
        self._findings = findings
        self._connection: Connection | None = None

    async def send(self, requests: Iterable[Request]) -> None:
        """Sends requests one after the other."""
        for request in requests:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._one(request)
            except (Lost, TimeoutError) as failure:
                self._findings.hung_up.append(f"{failure!r}: {_brief(request)}")
                self._connection = None

    async def _one(self, request: Request) -> None:
        connection = self._connection
        if connection is None or connection.lost:
            connection = self._connection = await Connection.open(self._target)
        path, headers = hostile.wire(request)
        if request.method == "HEAD" or "watch" in path:
            self._findings.answers[await connection.status(request.method, path, headers)] += 1
            self._connection = None
            return
        answer = await connection.request(request.method, path, request.body, "", headers)
        self._findings.answers[answer.status] += 1
        if hostile.is_broken(answer.status, answer.body):
            self._findings.broken.append(f"{answer.status} {answer.body[:300]!r}: {_brief(request)}")
        elif answer.status >= 500:
            self._findings.deliberate[hostile.deliberate(answer.body) or str(answer.status)] += 1


class Fuzzer:
    """Fuzzes one server that listens on a port of loopback.

    Args:
        port: where it listens, plain HTTP.
        process: it, for its memory.
    """

    def __init__(self, port: int, process: psutil.Process) -> None:
        self.findings = Findings()
        self._port = port
        self._process = process
        self._target = Target("127.0.0.1", port)
        self._lanes = [Lane(self._target, self.findings) for _ in range(LANES)]

    def requests(self, runner: asyncio.Runner, count: int, number: int) -> None:
        """One round of generated requests, after which everything is deleted and memory read."""

        @seed(number)
        @settings(
            max_examples=max(1, count // EXAMPLE),
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(requests=st.lists(hostile.REQUESTS, min_size=EXAMPLE, max_size=EXAMPLE))
        def play(requests: list[Request]) -> None:
            runner.run(self._spread(requests))

        play()
        runner.run(self._settle())

    async def raw(self, seed: int, count: int) -> None:
        """Bytes that are no good HTTP."""
        for what, data in (*rawhttp.bad_heads(), *rawhttp.bad_bodies(), *rawhttp.mutations(seed, count)):
            outcome = await rawhttp.send(self._port, what, data)
            self.findings.answers.update(outcome.statuses)
            if any(status >= 500 for status in outcome.statuses):
                self.findings.broken.append(f"{outcome}: {data[:300]!r}")
            if outcome.stuck:
                self.findings.stuck.append(what)
        await self._is_well()

    async def dawdle(self, connections: int, seconds: float) -> int:
        """Slow and half-open connections; the others are served meanwhile. Returns how many the server kept."""
        slow = asyncio.create_task(rawhttp.dawdle(self._port, connections, seconds))
        while not slow.done():
            await self._is_well()
            await asyncio.sleep(0.2)
        return await slow

    async def watches(self, count: int) -> float:
        """Opens idle watches; returns bytes of memory each."""
        before = self._process.memory_info().rss
        opened = [await Connection.open(self._target) for _ in range(count)]
        for number, connection in enumerate(opened):
            connection.follow(f"/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dn{number}")
        await self._is_well()
        each = (self._process.memory_info().rss - before) / max(count, 1)
        for connection in opened:
            connection.close()
        await self._is_well()
        return each

    async def _spread(self, requests: list[Request]) -> None:
        await asyncio.gather(*(lane.send(requests[number::LANES]) for number, lane in enumerate(self._lanes)))

    async def _settle(self) -> None:
        connection = await Connection.open(self._target)
        for row in TABLE:
            if row.stored and "deletecollection" in row.verbs and row.plural != "namespaces":
                path = f"{row.path('default')}?gracePeriodSeconds=0"
                await connection.request("DELETE", path)
        connection.close()
        await self._is_well()
        self.findings.memory.append(self._process.memory_info().rss)

    async def _is_well(self) -> None:
        async with asyncio.timeout(PATIENCE):
            connection = await Connection.open(self._target)
            answer = await connection.request("GET", "/readyz")
        connection.close()
        if answer.status != 200:
            self.findings.broken.append(f"/readyz answered {answer.status}")


def fuzz(requests: int, first_seed: int, watches: int, directory: Path) -> Findings:
    """Starts a server, does everything to it, and stops it."""
    with asyncio.Runner(loop_factory=live_loop) as runner:
        port, log = free_port(), directory / "server.log"
        words = ["--insecure-http", f"--listen=127.0.0.1:{port}", f"--data-dir={directory}"]
        process = runner.run(spawn([*words, "--etcd-compaction-interval=2"], log))
        runner.run(listening(process, log))
        fuzzer = Fuzzer(port, psutil.Process(process.pid))
        for number in range(ROUNDS):
            fuzzer.requests(runner, requests // ROUNDS, first_seed + number)
        runner.run(fuzzer.raw(first_seed, requests // 100))
        kept = runner.run(fuzzer.dawdle(50, 3.0))
        each = runner.run(fuzzer.watches(watches))
        print(f"{kept} of 50 slow connections still open after 3 s; {each / 1024:.1f} KiB an idle watch of {watches}")
        process.terminate()
        runner.run(process.wait())
        return fuzzer.findings


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--watches", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        findings = fuzz(options.requests, options.seed, options.watches, Path(directory))
    print(f"{findings.answers.total()} answers: {dict(sorted(findings.answers.items()))}")
    print(f"5xx as the original gives them: {dict(findings.deliberate.most_common())}")
    memory = ", ".join(f"{size / 2**20:.0f}" for size in findings.memory)
    print(f"memory after each round, MiB: {memory}; {findings.growth:.2f} times that after half of them")
    for title, found in (("5xx", findings.broken), ("no answer", findings.hung_up), ("stuck", findings.stuck)):
        print(f"{title}: {len(found)}")
        for line in found[:20]:
            print(f"  {line[:2500]}")
    return 1 if findings.at_a_loss else 0


if __name__ == "__main__":
    sys.exit(main())
