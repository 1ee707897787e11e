"""An agent's watches on its pods come to nothing, in every way, while pods come and go."""

from __future__ import annotations

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.drive.containers import pause
from conformance.driver import Disturbance
from conformance.judge import agent_pods as pods
from conformance.kinds import LEASE, NODE, POD
from conformance.record.history import Exchange
from conformance.scenario import agent_scenario

PODS = "/api/v1/pods"
END = Disturbance("end", "GET", PODS)
TROUBLES = {
    "ends": (END,),
    "expires": (Disturbance("expire", "GET", PODS), END),
    "breaks": (Disturbance("truncate", "GET", PODS), END),
}
"""By what becomes of the watch: in good order, too old for as long as it lasts, and broken off in the middle."""
HEALED = ("breaks",)
"""Troubles in which nobody can learn anything before they are over."""
KEPT = "kept"


def new(trouble: str) -> str:
    """The pod that is bound when the watch has this trouble."""
    return f"new-{trouble}"


def gone(trouble: str) -> str:
    """The pod that vanishes then."""
    return f"gone-{trouble}"


OLD = (KEPT, *map(gone, TROUBLES))


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    each = 2 * timing.rewatched().latest + timing.pod_running().latest + timing.container_killed(0).latest
    return begin + timing.pod_running(len(OLD)).latest + len(TROUBLES) * each


@agent_scenario(watches=(NODE, LEASE, POD), longest=_longest)
async def agent_watches(stage: AgentStage) -> None:
    """Watches on pods end, are too old, and break in the middle of an event; each time one pod comes and one goes."""
    timing = stage.timing
    await stage.start()
    if not await stage.settled():
        return
    for role in OLD:
        await stage.pod(role, {"containers": [pause("c1")], "terminationGracePeriodSeconds": 1})
    within = timing.pod_running(len(OLD)).latest
    if not await stage.until(lambda: all(stage.phase(role) == "Running" for role in OLD), within=within):
        return
    stage.mark("pods run", pods={role: stage.pod_state(role) for role in OLD})
    for trouble in TROUBLES:
        await _go_through(stage, trouble)
    await stage.hold(timing.container_killed(0).latest)
    stage.mark("watches over", listed=await stage.driver.containers() if stage.can("lists_containers") else [])


async def _go_through(stage: AgentStage, trouble: str) -> None:
    timing = stage.timing
    await stage.hold(timing.slack)
    heal = stage.disturb(*TROUBLES[trouble])
    stage.mark(f"watch {trouble}")
    await stage.delete_pod(gone(trouble), grace=0)
    await stage.pod(new(trouble), {"containers": [pause("c1")]})
    if trouble in HEALED:
        await stage.until_request(lambda x: x.path.startswith(PODS + "?"), within=timing.rewatched().latest)
        await stage.hold(timing.slack)
        heal()
    stage.mark(f"{trouble}: can be seen")
    within = timing.rewatched().latest + timing.pod_running().latest
    await stage.until(lambda: pods.status(stage.pod_state(new(trouble))).get("startTime"), within=within)
    if trouble not in HEALED:
        heal()
    healed = stage.clock.moment()

    def watched() -> bool:
        return any(_watches(x) and x.sent > healed for x in stage.agents_requests())

    if trouble != "ends":
        await stage.until(watched, within=timing.rewatched().latest)
    await stage.until(lambda: stage.phase(new(trouble)) == "Running", within=timing.pod_running().latest)


def _watches(asked: Exchange) -> bool:
    """Whether a request began a watch on pods."""
    return asked.path.startswith(PODS + "?") and "watch=" in asked.path and asked.status == 200
