"""What the processes and files of a pod use, as this machine tells."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from refimpl.kubelet.machine.stats import PodUsage

if TYPE_CHECKING:
    import psutil

_BLOCK: Final = 512


def usage_of(pids: Iterable[int], directory: Path) -> PodUsage:
    """Memory and number of all processes of some families, and what the files of a directory take.

    Args:
        pids: the first process of each family; one that has ended counts nothing.
        directory: where the files are; may not exist.
    """
    import psutil

    members: list[psutil.Process] = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            first = psutil.Process(pid)
            members += [first, *first.children(recursive=True)]
    memory = [_memory_of(member) for member in members]
    disk, inodes = room_of(directory)
    return PodUsage(memory=sum(memory), disk=disk, inodes=inodes, processes=len(members))


def room_of(directory: Path) -> tuple[int, int]:
    """Bytes on disk and inodes of everything below a directory; what vanishes meanwhile counts nothing."""
    used = inodes = 0
    for folder, folders, files in os.walk(directory):
        for name in (*folders, *files):
            with contextlib.suppress(FileNotFoundError):
                used += Path(folder, name).lstat().st_blocks * _BLOCK
                inodes += 1
    return used, inodes


def _memory_of(process: psutil.Process) -> int:
    """Bytes of a process: what it shares with others counts by its share, lest a family of shells look large."""
    import psutil

    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
