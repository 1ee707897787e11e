"""More is asked of an agent's node than it can give, in every respect, one pod after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.drive.containers import pause, shell
from conformance.judge.pods import TERMINAL
from conformance.judge.quantities import amount
from conformance.kinds import EVENT, LEASE, NODE, POD
from conformance.scenario import agent_scenario

POOL = "conformance.test/pool"
WIDGET = "conformance.test/widget"
UNKNOWN = "conformance.test/unknown"
TAINT = "conformance.test/taint"
WIDGETS = 3
PORT = 47117
BATCH = ("z-oldest", "m-middle", "a-youngest")
"""Oldest first, and in the other order by name."""
SHARE = 40
"""Percent of the node's CPUs that each of the batch asks for: two fit, three do not."""
REST = 15
LARGE = 60
"""Percent of the node's memory that some containers ask for: one fits, two together do not."""
CRITICAL = 90
EXTENDED = 8
"""Minor version from which nodes have extended resources and ephemeral storage."""
SYSTEMS = 24
"""Minor version from which pods say for which operating system they are."""
FIELDS = 18
"""Minor version from which pods select a node by its name, too."""
TINY = {"cpu": "1m"}
PORTS: Mapping[str, tuple[int, Mapping[str, str]]] = {
    "port-two": (PORT, {}),
    "port-here": (PORT, {"hostIP": "127.0.0.1"}),
    "port-datagrams": (PORT, {"protocol": "UDP"}),
    "port-one-address": (PORT + 1, {"hostIP": "127.0.0.2"}),
    "port-another-address": (PORT + 1, {"hostIP": "127.0.0.3"}),
}
"""Host ports by role; the first two are taken when their pods come, the others are free."""


def _longest(timing: AgentTiming) -> float:
    starts = 2 * timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    bound = 12 * timing.pod_running(20).latest + timing.pod_removed(30, 20).latest
    return starts + bound + 6 * timing.apart + timing.status_tick().latest


@agent_scenario(watches=(NODE, LEASE, POD, EVENT), abilities=("has_admission",), longest=_longest)
async def agent_admission(stage: AgentStage) -> None:
    """Pods that do not fit: after a restart, for lack of resources, for what they select, for ports and taints."""
    await stage.start(labels={POOL: "a"})
    if not await stage.settled():
        return
    if not stage.can("takes_labels"):
        await stage.patch(NODE, stage.node_name, {"metadata": {"labels": {POOL: "a"}}})
    await _bind(stage, "selected", {"nodeSelector": {POOL: "a"}}, TINY)
    await _decided(stage, "selected")
    await _batch(stage)
    await _demands(stage)
    await _room(stage)
    await _taints(stage)
    await _bind(stage, "unasking", {}, {})
    await _decided(stage, "unasking")
    await _bind(stage, "critical", {"priorityClassName": "system-node-critical"}, {"cpu": _cpu(stage, CRITICAL)})
    await _decided(stage, "critical")
    stage.mark("all asked", node=stage.node)
    await stage.hold(stage.timing.slack)
    if stage.can("lists_containers"):
        stage.mark("containers", listed=await stage.driver.containers())


async def _batch(stage: AgentStage) -> None:
    """While the agent is away its node changes, and more pods come than there is room for."""
    timing = stage.timing
    await stage.stop()
    await stage.patch(NODE, stage.node_name, {"metadata": {"labels": {POOL: "b"}}})
    extended = {WIDGET: str(WIDGETS)} if stage.facts.minor >= EXTENDED else {}
    amounts = {"status": {"capacity": extended, "allocatable": extended}}
    await stage.patch(NODE, stage.node_name, amounts, subresource="status")
    for role in BATCH:
        await stage.hold(timing.apart)
        await _bind(stage, role, {}, {"cpu": _cpu(stage, SHARE)})
    await stage.restart()
    roles = (*BATCH, "selected")
    # A pod that ran has its old phase until it is looked at again.
    await stage.until(lambda: stage.phase("selected") in TERMINAL, within=timing.registered().latest)
    await _decided(stage, *roles)
    stage.mark("batch decided", node=stage.node)


