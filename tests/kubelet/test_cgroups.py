"""What a cgroup says, in both versions; and what its limits make of the machine."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from refimpl.kubelet.config import ConfigError
from refimpl.kubelet.machine.cgroups import Cgroup
from refimpl.kubelet.machine.host import MIB, local_host
from refimpl.kubelet.machine.stats import LocalStats, Observation
from refimpl.kubelet.runtime.usage import room_of, usage_of

V1_UNLIMITED = 9223372036854771712
V1 = {
    "memory/n/memory.limit_in_bytes": str(64 * MIB),
    "memory/n/memory.usage_in_bytes": str(30 * MIB),
    "memory/n/memory.stat": f"inactive_file {MIB}\ntotal_inactive_file {10 * MIB}\n",
    "pids/n/pids.max": "100",
    "pids/n/pids.current": "40",
}
V2 = {
    "cgroup.controllers": "memory pids",
    "n/memory.max": str(64 * MIB),
    "n/memory.current": str(30 * MIB),
    "n/memory.stat": f"anon 1\ninactive_file {10 * MIB}\n",
    "n/pids.max": "100",
    "n/pids.current": "40",
}


def mounted(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n")
    return folder


@pytest.mark.parametrize("files", [V1, V2], ids=["v1", "v2"])
def test_a_limited_cgroup_is_the_machine(tmp_path: Path, files):
    cgroup = Cgroup.find("/n", mounted(tmp_path, files))
    observed = LocalStats(tmp_path, cgroup).node()
    assert observed["memory.available"] == Observation(44 * MIB, 64 * MIB)
    assert observed["pid.available"] == Observation(60, 100)
    assert local_host(tmp_path, cgroup.memory_limit()).memory == 64 * MIB


def test_there_is_a_door_for_each_hierarchy(tmp_path: Path):
    first, second = mounted(tmp_path / "1", V1), mounted(tmp_path / "2", V2)
    assert Cgroup.find("n", first).doors == (first / "memory/n/cgroup.procs", first / "pids/n/cgroup.procs")
    assert Cgroup.find("n", second).doors == (second / "n/cgroup.procs",)


@pytest.mark.parametrize(
    "files",
    [
        {**V1, "memory/n/memory.limit_in_bytes": str(V1_UNLIMITED), "pids/n/pids.max": "max"},
        {**V2, "n/memory.max": "max", "n/pids.max": "max"},
    ],
    ids=["v1", "v2"],
)
def test_what_is_not_limited_is_the_machine_s(tmp_path: Path, files):
    cgroup = Cgroup.find("/n", mounted(tmp_path, files))
    observed = LocalStats(tmp_path, cgroup).node()
    total = psutil.virtual_memory().total
    assert observed["memory.available"].capacity == total
    assert observed["pid.available"].capacity > 100
    assert local_host(tmp_path, cgroup.memory_limit()).memory == total


def test_one_controller_is_enough(tmp_path: Path):
    cgroup = Cgroup.find("/n", mounted(tmp_path, {name: text for name, text in V1.items() if "pids" in name}))
    assert (cgroup.memory_limit(), cgroup.pids_limit()) == (None, 100)
    assert LocalStats(tmp_path, cgroup).node()["memory.available"].capacity == psutil.virtual_memory().total


def test_more_in_use_than_allowed_leaves_nothing(tmp_path: Path):
    cgroup = Cgroup.find("/n", mounted(tmp_path, {**V2, "n/memory.current": str(90 * MIB)}))
    assert LocalStats(tmp_path, cgroup).node()["memory.available"] == Observation(0, 64 * MIB)


def test_a_cgroup_that_does_not_exist_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="--cgroup-root: there is no cgroup /other"):
        Cgroup.find("/other", mounted(tmp_path, V1))


def test_what_a_directory_takes_is_what_is_allocated(tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "full").write_bytes(b"x" * 100_000)
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(10**9)
    used, inodes = room_of(tmp_path)
    assert 100_000 <= used < 10**6
    assert inodes == 3


def test_a_process_that_has_ended_counts_nothing(tmp_path: Path):
    assert usage_of([2**22], tmp_path / "gone").memory == 0
