"""How much of the machine is in use: the observations behind pressure conditions and evictions.

A provider answers at once. `SettableStats` is what tests and virtual clusters turn; `LocalStats` reads this machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, Protocol, get_args

import attrs

from refimpl.kubelet.machine.cgroups import Cgroup
from refimpl.kubelet.machine.host import HostFacts

Signal = Literal[
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
    "pid.available",
]
"""What a threshold can be set on."""

SIGNALS: Final[tuple[Signal, ...]] = get_args(Signal)

_MAX_PID: Final = 32768
_INODES: Final = 1_000_000


@attrs.frozen
class Observation:
    """One signal at one moment.

    Attributes:
        available: bytes, inodes or process ids that are free.
        capacity: how many there are.
    """

    available: int
    capacity: int


@attrs.frozen
class PodUsage:
    """What one pod uses.

    Attributes:
        memory: bytes of working set.
        disk: bytes of logs, writable layers and local volumes.
        inodes: inodes of the same.
        processes: processes.
    """

    memory: int = 0
    disk: int = 0
    inodes: int = 0
    processes: int = 0


class StatsProvider(Protocol):
    """Where observations come from."""

    def node(self) -> Mapping[Signal, Observation]:
        """Signals that can be observed; the same object as long as nothing changed."""
        ...


class SettableStats:
    """A machine with as much free as somebody last said: everything, to begin with.

    Args:
        host: capacities.
        beneath: where observations come from that nobody said anything about; None makes them up.
    """

    def __init__(self, host: HostFacts, beneath: StatsProvider | None = None) -> None:
        self._beneath = beneath
        self._said: set[Signal] = set()
        disk = Observation(host.ephemeral_storage, host.ephemeral_storage)
        inodes = Observation(_INODES, _INODES)
        self._observed: Mapping[Signal, Observation] = {
            "memory.available": Observation(host.memory, host.memory),
            "nodefs.available": disk,
            "nodefs.inodesFree": inodes,
            "imagefs.available": disk,
            "imagefs.inodesFree": inodes,
            "pid.available": Observation(_MAX_PID, _MAX_PID),
        }

    def node(self) -> Mapping[Signal, Observation]:
        """See `StatsProvider`."""
        if self._beneath is None:
            return self._observed
        return {**self._beneath.node(), **{signal: self._observed[signal] for signal in sorted(self._said)}}

    def set_available(self, signal: Signal, available: int) -> None:
        """Says how much is free from now on."""
        self._said.add(signal)
        capacity = self._observed[signal].capacity
        self._observed = {**self._observed, signal: Observation(available, capacity)}

    def reset(self, signal: Signal) -> None:
        """Everything of the signal is free again, or as much as there is beneath."""
        self.set_available(signal, self._observed[signal].capacity)
        self._said.discard(signal)


class LocalStats:
    """This machine, through psutil and statvfs, or the part of it that a cgroup is.

    Args:
        root_dir: a directory on the file system to watch (`nodefs` and `imagefs`).
        cgroup: whose limits stand for the machine's; None for the whole machine.
    """

    def __init__(self, root_dir: Path, cgroup: Cgroup | None = None) -> None:
        self._root_dir = root_dir
        self._cgroup = cgroup

    def node(self) -> Mapping[Signal, Observation]:
        """See `StatsProvider`."""
        disk = os.statvfs(self._root_dir)
        space = Observation(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize)
        observed: dict[Signal, Observation] = {
            "memory.available": self._memory(),
            "nodefs.available": space,
            "imagefs.available": space,
        }
        if disk.f_files:
            # Some file systems make inodes as needed and report none: nothing to observe there.
            inodes = Observation(disk.f_favail, disk.f_files)
            observed["nodefs.inodesFree"] = observed["imagefs.inodesFree"] = inodes
        observed["pid.available"] = self._pids()
        return observed

    def _memory(self) -> Observation:
        import psutil

        machine = psutil.virtual_memory()
        limit = self._cgroup.memory_limit() if self._cgroup is not None else None
        if self._cgroup is None or limit is None or limit >= machine.total:
            return Observation(machine.available, machine.total)
        return Observation(max(0, limit - self._cgroup.working_set()), limit)

    def _pids(self) -> Observation:
        import psutil

        largest = _max_pid()
        limit = self._cgroup.pids_limit() if self._cgroup is not None else None
        if self._cgroup is None or limit is None or limit >= largest:
            return Observation(largest - len(psutil.pids()), largest)
        return Observation(max(0, limit - self._cgroup.pids_in_use()), limit)


def _max_pid() -> int:
    try:
        return int(Path("/proc/sys/kernel/pid_max").read_text())
    except (OSError, ValueError):
        return _MAX_PID