async def _demands(stage: AgentStage) -> None:
    """Everything that a node can be asked for and does not have, and some things that it has."""
    known = ((stage.node or {}).get("status") or {}).get("allocatable") or {}
    demands: dict[str, Mapping[str, str]] = {
        "giant-cpu": {"cpu": known.get("cpu", "0")},
        "giant-memory": {"memory": _more(known, "memory")},
    }
    if stage.facts.minor >= EXTENDED:
        demands["giant-storage"] = {"ephemeral-storage": _more(known, "ephemeral-storage")}
        demands["giant-widgets"] = {WIDGET: str(WIDGETS + 1)}
        demands["unknown-widget"] = {UNKNOWN: "1"}
    for role, requests in demands.items():
        await _bind(stage, role, {}, requests)
    shapes = _shapes(stage, known)
    for role, spec in shapes.items():
        await stage.pod(role, spec)
    selections: dict[str, dict[str, Any]] = {
        "elsewhere": {"nodeSelector": {POOL: "c"}},
        "unrelated": {"affinity": {"nodeAffinity": _required(POOL, "c")}},
        "half-related": {"affinity": {"nodeAffinity": _required(POOL, "b")}, "nodeSelector": {POOL: "c"}},
        "windows-label": {"nodeSelector": {"kubernetes.io/os": "windows"}},
    }
    if stage.facts.minor >= FIELDS:
        selections["named-otherwise"] = {"affinity": {"nodeAffinity": _named(stage.naming.name("elsewhere"))}}
    if stage.facts.minor >= SYSTEMS:
        selections["windows"] = {"os": {"name": "windows"}}
    for role, spec in selections.items():
        await _bind(stage, role, spec, TINY)
    await _bind(stage, "port-one", {}, TINY, port=PORT)
    await _decided(stage, "port-one")
    for role, (number, more) in PORTS.items():
        port = {"containerPort": number, "hostPort": number, **more}
        await stage.pod(role, {"containers": [pause("c1", requests=TINY, ports=[port])]})
        await _decided(stage, role)
    await _bind(stage, "fits", {}, {"cpu": _cpu(stage, REST)})
    await _decided(stage, *demands, *shapes, *selections, "fits")
    stage.mark("demands decided")


def _shapes(stage: AgentStage, known: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Pods that ask by several containers, by containers that run one after the other, and by limits."""
    memory = int(amount(known.get("memory")) or 0)
    most = {"memory": str(memory * LARGE // 100)}
    found: dict[str, dict[str, Any]] = {
        "giant-sum": {"containers": [pause(name, requests=most) for name in ("c1", "c2")]},
        "giant-init": {
            "initContainers": [pause("first", requests={"memory": _more(known, "memory")})],
            "containers": [pause("c1", requests=TINY)],
        },
        "large-limit": {
            "containers": [pause("c1", resources={"requests": TINY, "limits": {"cpu": _cpu(stage, 2 * 100)}})]
        },
    }
    if stage.can("runs_containers"):
        found["one-by-one"] = {
            "initContainers": [shell("exit 0", "first", resources={"requests": most})],
            "containers": [pause("c1", requests=most)],
        }
    return found


async def _room(stage: AgentStage) -> None:
    """A pod is deleted, another ends by itself if it can; each time there is room for one more."""
    await stage.delete_pod("m-middle")
    await stage.until(lambda: stage.pod_state("m-middle") is None, within=stage.timing.pod_removed(30, 20).latest)
    if stage.can("runs_containers"):
        ending = shell("exit 0", resources={"requests": {"cpu": _cpu(stage, SHARE)}})
        await stage.pod("brief", {"containers": [ending], "restartPolicy": "Never"})
        await stage.until(lambda: stage.phase("brief") in TERMINAL, within=stage.timing.pod_running(20).latest)
    await _bind(stage, "successor", {}, {"cpu": _cpu(stage, SHARE)})
    await _decided(stage, "successor")
    stage.mark("room used")


async def _taints(stage: AgentStage) -> None:
    """Taints that a pod does not tolerate, one kind after the other."""
    for effect, role in (("NoSchedule", "unscheduled"), ("NoExecute", "intolerant")):
        await stage.patch(NODE, stage.node_name, {"spec": {"taints": [{"key": TAINT, "effect": effect}]}})
        await stage.hold(stage.timing.slack)
        await _bind(stage, role, {}, TINY)
        await _decided(stage, role)
    await _bind(stage, "tolerant", {"tolerations": [{"key": TAINT, "operator": "Exists"}]}, TINY)
    await _decided(stage, "tolerant")
    await stage.patch(NODE, stage.node_name, {"spec": {"taints": []}})
    await stage.hold(stage.timing.slack)


async def _bind(
    stage: AgentStage, role: str, spec: Mapping[str, Any], requests: Mapping[str, str], port: int = 0
) -> None:
    extended = {name: text for name, text in requests.items() if "/" in name}
    resources = {"requests": dict(requests), **({"limits": extended} if extended else {})}
    ports: dict[str, Any] = {"ports": [{"containerPort": port, "hostPort": port}]} if port else {}
    await stage.pod(role, {"containers": [pause("c1", resources=resources, **ports)], **spec})


async def _decided(stage: AgentStage, *roles: str) -> None:
    """Waits until the agent has taken or refused pods."""
    wanted = ("Running", *TERMINAL)
    await stage.until(
        lambda: all(stage.phase(role) in wanted for role in roles), within=stage.timing.pod_running(20).latest
    )


def _cpu(stage: AgentStage, percent: int) -> str:
    """A share of the node's allocatable CPUs."""
    known = ((stage.node or {}).get("status") or {}).get("allocatable") or {}
    return f"{int((amount(known.get('cpu')) or 0) * 1000 * percent / 100)}m"


def _more(known: Mapping[str, Any], resource: str) -> str:
    return str(int(amount(known.get(resource)) or 0) + 2**30)


def _named(name: str) -> dict[str, Any]:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}


def _required(key: str, value: str) -> dict[str, Any]:
    term = {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
