"""The Table columns of pods, the `Status` column above all: one word for what goes on in a pod.

Source: kube-apiserver 1.36 `pkg/printers/internalversion`.
"""

from __future__ import annotations

import attrs

from refimpl.api.errors import Object
from refimpl.api.podresources import is_sidecar
from refimpl.apiserver.kinds import printing
from refimpl.apiserver.strategy import Column
from refimpl.clock import Clock

NODE_LOST = "NodeLost"


@attrs.define
class Summary:
    """What the containers of a pod say together.

    Attributes:
        reason: the word for the `Status` column.
        ready: how many containers are ready.
        restarts: how often containers were restarted.
        last_restart: when the last of them ended before that; empty when none did.
    """

    reason: str
    ready: int = 0
    restarts: int = 0
    last_restart: str = ""

    def count_restarts(self, status: Object) -> None:
        """Adds the restarts of one container."""
        self.restarts += status.get("restartCount", 0)
        ended = printing.dig(status, ("lastState", "terminated", "finishedAt"), "")
        self.last_restart = max(self.last_restart, str(ended))


def summarize(pod: Object) -> Summary:
    """Sums up a pod for its row."""
    status = pod.get("status") or {}
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or []}
    summary = Summary(status.get("reason") or status.get("phase", ""))
    if conditions.get("PodScheduled", {}).get("reason") == "SchedulingGated":
        summary.reason = "SchedulingGated"
    sidecars = Summary("")
    initializing = _init_containers(pod, summary, sidecars)
    if not initializing or conditions.get("Initialized", {}).get("status") == "True":
        summary.restarts, summary.last_restart = sidecars.restarts, sidecars.last_restart
        _containers(status, conditions, summary)
    if pod["metadata"].get("deletionTimestamp"):
        if status.get("reason") == NODE_LOST:
            summary.reason = "Unknown"
        elif status.get("phase") not in {"Succeeded", "Failed"}:
            summary.reason = "Terminating"
    return summary


def _init_containers(pod: Object, summary: Summary, sidecars: Summary) -> bool:
    """Looks at init containers in order; returns whether one of them is still in the way."""
    specs = {container.get("name"): container for container in pod["spec"].get("initContainers") or []}
    for index, status in enumerate((pod.get("status") or {}).get("initContainerStatuses") or []):
        summary.count_restarts(status)
        sidecar = is_sidecar(specs.get(status.get("name"), {}))
        if sidecar:
            sidecars.count_restarts(status)
        terminated = (status.get("state") or {}).get("terminated")
        if terminated is not None and not terminated.get("exitCode", 0):
            continue
        if sidecar and status.get("started"):
            summary.ready += bool(status.get("ready"))
            continue
        summary.reason = f"Init:{_init_reason(status, f'{index}/{len(specs)}')}"
        return True
    return False


def _init_reason(status: Object, progress: str) -> str:
    state = status.get("state") or {}
    if state.get("terminated") is not None:
        return _end_reason(state["terminated"])
    waiting = (state.get("waiting") or {}).get("reason", "")
    return waiting if waiting not in {"", "PodInitializing"} else progress


def _end_reason(terminated: Object) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    signal = terminated.get("signal", 0)
    return f"Signal:{signal}" if signal else f"ExitCode:{terminated.get('exitCode', 0)}"


def _containers(status: Object, conditions: dict[str, Object], summary: Summary) -> None:
    """Looks at containers from the last to the first, so that the first has the last word."""
    running = False
    for container in reversed(status.get("containerStatuses") or []):
        summary.count_restarts(container)
        state = container.get("state") or {}
        waiting = (state.get("waiting") or {}).get("reason", "")
        if waiting:
            summary.reason = waiting
        elif state.get("terminated") is not None:
            summary.reason = _end_reason(state["terminated"])
        elif container.get("ready") and state.get("running") is not None:
            running = True
            summary.ready += 1
    if summary.reason == "Completed" and running:
        summary.reason = "Running" if conditions.get("Ready", {}).get("status") == "True" else "NotReady"


def ready(pod: Object, _clock: Clock) -> str:
    """`ready/all`, sidecars counted in."""
    sidecars = [container for container in pod["spec"].get("initContainers") or [] if is_sidecar(container)]
    return f"{summarize(pod).ready}/{len(pod['spec'].get('containers') or []) + len(sidecars)}"


def status(pod: Object, _clock: Clock) -> str:
    """The reason of the summary."""
    return summarize(pod).reason


def restarts(pod: Object, clock: Clock) -> str:
    """How many, and how long ago the last one was."""
    summary = summarize(pod)
    if summary.restarts and summary.last_restart:
        return f"{summary.restarts} ({printing.since(summary.last_restart, clock.now())} ago)"
    return str(summary.restarts)


def pod_ip(pod: Object, _clock: Clock) -> str:
    """The first address."""
    addresses = (pod.get("status") or {}).get("podIPs") or []
    return str(addresses[0].get("ip") or printing.NONE) if addresses else printing.NONE


def readiness_gates(pod: Object, _clock: Clock) -> str:
    """`true/all` of the readiness gates."""
    gates = pod["spec"].get("readinessGates") or []
    conditions = (pod.get("status") or {}).get("conditions") or []
    held = {condition.get("type") for condition in conditions if condition.get("status") == "True"}
    passed = [gate for gate in gates if gate.get("conditionType") in held]
    return f"{len(passed)}/{len(gates)}" if gates else printing.NONE


COLUMNS = (
    printing.NAME,
    Column("Ready", ready, description="The aggregate readiness state of this pod for accepting traffic."),
    Column("Status", status, description="The aggregate status of the containers in this pod."),
    Column(
        "Restarts",
        restarts,
        description="The number of times the containers in this pod have been restarted and when the last container in "
        "this pod has restarted.",
    ),
    printing.AGE,
    Column("IP", pod_ip, documents="status.podIP", priority=1),
    Column("Node", printing.field("spec.nodeName", printing.NONE), documents="spec.nodeName", priority=1),
    Column(
        "Nominated Node",
        printing.field("status.nominatedNodeName", printing.NONE),
        documents="status.nominatedNodeName",
        priority=1,
    ),
    Column("Readiness Gates", readiness_gates, documents="spec.readinessGates", priority=1),
)

COMPLETED = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}


def row_conditions(pod: Object) -> list[Object]:
    """Marks the row of a finished pod."""
    phase = (pod.get("status") or {}).get("phase", "")
    if phase not in COMPLETED:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": COMPLETED[phase]}]
