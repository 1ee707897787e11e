"""Kills the API server again and again in the middle of writes, and looks whether anything it had said was untrue.

    python bench/durability.py [--kills 200] [--seed 1] [--store sqlite]

A real process on disk is written to over many connections and killed by SIGKILL at a random moment, sometimes while it
starts. After each restart

* every acknowledged write is there, or what replaced it;
* no resourceVersion is lower than one that was given before, or names another write;
* watches that resume where they were get every acknowledged write exactly once, or 410.

Prints the figures; exit status 1 when anything was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from asyncio.subprocess import Process
from contextlib import suppress
from pathlib import Path

from bench.ledger import Ledger
from bench.load import KINDS, Follower, Writer, judge_lists
from bench.process import free_port, listening, spawn
from bench.wire import Connection, Target
from refimpl.clock import run

LONGEST_LOAD = 0.4
"""Seconds of load before a kill, at most."""
LONGEST_START = 1.5
AWAY = 0.3
"""Share of the watches that are away during a load, and come back to a history that may be compacted."""
KILLED_AT_START = 0.1
"""Share of the kills that come while the server starts."""
COMPACTION = "0.1"
"""Seconds between compactions: often, so that kills hit them too."""


class Run:
    """One server, what it has said so far, and who talks to it."""

    def __init__(self, directory: Path, seed: int, writers: int) -> None:
        self.ledger = Ledger()
        self.kills = 0
        self.at_start = 0
        self._directory = directory
        self._random = random.Random(seed)
        self._port = free_port()
        self._target = Target("127.0.0.1", self._port)
        self._writers = [Writer(f"w{number}", self._target, self.ledger) for number in range(writers)]
        self._followers = [Follower(kind, self._target, self.ledger) for kind in KINDS]

    async def cycle(self) -> None:
        """Starts the server, checks it against the ledger, loads it, kills it."""
        process = await self._spawn()
        if self._random.random() < KILLED_AT_START:
            await asyncio.sleep(self._random.random() * LONGEST_START)
            await self._kill(process)
            self.at_start += 1
            return
        await listening(process, self._log)
        await self.check()
        parts = [part.run() for part in self._writers] + [
            part.run() for part in self._followers if self._random.random() >= AWAY
        ]
        tasks = [asyncio.create_task(part) for part in parts]
        await asyncio.sleep(self._random.random() * LONGEST_LOAD)
        await self._kill(process)
        await asyncio.gather(*tasks)

    async def finish(self) -> None:
        """Starts the server for a last time, checks it and stops it in order."""
        process = await self._spawn()
        await listening(process, self._log)
        await self.check()
        process.terminate()
        await process.wait()

    async def check(self) -> None:
        """Compares what the server has with what it had acknowledged."""
        connection = await Connection.open(self._target)
        for kind in KINDS:
            await judge_lists(connection, kind, self.ledger)
        connection.close()
        for follower in self._followers:
            await follower.catch_up()

    async def _spawn(self) -> Process:
        words = ["--insecure-http", f"--listen=127.0.0.1:{self._port}", f"--data-dir={self._directory}"]
        words += [f"--store=sqlite:{self._directory}/store.db", f"--etcd-compaction-interval={COMPACTION}"]
        return await spawn(words, self._log)

    async def _kill(self, process: Process) -> None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        self.kills += 1

    @property
    def _log(self) -> Path:
        return self._directory / "server.log"


async def play(kills: int, seed: int, writers: int, directory: Path) -> Run:
    """Kills a server so many times."""
    played = Run(directory, seed, writers)
    while played.kills < kills:
        await played.cycle()
        if played.ledger.faults:
            return played
    await played.finish()
    return played


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--writers", type=int, default=24)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        played = run(play(options.kills, options.seed, options.writers, Path(directory)))
    ledger = played.ledger
    print(f"{played.kills} kills, {played.at_start} of them during the start")
    print(f"{ledger.acknowledged} writes acknowledged, {ledger.unanswered} cut off; newest revision {ledger.newest}")
    print(f"{ledger.followed} events followed, {ledger.resumed} watches resumed, {ledger.expired} told 410")
    for fault in ledger.faults:
        print(f"FAULT: {fault}")
    print(f"{len(ledger.faults)} faults")
    return 1 if ledger.faults else 0


if __name__ == "__main__":
    sys.exit(main())
