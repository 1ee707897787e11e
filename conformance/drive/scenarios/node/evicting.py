"""Pods come to an agent's node that is under pressure, and those that are there have to go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.drive.containers import STUBBORN, pause, shell
from conformance.judge.conditions import status
from conformance.judge.pods import TERMINAL
from conformance.kinds import EVENT, LEASE, NODE, POD, PRIORITY_CLASS
from conformance.scenario import agent_scenario

TRANSITION = 30
"""--eviction-pressure-transition-period, in seconds."""
PERIOD = {"eviction-pressure-transition-period": f"{TRANSITION}s"}
ONLY_TELL = {
    **PERIOD,
    "eviction-hard": "",
    "eviction-soft": "memory.available<100Mi,nodefs.available<10%",
    "eviction-soft-grace-period": "memory.available=10h,nodefs.available=10h",
}
"""Pressure becomes a condition, and nobody is evicted."""
EVICT = {**PERIOD, "eviction-hard": "memory.available<100Mi"}

REQUESTS = {"cpu": "1m", "memory": "16Mi"}
BURSTABLE: Mapping[str, Any] = {"resources": {"requests": REQUESTS}}
GUARANTEED: Mapping[str, Any] = {"resources": {"requests": REQUESTS, "limits": REQUESTS}}
TOLERATION = {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule"}
SYSTEM = {"priorityClassName": "system-node-critical"}

SHORT_OF_MEMORY: Mapping[str, Mapping[str, Any]] = {
    "besteffort": {},
    "burstable": {"resources": BURSTABLE["resources"]},
    "guaranteed": {"resources": GUARANTEED["resources"]},
    "tolerant": {"tolerations": [TOLERATION]},
    "critical": SYSTEM,
}
SHORT_OF_DISK: Mapping[str, Mapping[str, Any]] = {
    "disk-burstable": {"resources": BURSTABLE["resources"]},
    "disk-guaranteed": {"resources": GUARANTEED["resources"]},
    "disk-critical": SYSTEM,
}
MIB = 2**20
HELD = "greediest"
"""The pod among those below that does not end when it is told to; it is evicted first."""
HOGS: Mapping[str, tuple[int, int, str]] = {
    "modest": (512 * MIB, 256 * MIB, ""),
    "besteffort-hog": (0, 8 * MIB, ""),
    "greedy": (64 * MIB, 512 * MIB, ""),
    "greediest": (64 * MIB, 1024 * MIB, ""),
    "important": (64 * MIB, 2048 * MIB, "important"),
    "vital": (0, 512 * MIB, "system-node-critical"),
}
"""Pods by role: memory they ask for, memory they use, and their priority class."""
ORDER = ("greediest", "greedy", "besteffort-hog", "important", "modest")
"""In which they are evicted: what exceeds its requests, by priority and then by excess, before what does not."""


def _longest(timing: AgentTiming) -> float:
    begin = 2 * timing.registered().latest + timing.lease_created().latest + 2 * timing.ready().latest
    told = 2 * (timing.pressed().latest + timing.relieved(TRANSITION).latest)
    bound = 4 * timing.pod_running(len(HOGS)).latest
    return begin + told + bound + timing.pressed().latest + timing.evicted(len(HOGS)).latest


@agent_scenario(
    watches=(NODE, LEASE, POD, EVENT),
    abilities=("can_pressure", "can_use", "kubelet_flags", "has_admission"),
    longest=_longest,
)
async def agent_evicting(stage: AgentStage) -> None:
    """Memory is scarce, then disk, while pods come; then memory is scarce until all that may go are gone."""
    await stage.start(more=ONLY_TELL)
    if not await stage.settled():
        return
    await _pressed(stage, "memory", "MemoryPressure", SHORT_OF_MEMORY)
    await _pressed(stage, "disk", "DiskPressure", SHORT_OF_DISK)
    await _bind(stage, "afterwards", {})
    await _decided(stage, ["afterwards"])
    stage.mark("pressure over")
    await stage.stop()
    for role in (*SHORT_OF_MEMORY, *SHORT_OF_DISK, "afterwards"):
        await stage.delete_pod(role, grace=0)
    await stage.start(more=EVICT)
    await stage.until(stage.is_ready, within=stage.timing.registered().latest + stage.timing.ready().latest)
    await _evicted(stage)


async def _pressed(stage: AgentStage, resource: str, kind: str, comers: Mapping[str, Mapping[str, Any]]) -> None:
    """Pods come while a resource is scarce."""
    await stage.driver.pressure(resource, on=True)
    await stage.until(lambda: status(stage.node, kind) == "True", within=stage.timing.pressed().latest)
    stage.mark(f"{resource} scarce", told=status(stage.node, kind))
    for role, extra in comers.items():
        await _bind(stage, role, extra)
    await _decided(stage, comers)
    await stage.driver.pressure(resource, on=False)
    await stage.until(lambda: status(stage.node, kind) == "False", within=stage.timing.relieved(TRANSITION).latest)


async def _evicted(stage: AgentStage) -> None:
    """Six pods use memory, and there is none left."""
    important = stage.naming.name("important")
    await stage.create(
        PRIORITY_CLASS,
        {
            "apiVersion": PRIORITY_CLASS.group_version,
            "kind": "PriorityClass",
            "metadata": {"name": important},
            "value": 1000,
        },
    )
    for role, (asked, _, priority) in HOGS.items():
        requests = {"resources": {"requests": {"memory": str(asked)}}} if asked else {}
        named = {"priorityClassName": important if priority == "important" else priority} if priority else {}
        await _bind(stage, role, {**requests, **named})
    await stage.until(lambda: all(stage.phase(role) == "Running" for role in HOGS), within=_run(stage))
    for role, (_, used, _) in HOGS.items():
        await stage.driver.use((stage.pod_state(role) or {})["metadata"]["uid"], used)
    stage.mark("nothing left", running=[role for role in HOGS if stage.phase(role) == "Running"])
    await stage.driver.pressure("memory", on=True)
    await stage.until(
        lambda: all(stage.phase(role) in TERMINAL for role in ORDER),
        within=stage.timing.pressed().latest + stage.timing.evicted(len(ORDER)).latest,
    )
    await stage.hold(stage.timing.pressed().latest)


async def _bind(stage: AgentStage, role: str, extra: Mapping[str, Any]) -> None:
    alive = shell(STUBBORN, "c1") if role == HELD else pause("c1")
    spec = {name: value for name, value in extra.items() if name != "resources"}
    resources = {"resources": extra["resources"]} if "resources" in extra else {}
    await stage.pod(role, {"containers": [{**alive, **resources}], **spec})


async def _decided(stage: AgentStage, roles: Iterable[str]) -> None:
    wanted, names = ("Running", *TERMINAL), list(roles)
    await stage.until(lambda: all(stage.phase(role) in wanted for role in names), within=_run(stage))


def _run(stage: AgentStage) -> float:
    return stage.timing.pod_running(len(HOGS)).latest
