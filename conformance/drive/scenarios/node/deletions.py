"""Pods of an agent's node are deleted in every way, while the agent is there and while it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.agent_timing import AgentTiming
from conformance.client import existing
from conformance.drive.agent import AgentStage
from conformance.drive.containers import NO_IMAGE, OBEDIENT, STUBBORN, pause, shell
from conformance.driver import Disturbance
from conformance.judge import agent_pods as pods
from conformance.kinds import LEASE, NODE, POD
from conformance.scenario import agent_scenario

FINALIZER = "conformance.test/hold"
HOOK = 8
SPEC_GRACE = 3
GRACES: Mapping[str, int | None] = {
    "patient": None,
    "stubborn": 5,
    "hurried": 1,
    "hooked": 10,
    "hook-first": 30,
    "together": 5,
    "by-its-spec": None,
    "held": 1,
    "unstarted": None,
}
"""Pods that are deleted, with the seconds they get."""
PATIENCE = 30
"""Seconds that a pod gets whose spec says nothing."""
LONG, SHORT = 100, 2
"""Seconds that the first and the second request grant to one pod."""
KEPT, LEFT, FORGOTTEN = "kept", "deleted-meanwhile", "vanished-meanwhile"
"""Pods of which the agent misses the fate."""
ROLES = (*GRACES, "shortened", "vanishing", "reborn", KEPT, LEFT, FORGOTTEN)


def _longest(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    deleted = timing.pod_running(len(ROLES)).latest + timing.pod_removed(PATIENCE, len(ROLES)).latest
    held = 3 * timing.pod_repaired().latest + timing.pod_acknowledged().latest
    away = timing.registered().latest + timing.rewatched().latest + timing.pod_removed(PATIENCE).latest
    return begin + deleted + held + away + 2 * timing.apart + timing.slack


@agent_scenario(watches=(NODE, LEASE, POD), longest=_longest)
async def agent_deletions(stage: AgentStage) -> None:
    """Pods are deleted with and without grace, by force, twice, and under a finalizer; then behind the agent's back."""
    timing = stage.timing
    await stage.start()
    if not await stage.settled():
        return
    for role in ROLES:
        await stage.pod(role, _spec(role), **({"finalizers": [FINALIZER]} if role == "held" else {}))
    await stage.until(lambda: all(_is_up(stage, role) for role in ROLES), within=timing.pod_running(len(ROLES)).latest)
    await stage.hold(timing.apart)
    stage.mark("pods run", pods={role: stage.pod_state(role) for role in ROLES if _is_up(stage, role)})
    await _delete(stage)
    await _release(stage)
    await _absence(stage)
    if stage.can("lists_containers"):
        stage.mark("containers", listed=await stage.driver.containers())


def _spec(role: str) -> dict[str, Any]:
    hook = {"preStop": {"exec": {"command": ["sleep", str(HOOK)]}}}
    specs: dict[str, dict[str, Any]] = {
        "stubborn": {"containers": [shell(STUBBORN)]},
        "hurried": {"containers": [shell(STUBBORN)]},
        "shortened": {"containers": [shell(STUBBORN)]},
        "hooked": {"containers": [shell(STUBBORN, lifecycle=hook)]},
        "hook-first": {"containers": [shell(OBEDIENT, lifecycle=hook)]},
        "together": {"containers": [shell(STUBBORN, name) for name in ("c1", "c2", "c3")]},
        "by-its-spec": {"containers": [shell(STUBBORN)], "terminationGracePeriodSeconds": SPEC_GRACE},
        "unstarted": {"containers": [pause(image=NO_IMAGE)]},
    }
    return specs.get(role) or {"containers": [pause()]}


def _is_up(stage: AgentStage, role: str) -> bool:
    """Whether a pod runs, or waits for an image that never comes."""
    state = stage.pod_state(role)
    stuck = role == "unstarted" and any("Pull" in str(pods.waiting(x).get("reason")) for x in pods.containers(state))
    return stuck or pods.phase(state) == "Running"


async def _delete(stage: AgentStage) -> None:
    """Deletes everything that is deleted under the agent's eyes."""
    timing = stage.timing
    for role, grace in GRACES.items():
        await stage.delete_pod(role, grace=grace)
    await stage.delete_pod("shortened", grace=LONG)
    for role in ("vanishing", "reborn"):
        await stage.delete_pod(role, grace=0)
    await stage.pod("reborn", _spec("reborn"))
    stage.mark("reborn", pod=stage.pod_state("reborn"))
    await stage.hold(timing.apart)
    stage.mark("shortened again")
    await stage.delete(POD, stage.naming.name("shortened"), grace=SHORT)
    going = [role for role in (*GRACES, "shortened") if role != "held"]
    latest = timing.pod_removed(PATIENCE, len(ROLES)).latest
    await stage.until(lambda: all(stage.pod_state(role) is None for role in going), within=latest)
    await stage.until(lambda: stage.phase("reborn") == "Running", within=timing.pod_running().latest)


async def _release(stage: AgentStage) -> None:
    """Leaves the pod with a finalizer alone for a while, then lets it go."""

    def asked() -> bool:
        suffix = f"/pods/{stage.naming.name('held')}"
        return any(x.method == "DELETE" and x.path.partition("?")[0].endswith(suffix) for x in stage.agents_requests())

    await stage.until(asked, within=stage.timing.pod_removed(1).latest)
    stage.mark("held")
    await stage.hold(3 * stage.timing.pod_repaired().latest)
    stage.mark("released")
    with existing():
        await stage.patch(POD, stage.naming.name("held"), {"metadata": {"finalizers": None}})
    await stage.until(lambda: stage.pod_state("held") is None, within=stage.timing.pod_acknowledged().latest)


async def _absence(stage: AgentStage) -> None:
    """While the agent is away one pod is deleted, one by force; when it is back, it cannot list its pods at first."""
    timing = stage.timing
    if stage.can("lists_containers"):
        stage.mark("before the absence", listed=await stage.driver.containers())
    await stage.stop(kill=True)
    await stage.delete_pod(LEFT)
    await stage.delete_pod(FORGOTTEN, grace=0)
    heal = stage.disturb(Disturbance("status", "GET", "/api/v1/pods", status=503))
    await stage.restart()
    await stage.until(lambda: any("/pods?" in x.path for x in stage.agents_requests()), within=timing.startup)
    await stage.hold(timing.pod_acknowledged().latest)
    if stage.can("lists_containers"):
        stage.mark("unread", listed=await stage.driver.containers())
    heal()
    stage.mark("pods can be read")
    latest = timing.rewatched().latest + timing.pod_removed(PATIENCE).latest
    await stage.until(lambda: stage.pod_state(LEFT) is None, within=latest)
    await stage.hold(timing.container_killed(0).latest)
