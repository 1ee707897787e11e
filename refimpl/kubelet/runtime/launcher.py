"""Starting a container's shim, and what the shim is told to start."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from refimpl.api.errors import Object
from refimpl.kubelet.runtime import shim
from refimpl.kubelet.runtime.base import StartFailure
from refimpl.kubelet.runtime.processfiles import RunFiles

PAUSE: Final = ("sh", "-c", 'trap "exit 0" TERM INT; while :; do sleep 3600 & wait $!; done')
_START_WITHIN: Final = 10.0
_PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
_ABOVE_STANDARD: Final = 10


def shim_spec(pod: Object, spec: Object, env: Mapping[str, str], directory: Path, doors: Sequence[Path] = ()) -> Object:
    """What a shim starts for a container: its argv, environment and working directory.

    Args:
        pod: the pod.
        spec: of the container.
        env: of the container.
        directory: of the pod; containers that name no other begin there.
        doors: of the cgroups that the container runs in.
    """
    argv = [*(spec.get("command") or ()), *(spec.get("args") or ())] or list(PAUSE)
    base = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    working = spec.get("workingDir")
    place = working if working and Path(working).is_dir() else str(directory)
    hostname = pod["spec"].get("hostname") or pod["metadata"]["name"]
    cgroups = [str(door) for door in doors]
    return {"argv": argv, "env": {**base, "HOSTNAME": hostname, **env}, "cwd": place, "cgroups": cgroups}


async def launch(files: RunFiles) -> int:
    """Starts a shim and waits until its process runs or could not be started; the shim's pid.

    Raises:
        StartFailure: the shim said nothing in time.
    """
    read_end, write_end = os.pipe()
    lock = files.lock()
    try:
        pid = _spawn(files, write_end, lock)
    finally:
        os.close(write_end)
        os.close(lock)
    try:
        async with asyncio.timeout(_START_WITHIN):
            await _readable(read_end)
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        raise StartFailure("RunContainerError", f"the container's shim said nothing in {_START_WITHIN:g}s") from None
    finally:
        os.close(read_end)
    return pid


def _spawn(files: RunFiles, started: int, lock: int) -> int:
    """Starts the shim with the two descriptors where it expects them."""
    # Copies with high numbers, lest one of them sits where the other must go.
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _ABOVE_STANDARD) for descriptor in (started, lock)]
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", shim.__file__, str(files.directory)],
            {"PATH": os.environ.get("PATH", os.defpath)},
            setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, str(files.directory / "shim.log"), os.O_CREAT | os.O_WRONLY, 0o600),
                (os.POSIX_SPAWN_DUP2, high[0], shim.STARTED),
                (os.POSIX_SPAWN_DUP2, high[1], shim.LOCK),
            ],
        )
    finally:
        for descriptor in high:
            os.close(descriptor)


async def _readable(descriptor: int) -> None:
    """Waits until something can be read, or the other end was closed."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
