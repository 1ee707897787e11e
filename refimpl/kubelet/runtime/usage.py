"""What the processes and files of a pod use, as this machine tells."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from refimpl.kubelet.stats import PodUsage


def usage_of(pids: Iterable[int], directory: Path) -> PodUsage:
    """Resident memory and number of all processes of some families, and the size of the files of a directory.

    Args:
        pids: the first process of each family; one that has ended counts nothing.
        directory: where the files are; may not exist.
    """
    import psutil

    memory = processes = 0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            first = psutil.Process(pid)
            family = [first, *first.children(recursive=True)]
            memory += sum(member.memory_info().rss for member in family)
            processes += len(family)
    disk = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    return PodUsage(memory=memory, disk=disk, processes=processes)
