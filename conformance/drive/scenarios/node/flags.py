"""An agent is started with settings of a kubelet."""

from __future__ import annotations

from collections.abc import Iterable

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.drive.containers import pause
from conformance.judge.pods import TERMINAL
from conformance.kinds import LEASE, NODE, POD
from conformance.scenario import agent_scenario

PROVIDER = "conformance://machine"
PODS = "7"
RESERVED = {"cpu": "300m", "memory": "300Mi", "ephemeral-storage": "2Gi"}
KUBE = {"cpu": "100m", "memory": "100Mi", "ephemeral-storage": "1Gi"}
SYSTEM = {"cpu": "200m", "memory": "200Mi", "ephemeral-storage": "1Gi"}
MEMORY_KEPT = "64Mi"
STORAGE_KEPT = 3
"""Percent: little enough for machines whose disks are well filled."""
FLAGS = {
    "provider-id": PROVIDER,
    "max-pods": PODS,
    "kube-reserved": ",".join(f"{name}={value}" for name, value in KUBE.items()),
    "system-reserved": ",".join(f"{name}={value}" for name, value in SYSTEM.items()),
    "pods-per-core": "1000",
    "eviction-hard": f"memory.available<{MEMORY_KEPT},nodefs.available<{STORAGE_KEPT}%,imagefs.available<4%",
    "eviction-soft": "memory.available<128Mi",
    "eviction-soft-grace-period": "memory.available=10h",
}


MORE_FLAGS = {**FLAGS, "kube-reserved": "cpu=350m,memory=150Mi,ephemeral-storage=1Gi"}
CROWD = tuple(f"crowd-{number}" for number in range(int(PODS) + 1))


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    pods = 2 * timing.pod_running(len(CROWD)).latest + timing.apart
    return begin + pods + 2 * timing.registered().latest + timing.status_tick().latest


@agent_scenario(watches=(NODE, LEASE, POD), abilities=("kubelet_flags", "registers_itself"), longest=_longest)
async def agent_flags(stage: AgentStage) -> None:
    """The agent gets its name in capitals, a provider id, fewer pods, and reservations; pods come; it gets others."""
    timing = stage.timing
    await stage.start(node_name=stage.node_name.upper(), more=FLAGS)
    await stage.settled()
    await _crowd(stage)
    await stage.stop()
    await stage.restart()
    await stage.hold(timing.registered().latest)
    await stage.stop()
    await stage.start(node_name=stage.node_name.upper(), more=MORE_FLAGS)
    await stage.hold(timing.registered().latest + timing.status_tick().latest)


async def _crowd(stage: AgentStage) -> None:
    """A pod that asks for all the machine has, and one pod more than the node takes."""
    capacity = ((stage.node or {}).get("status") or {}).get("capacity") or {}
    wanted = {name: capacity.get(name, "0") for name in ("cpu", "memory")}
    for name, text in wanted.items():
        await stage.pod(f"all-{name}", {"containers": [pause(requests={name: text})]})
    await _decided(stage, [f"all-{name}" for name in wanted])
    for role in CROWD[:-1]:
        await stage.pod(role, {"containers": [pause()]})
    await stage.hold(stage.timing.apart)
    await stage.pod(CROWD[-1], {"containers": [pause()]})
    await _decided(stage, CROWD)
    stage.mark("crowd decided")


async def _decided(stage: AgentStage, roles: Iterable[str]) -> None:
    wanted, names = ("Running", *TERMINAL), list(roles)
    latest = stage.timing.pod_running(len(names)).latest
    await stage.until(lambda: all(stage.phase(role) in wanted for role in names), within=latest)
