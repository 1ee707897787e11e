"""A cgroup as the machine of a node: what its limits leave is what the node has, and containers run in it.

Both versions are read: one directory for each controller (v1), or one for all (v2).

Source: kubelet 1.36 `--cgroup-root`, cadvisor's working set (usage without inactive file pages); Linux
`cgroup-v1/memory.rst`, `cgroup-v1/pids.rst`, `cgroup-v2.rst`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

import attrs

from refimpl.kubelet.config import ConfigError

MOUNTS: Final = Path("/sys/fs/cgroup")
_PROCS: Final = "cgroup.procs"


@attrs.frozen
class Cgroup:
    """One cgroup.

    Attributes:
        memory: directory of its memory controller; None when it has none.
        pids: directory of its process id controller; None when it has none.
        unified: whether this is version 2.
    """

    memory: Path | None
    pids: Path | None
    unified: bool

    @classmethod
    def find(cls, name: str, mounts: Path = MOUNTS) -> Self:
        """A cgroup by its path below the root of the hierarchies.

        Args:
            name: e.g. `/nodes/a`.
            mounts: where the hierarchies are mounted.

        Raises:
            ConfigError: it does not exist, or limits neither memory nor process ids.
        """
        below = name.strip("/")
        unified = (mounts / "cgroup.controllers").exists()
        memory = mounts / below if unified else mounts / "memory" / below
        pids = mounts / below if unified else mounts / "pids" / below
        found = cls(
            memory if (memory / _limit_file(unified=unified)).exists() else None,
            pids if (pids / "pids.max").exists() else None,
            unified,
        )
        if found.memory is None and found.pids is None:
            raise ConfigError(f"--cgroup-root: there is no cgroup {name} with memory or pids below {mounts}")
        return found

    @property
    def doors(self) -> tuple[Path, ...]:
        """The files through which a process enters it."""
        directories = dict.fromkeys(each for each in (self.memory, self.pids) if each is not None)
        return tuple(each / _PROCS for each in directories)

    def memory_limit(self) -> int | None:
        """Bytes that its processes may use; None when there is no limit, or no controller."""
        if self.memory is None:
            return None
        text = _read(self.memory / _limit_file(unified=self.unified))
        return None if text == "max" else int(text)

    def working_set(self) -> int:
        """Bytes in use that cannot simply be dropped.

        Raises:
            OSError: the cgroup is gone.
        """
        assert self.memory is not None
        usage, inactive = (
            ("memory.current", "inactive_file") if self.unified else ("memory.usage_in_bytes", "total_inactive_file")
        )
        used = int(_read(self.memory / usage))
        return max(0, used - _stat(self.memory / "memory.stat", inactive))

    def pids_limit(self) -> int | None:
        """How many processes and threads it may have; None when there is no limit, or no controller."""
        text = "max" if self.pids is None else _read(self.pids / "pids.max")
        return None if text == "max" else int(text)

    def pids_in_use(self) -> int:
        """How many it has.

        Raises:
            OSError: the cgroup is gone.
        """
        assert self.pids is not None
        return int(_read(self.pids / "pids.current"))


def _limit_file(*, unified: bool) -> str:
    return "memory.max" if unified else "memory.limit_in_bytes"


def _read(path: Path) -> str:
    return path.read_text().strip()


def _stat(path: Path, key: str) -> int:
    """One number of a file with a name and a number in each line; 0 when it is not there."""
    lines = (line.split() for line in path.read_text().splitlines())
    return next((int(value) for name, value in lines if name == key), 0)
