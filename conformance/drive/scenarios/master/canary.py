"""The canary: one pod, one workload, one Service, on nodes that nobody else uses, to see which features work at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from conformance.client import ApiRefused
from conformance.drive import workloads
from conformance.drive.stage import Stage
from conformance.drive.waits import controller_taints
from conformance.judge.pods import bound_to, terminating
from conformance.kinds import (
    DAEMON_SET,
    ENDPOINT_SLICE,
    ENDPOINTS,
    EVENT,
    NODE,
    POD,
    REPLICATION_CONTROLLER,
    SERVICE,
    Kind,
)
from conformance.scenario import Scenario, scenario
from conformance.timing import Timing

NO_GUESTS = {"key": "node-contract.dev/no-guests", "value": "", "effect": "NoExecute"}
"""The taint that the pod `guest` must be evicted for."""

SOUGHT = ("scheduler", "replication", "daemonset", "endpoints", "eviction", "lifecycle")
"""The features it can look for."""

_KINDS: Mapping[str, tuple[Kind, ...]] = {
    "replication": (REPLICATION_CONTROLLER,),
    "daemonset": (DAEMON_SET,),
    "endpoints": (SERVICE, ENDPOINTS, ENDPOINT_SLICE),
}


def sent_for(features: Iterable[str]) -> Scenario:
    """The canary that looks for some features, by name.

    Roles: node `perch`, pod `lone` and, by feature, ReplicationController `crew`, DaemonSet `everywhere`, Service
    `front`; for evictions the node `barred` with the pod `guest`. It ends as soon as everything was seen to work.
    """
    chosen = frozenset(features)
    wanted = [name for name in SOUGHT if name in chosen]
    kinds = tuple(kind for name in wanted for kind in _KINDS.get(name, ()))

    async def canary(stage: Stage) -> None:
        """Looks whether what the chosen cases need is there: a node, a pod, and a workload each."""
        await stage.node("perch")
        served = [name for name in wanted if all(stage.facts.served(kind) for kind in _KINDS.get(name, ())[:1])]
        await asyncio.gather(*(_send(stage, name) for name in served))
        works = [_WORKS[name] for name in served]
        await stage.until(lambda: all(holds(stage) for holds in works), within=_patience(stage.timing))

    return scenario(watches=(NODE, POD, EVENT), optional=kinds, longest=_patience)(canary)


def _patience(timing: Timing) -> float:
    return timing.no_schedule_taint().latest + timing.scheduler_backoff + timing.slack


async def _send(stage: Stage, name: str) -> None:
    stage.mark(f"sent for {name}", pod=stage.naming.name("lone"))
    try:
        await _SENT[name](stage)
    except ApiRefused as error:
        stage.mark(f"refused for {name}", why=str(error))


async def _lone(stage: Stage) -> None:
    await stage.pod("lone")


async def _crew(stage: Stage) -> None:
    await stage.replication_controller("crew", 1)


async def _everywhere(stage: Stage) -> None:
    await stage.create(DAEMON_SET, workloads.body(stage.naming, DAEMON_SET, "everywhere"))


async def _front(stage: Stage) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": stage.naming.name("front"), "labels": stage.naming.labels("front")},
        "spec": {"selector": stage.naming.labels("lone"), "ports": [{"port": 80}]},
    }
    await stage.create(SERVICE, body)


async def _guest(stage: Stage) -> None:
    barred = await stage.node("barred", taints=(NO_GUESTS,))
    await stage.pod("guest", node_name=barred.name)


async def _nothing(_stage: Stage) -> None:
    """Being registered is enough."""


_SENT: Mapping[str, Callable[[Stage], Awaitable[None]]] = {
    "scheduler": _lone,
    "replication": _crew,
    "daemonset": _everywhere,
    "endpoints": _front,
    "eviction": _guest,
    "lifecycle": _nothing,
}
"""What is sent ahead to look for each feature."""


def _pods_made(role: str) -> Callable[[Stage], bool]:
    return lambda stage: bool(stage.pods_of(role))


def _published(stage: Stage) -> bool:
    return stage.current(ENDPOINTS, "front") is not None


def _shown_out(stage: Stage) -> bool:
    story = stage.story(POD, "guest")
    return bool(story.events) and (story.last is None or terminating(story.last))


_WORKS: Mapping[str, Callable[[Stage], bool]] = {
    "scheduler": lambda stage: bool(bound_to(stage.current(POD, "lone"))),
    "replication": _pods_made("crew"),
    "daemonset": lambda stage: any(bound_to(pod) for pod in stage.pods_of("everywhere")),
    "endpoints": _published,
    "eviction": _shown_out,
    "lifecycle": lambda stage: not controller_taints(stage, "perch"),
}
"""When there is no need to look any longer."""
