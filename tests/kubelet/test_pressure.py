"""Pressure for real: processes eat a small cgroup, fill a small file system and fork, and the node defends itself."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from refimpl.api.resources import PRIORITYCLASSES
from refimpl.apiserver.server import ApiServer
from refimpl.clock import Clock
from refimpl.kubelet import Kubelet, KubeletConfig, kubelet
from refimpl.kubelet.live import kill_leftovers, live_kubelet
from refimpl.kubelet.machine.host import MIB
from refimpl.storage.memory import MemoryStore
from tests.kubelet import limits
from tests.kubelet.kubelet_master import Master, running
from tests.watching import Watching, watching

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]

SOON = 25.0
TRANSITION = 2.0


@attrs.define(eq=False)
class Node:
    """A live kubelet, the master it talks to, and what that shows."""

    kubelet: Kubelet
    master: Master
    seen: Watching

    async def run(self, name: str, text: str, priority: str = "", **requests: str) -> None:
        """Binds a pod to the node and waits until it runs."""
        container = {
            "name": "c",
            "image": "busybox",
            "command": ["sh", "-c", text],
            "resources": {"requests": requests},
        }
        more = {"priorityClassName": priority} if priority else {}
        await self.master.bind(name, containers=[container], restartPolicy="Never", **more)
        await self.seen.until(lambda: name in self.running(), SOON, f"{name} runs")

    def running(self) -> list[str]:
        return sorted(pod["metadata"]["name"] for pod in self.seen.pods_on("n1"))

    def go(self, name: str) -> None:
        """Lets a pod that waits for the file GO go on."""
        pod = self.seen.pods.get(name, "default")
        (Path(self.kubelet.config.root_dir) / "pods" / pod["metadata"]["uid"] / "GO").touch()

    def evicted(self) -> list[str]:
        """Who was evicted, in this order."""
        failed = [each for each in self.seen.history if each.get("status", {}).get("reason") == "Evicted"]
        return list(dict.fromkeys(each["metadata"]["name"] for each in failed))

    def message(self, name: str) -> str:
        return str(self.seen.pods.get(name, "default")["status"]["message"])

    async def until_condition(self, kind: str, status: str) -> None:
        await self.seen.until(lambda: self.seen.condition("n1", kind) == status, SOON, f"{kind} {status}")

    def times(self, kind: str) -> list[str]:
        """The statuses that a condition had, one after the other."""
        shown = [
            condition["status"]
            for each in self.seen.history
            for condition in each.get("status", {}).get("conditions") or ()
            if condition["type"] == kind
        ]
        return [status for index, status in enumerate(shown) if not index or shown[index - 1] != status]


@contextlib.asynccontextmanager
async def node(root: Path, **settings: Any) -> AsyncIterator[Node]:
    """A node of this machine as `node-contract kubelet` makes it; nothing of it is left afterwards."""
    clock = Clock()
    server = ApiServer(MemoryStore(), clock)
    await server.start()
    master = Master(server, clock)
    config = KubeletConfig(
        hostname_override="n1",
        root_dir=str(root),
        node_status_update_frequency=0.5,
        eviction_pressure_transition_period=TRANSITION,
        **settings,
    )
    try:
        async with (
            running(live_kubelet(master.node_client(), clock, config)) as made,
            watching(master.client(), clock) as seen,
        ):
            await seen.until(lambda: seen.condition("n1") == "True", SOON, "Ready")
            await master.client().create(PRIORITYCLASSES, {"metadata": {"name": "high"}, "value": 1000})
            yield Node(made, master, seen)
    finally:
        await kill_leftovers(clock, root)
        await server.close()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node looks at its machine twice a second, not every ten seconds."""
    monkeypatch.setattr(kubelet, "MONITORING_PERIOD", 0.5)


def eater(now: int, later: int = 0) -> str:
    """A container that holds so many MiB of memory, and some more when it is told to go on."""
    more = f"until [ -e GO ]; do sleep 0.1; done; head -c {later * MIB} /dev/zero;" if later else ""
    return f"(head -c {now * MIB} /dev/zero; {more} exec sleep 1000) | tail -c {(now + later) * MIB}"


@pytest.mark.skipif(bool(limits.no_cgroup("memory")), reason=limits.no_cgroup("memory"))
async def test_memory_pressure_evicts_by_excess_priority_and_usage_and_ends(tmp_path: Path):
    with limits.cgroup({"memory": 64 * MIB}) as name:
        async with node(
            tmp_path / "root",
            cgroup_root=name,
            eviction_hard=("memory.available<20Mi",),
            eviction_minimum_reclaim={"memory.available": "30Mi"},
        ) as on:
            assert on.seen.nodes.get("n1")["status"]["capacity"]["memory"] == "64Mi"
            await on.run("modest", eater(8), memory="20Mi")
            await on.run("important", eater(8), "high", memory="1Mi")
            await on.run("middling", eater(8), memory="1Mi")
            await on.run("greedy", eater(2, later=20), memory="1Mi")
            assert on.seen.condition("n1", "MemoryPressure") == "False"
            on.go("greedy")
            await on.until_condition("MemoryPressure", "True")
            await on.until_condition("MemoryPressure", "False")
            assert on.evicted() == ["greedy", "middling", "important"]
            assert on.running() == ["modest"]
            assert on.times("MemoryPressure") == ["False", "True", "False"]
            assert "The node was low on resource: memory. Threshold quantity: 20Mi" in on.message("greedy")


