"""What scenarios wait for before they begin: nodes that take pods, pods that run."""

from __future__ import annotations

from collections.abc import Iterable

from conformance.drive.stage import Stage
from conformance.judge import conditions, taints
from conformance.judge.taints import NO_EXECUTE, NO_SCHEDULE, NOT_READY, UNREACHABLE
from conformance.kinds import NODE, POD


def settled(stage: Stage) -> float:
    """Seconds in which pods usually come up."""
    return stage.timing.scheduler_backoff + stage.timing.slack


def ready(stage: Stage, role: str) -> str | None:
    """Status of a node's Ready condition as last seen."""
    return conditions.status(stage.current(NODE, role), "Ready")


def controller_taints(stage: Stage, role: str) -> bool:
    """Whether a node carries any of the taints that stand for Ready."""
    keys = {key for key, effect in taints.taints(stage.current(NODE, role)) if effect in (NO_SCHEDULE, NO_EXECUTE)}
    return bool(keys & {NOT_READY, UNREACHABLE})


async def schedulable(stage: Stage, *roles: str) -> bool:
    """The admission taint of fresh nodes must be gone before pods are placed."""
    limit = stage.timing.no_schedule_taint().latest
    return await stage.until(
        lambda: all(stage.current(NODE, role) and not controller_taints(stage, role) for role in roles), within=limit
    )


async def running(stage: Stage, roles: Iterable[str]) -> bool:
    """Pods must be Ready."""
    wanted = tuple(roles)
    return await stage.until(lambda: all(runs(stage, role) for role in wanted), within=settled(stage))


def runs(stage: Stage, role: str) -> bool:
    """Whether a pod is Ready as last seen."""
    return conditions.status(stage.current(POD, role), "Ready") == "True"


def phase(stage: Stage, role: str) -> str:
    """A pod's phase as last seen; empty when it is gone."""
    return str(((stage.current(POD, role) or {}).get("status") or {}).get("phase") or "")
