"""An etcd of a test's own."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.process import free_port


async def start(directory: Path, client: int, peer: int) -> Process:
    """Starts one on the data in a directory."""
    words = ["--data-dir", f"{directory}/etcd", "--log-level=panic"]
    for flag, port in (("client", client), ("peer", peer)):
        advertised = "advertise-client-urls" if flag == "client" else "initial-advertise-peer-urls"
        url = f"http://127.0.0.1:{port}"
        words += [f"--listen-{flag}-urls", url, f"--{advertised}", url]
    words += ["--initial-cluster", f"default=http://127.0.0.1:{peer}"]
    return await asyncio.create_subprocess_exec("etcd", *words, stdout=DEVNULL, stderr=DEVNULL)


async def stop(process: Process) -> None:
    """Ends it at once."""
    process.kill()
    await process.wait()


@asynccontextmanager
async def etcd(directory: Path) -> AsyncIterator[str]:
    """One that is empty; its URL."""
    client = free_port()
    process = await start(directory, client, free_port())
    try:
        yield f"http://127.0.0.1:{client}"
    finally:
        await stop(process)
