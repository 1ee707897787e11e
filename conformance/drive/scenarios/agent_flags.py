"""An agent is started with settings of a kubelet."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.kinds import LEASE, NODE
from conformance.scenario import agent_scenario

PROVIDER = "conformance://machine"
PODS = "7"
RESERVED = {"cpu": "300m", "memory": "300Mi", "ephemeral-storage": "2Gi"}
KUBE = {"cpu": "100m", "memory": "100Mi", "ephemeral-storage": "1Gi"}
SYSTEM = {"cpu": "200m", "memory": "200Mi", "ephemeral-storage": "1Gi"}
MEMORY_KEPT = "64Mi"
STORAGE_KEPT = 20
FLAGS = {
    "provider-id": PROVIDER,
    "max-pods": PODS,
    "kube-reserved": ",".join(f"{name}={value}" for name, value in KUBE.items()),
    "system-reserved": ",".join(f"{name}={value}" for name, value in SYSTEM.items()),
    "eviction-hard": f"memory.available<{MEMORY_KEPT},nodefs.available<{STORAGE_KEPT}%,imagefs.available<30%",
    "eviction-soft": "memory.available<128Mi",
    "eviction-soft-grace-period": "memory.available=10h",
}


def _longest(timing: AgentTiming) -> float:
    return timing.registered().latest + timing.lease_created().latest + timing.ready().latest


@agent_scenario(watches=(NODE, LEASE), abilities=("kubelet_flags", "registers_itself"), longest=_longest)
async def agent_flags(stage: AgentStage) -> None:
    """The agent gets its name in capitals, a provider id, fewer pods, and reservations."""
    await stage.start(node_name=stage.node_name.upper(), more=FLAGS)
    await stage.settled()
    await stage.hold(stage.timing.slack)
    await stage.stop()
    await stage.restart()
    await stage.hold(stage.timing.registered().latest)