def filler(now: int, *, fills: bool = False) -> str:
    """A container that writes so many MiB into its directory, and all there is when it is told to go on."""
    more = "until [ -e GO ]; do sleep 0.1; done; cat /dev/zero > all; echo the disk is full;" if fills else ""
    return f"head -c {now * MIB} /dev/zero > some; {more} exec sleep 1000"


@pytest.mark.skipif(bool(limits.no_tmpfs()), reason=limits.no_tmpfs())
async def test_disk_pressure_on_a_full_file_system_gives_room_back_and_ends(tmp_path: Path):
    with limits.tmpfs(tmp_path / "disk", "size=16m") as disk:
        async with node(
            disk / "root",
            eviction_hard=("nodefs.available<4Mi",),
            eviction_minimum_reclaim={"nodefs.available": "9Mi"},
        ) as on:
            assert on.seen.nodes.get("n1")["status"]["capacity"]["ephemeral-storage"] == "16Mi"
            await on.run("modest", filler(1), **{"ephemeral-storage": "2Mi"})
            await on.run("important", filler(1), "high")
            await on.run("middling", filler(2))
            await on.run("greedy", filler(1, fills=True))
            assert on.seen.condition("n1", "DiskPressure") == "False"
            on.go("greedy")
            await on.until_condition("DiskPressure", "True")
            await on.until_condition("DiskPressure", "False")
            assert on.evicted() == ["greedy", "middling"]
            assert on.running() == ["important", "modest"]
            assert on.times("DiskPressure") == ["False", "True", "False"]
            assert "The node was low on resource: ephemeral-storage." in on.message("greedy")
            state = on.seen.pods.get("greedy", "default")["status"]["containerStatuses"][0]["state"]
            assert state["terminated"]["exitCode"] == 143
            await on.run("late", filler(1))


@pytest.mark.skipif(bool(limits.no_tmpfs()), reason=limits.no_tmpfs())
async def test_disk_pressure_that_dead_pods_make_costs_no_living_one(tmp_path: Path):
    with limits.tmpfs(tmp_path / "disk", "size=16m") as disk:
        async with node(disk / "root", eviction_hard=("nodefs.available<4Mi",)) as on:
            await on.run("dead", f"head -c {8 * MIB} /dev/zero > some; until [ -e GO ]; do sleep 0.1; done")
            on.go("dead")
            await on.seen.until(lambda: not on.running(), SOON, "dead")
            await on.run("living", f"until [ -e GO ]; do sleep 0.1; done; {filler(5)}")
            assert on.seen.condition("n1", "DiskPressure") == "False"
            on.go("living")
            await on.until_condition("DiskPressure", "True")
            await on.until_condition("DiskPressure", "False")
            assert on.evicted() == []
            assert on.running() == ["living"]
            assert on.seen.pods.get("dead", "default")["status"]["phase"] == "Succeeded"


@pytest.mark.skipif(bool(limits.no_tmpfs()), reason=limits.no_tmpfs())
async def test_disk_pressure_for_want_of_inodes_evicts_who_has_most_files(tmp_path: Path):
    many = "until [ -e GO ]; do sleep 0.1; done; for i in $(seq 140); do : > f$i; done; exec sleep 1000"
    with limits.tmpfs(tmp_path / "disk", "size=16m,nr_inodes=200") as disk:
        async with node(disk / "root", eviction_hard=("nodefs.inodesFree<50",)) as on:
            await on.run("modest", "for i in $(seq 10); do : > f$i; done; exec sleep 1000")
            await on.run("greedy", many)
            on.go("greedy")
            await on.until_condition("DiskPressure", "True")
            await on.until_condition("DiskPressure", "False")
            assert on.evicted() == ["greedy"]
            assert on.running() == ["modest"]
            assert on.message("greedy").startswith("The node was low on resource: inodes.")


def forker(now: int, later: int = 0) -> str:
    """A container of so many processes beside its shell, and some more when it is told to go on."""
    some = f"for i in $(seq {now}); do sleep 1000 & done;"
    more = f"until [ -e GO ]; do sleep 0.1; done; for i in $(seq {later}); do sleep 1000 & done;" if later else ""
    return f"{some} {more} wait"


@pytest.mark.skipif(bool(limits.no_cgroup("pids")), reason=limits.no_cgroup("pids"))
async def test_pid_pressure_evicts_by_priority_and_processes_and_ends(tmp_path: Path):
    with limits.cgroup({"pids": 64}) as name:
        async with node(
            tmp_path / "root",
            cgroup_root=name,
            eviction_hard=("pid.available<16",),
            eviction_minimum_reclaim={"pid.available": "30"},
        ) as on:
            await on.run("important", forker(8), "high")
            await on.run("modest", forker(2))
            await on.run("middling", forker(8))
            await on.run("greedy", forker(1, later=26))
            assert on.seen.condition("n1", "PIDPressure") == "False"
            on.go("greedy")
            await on.until_condition("PIDPressure", "True")
            await on.until_condition("PIDPressure", "False")
            assert on.evicted() == ["greedy", "middling"]
            assert on.running() == ["important", "modest"]
            assert on.times("PIDPressure") == ["False", "True", "False"]
