"""API servers of ours as processes, to measure and to kill."""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path


def free_port() -> int:
    """A TCP port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def spawn(words: Sequence[str], log: Path) -> Process:
    """Starts `node-contract apiserver`; its stderr goes to `log`."""
    command = [sys.executable, "-m", "refimpl", "apiserver", *words]
    with log.open("ab") as errors:
        return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=errors)


async def listening(process: Process, log: Path) -> None:
    """Waits until the server says that it listens.

    Raises:
        RuntimeError: it has ended instead.
    """
    assert process.stdout is not None
    if not await process.stdout.readline():
        raise RuntimeError(f"the server did not start; its log is {log}")
