"""Small parts of this machine for tests that use something up: a cgroup with limits, a file system of a few MiB."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from refimpl.kubelet.machine.cgroups import MOUNTS

UNIFIED = (MOUNTS / "cgroup.controllers").exists()
NAME = f"node-contract-test-{os.getpid()}"


def no_cgroup(*controllers: str) -> str:
    """Why no cgroup with these controllers can be made here; empty when one can."""
    if os.geteuid() != 0:
        return "a cgroup needs root"
    if UNIFIED:
        there = (MOUNTS / "cgroup.subtree_control").read_text().split()
    else:
        there = [name for name in controllers if (MOUNTS / name / "cgroup.procs").exists()]
    missing = [name for name in controllers if name not in there]
    if missing:
        return f"no {' and '.join(missing)} controller below {MOUNTS}"
    return "" if os.access(MOUNTS / ("" if UNIFIED else controllers[0]), os.W_OK) else f"{MOUNTS} cannot be written"


def no_tmpfs() -> str:
    """Why no small file system can be mounted here; empty when one can."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return "a tmpfs needs root and mount"
    return ""


@contextlib.contextmanager
def cgroup(limits: Mapping[str, int]) -> Iterator[str]:
    """A cgroup for the time of the block, by its path below the hierarchies.

    Args:
        limits: by controller: bytes of `memory`, a number of `pids`.
    """
    directories = {name: MOUNTS / NAME if UNIFIED else MOUNTS / name / NAME for name in limits}
    for directory in dict.fromkeys(directories.values()):
        directory.mkdir()
    try:
        for name, limit in limits.items():
            file = {"memory": "memory.max" if UNIFIED else "memory.limit_in_bytes", "pids": "pids.max"}[name]
            (directories[name] / file).write_text(str(limit))
        yield f"/{NAME}"
    finally:
        for directory in dict.fromkeys(directories.values()):
            directory.rmdir()


@contextlib.contextmanager
def tmpfs(directory: Path, options: str) -> Iterator[Path]:
    """A file system in memory for the time of the block.

    Args:
        directory: where; it is made.
        options: of mount, e.g. `size=16m`.
    """
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "node-contract-test", str(directory)], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True)
