"""Nodes that beat in every way that counts, and nodes that only seem to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from conformance.client import STRATEGIC, existing
from conformance.clock import format_micro_time, parse_time
from conformance.drive.node import SimulatedNode
from conformance.drive.stage import Stage
from conformance.judge import conditions, taints
from conformance.judge.taints import NO_EXECUTE, UNREACHABLE
from conformance.kinds import LEASE, NODE, NODE_LEASES
from conformance.naming import DOMAIN
from conformance.scenario import scenario
from conformance.timing import Timing

HOURS = 2 * 3600.0
"""How far a node's clock may be off without harm, at least."""

BEATING: Mapping[str, Mapping[str, Any]] = {
    "by-lease": {"zone": "a", "beats": ("lease",)},
    "by-status": {"zone": "b", "beats": ("status",)},
    "behind": {"zone": "c", "skew": -HOURS},
    "ahead": {"zone": "d", "skew": HOURS},
    "backwards": {"zone": "e", "beats": ("status",), "pace": -1},
    "odd-lease": {
        "zone": "f",
        "beats": ("lease",),
        "owned": False,
        "lease": {
            "leaseDurationSeconds": 1,
            "holderIdentity": "somebody-else",
            "acquireTime": "2001-01-01T00:00:00.000000Z",
        },
    },
    "creeping": {"zone": "c", "beats": ("lease",), "pace": 1e-4},
    "blank": {"zone": "a", "beats": ("lease",), "ready": None},
    "unwell": {"zone": "f", "beats": ("lease",), "ready": "False"},
}
"""Nodes that never stop; each zone has one that is healthy. `creeping` renews its Lease by fractions of a millisecond,
`blank` posts no conditions, `unwell` posted once that it is not ready."""

FALLING_SILENT: Mapping[str, Mapping[str, Any]] = {
    "quiet": {"zone": "e", "beats": ("status",)},
    "touched": {"zone": "a"},
    "unrenewed": {"zone": "b"},
    "forgetful": {"zone": "b", "beats": ("status",)},
    "long-lease": {"zone": "c", "lease": {"leaseDurationSeconds": 3600}},
    "stopped-clock": {"zone": "d", "skew": HOURS},
    "namesake": {"zone": "e"},
    "half-back": {"zone": "f"},
}

NEVER_BEATING: Mapping[str, Mapping[str, Any]] = {
    "old-post": {"zone": "c", "skew": -HOURS, "beats": ()},
    "never-posted": {"zone": "d", "ready": None, "beats": ()},
}

_NOTICED = 3
"""So many intervals between heartbeats, and the controller has looked at least twice."""


def _longest(timing: Timing) -> float:
    flipped = max(timing.unknown_after_silence().latest, timing.unknown_after_withdrawal().latest)
    back = timing.no_execute_taint().latest + 4 * timing.node_monitor_period + 4 * timing.slack
    return 2 * timing.beat_interval + max(_steady(timing), flipped + back)


def _steady(timing: Timing) -> float:
    """How long the healthy must be watched: three grace periods, and past the startup grace."""
    startup = timing.node_startup_grace_period + 3 * timing.node_monitor_period
    return max(3 * timing.node_monitor_grace_period, startup)


@scenario(watches=(NODE, LEASE), longest=_longest)
async def heartbeats(stage: Stage) -> None:
    """Nodes beat by Lease, by status, with clocks far off; others fall silent while something else is written.

    What is written for the silent: `touched` gets other conditions, labels and annotations; `unrenewed` its Lease, with
    the same or an older renewal; `namesake` has a Lease of its name elsewhere, and one under another name that claims
    it as holder; `half-back`, once Unknown, renews its Lease again; `forgetful` loses its Ready condition. Nothing is
    written for `long-lease`, `stopped-clock` and `quiet`. `old-post` and `never-posted` are silent from birth.
    `orphan` is a Lease without a Node.
    """
    roles = {**BEATING, **FALLING_SILENT, **NEVER_BEATING}
    registered = await asyncio.gather(*(stage.node(role, **roles[role]) for role in roles))
    nodes = {node.role: node for node in registered}
    leases = [await _stray_lease(stage, nodes["namesake"]), await _foreign_lease(stage, "stray", nodes["namesake"])]
    leases.append(await _foreign_lease(stage, "orphan"))
    await stage.hold(2 * stage.timing.beat_interval)
    await asyncio.gather(*(nodes[role].fall_silent() for role in FALLING_SILENT))
    for act in (_touch, _rewrite_lease, *(_renewal(path) for path in leases)):
        stage.spawn(_again_and_again(stage, act), "writes that are no heartbeats")
    await asyncio.gather(
        stage.hold(_steady(stage.timing)),
        _withdraw_ready(stage),
        _all_unknown(stage),
        _come_half_back(stage, nodes),
    )
    await stage.client.ask("GET", NODE.path(name=stage.naming.name("orphan")))


async def _all_unknown(stage: Stage) -> None:
    silent = (*FALLING_SILENT, *NEVER_BEATING)
    timing = stage.timing
    within = max(timing.unknown_after_silence().latest, timing.unknown_after_withdrawal().latest) + timing.slack
    await stage.until(lambda: all(_ready(stage, role) == "Unknown" for role in silent), within=within)


async def _come_half_back(stage: Stage, nodes: Mapping[str, SimulatedNode]) -> None:
    """Once given up, the node renews its Lease again for a while, and posts nothing."""
    timing = stage.timing
    flipped = timing.unknown_after_silence().latest + timing.slack
    if not await stage.until(lambda: _ready(stage, "half-back") == "Unknown", within=flipped):
        return
    await stage.until(
        lambda: taints.has(stage.current(NODE, "half-back"), UNREACHABLE, NO_EXECUTE),
        within=timing.no_execute_taint().latest + timing.slack,
    )
    nodes["half-back"].resume("lease")
    stage.mark("half-back renews")
    await stage.hold(max(3 * timing.node_monitor_period, timing.beat_interval) + timing.slack)


async def _withdraw_ready(stage: Stage) -> None:
    """The node takes its Ready condition away, as no kubelet does, once its last beat has been noticed."""
    await stage.hold(stage.timing.node_monitor_period + stage.timing.slack)
    body = {"status": {"conditions": [{"type": "Ready", "$patch": "delete"}]}}
    with existing():
        await stage.patch(NODE, "forgetful", body, content_type=STRATEGIC, subresource="status")
    stage.mark("forgetful without Ready")


async def _touch(stage: Stage, count: int) -> None:
    """Everything about a node changes except what counts."""
    pressure = {"type": "MemoryPressure", "lastHeartbeatTime": stage.clock.timestamp()}
    status = {"status": {"conditions": [pressure]}}
    await stage.patch(NODE, "touched", status, content_type=STRATEGIC, subresource="status")
    note = {f"{DOMAIN}/touch": str(count)}
    await stage.patch(NODE, "touched", {"metadata": {"labels": note, "annotations": note}})


async def _rewrite_lease(stage: Stage, count: int) -> None:
    """The Lease is written with the renewal it has; once that has surely been noticed, also with an older one."""
    body: dict[str, Any] = {"metadata": {"annotations": {f"{DOMAIN}/touch": str(count)}}}
    if count > _NOTICED:
        last = max(event.after["spec"]["renewTime"] for event in stage.story(LEASE, "unrenewed").events if event.after)
        older = format_micro_time(parse_time(last) - timedelta(seconds=HOURS))
        body["spec"] = {"renewTime": older if count % 2 else last}
    await stage.client.patch(LEASE.path(NODE_LEASES, stage.naming.name("unrenewed")), body)


async def _stray_lease(stage: Stage, node: SimulatedNode) -> str:
    """A Lease of the node's name, in the run's namespace."""
    return await _lease(stage, node.name, node.name, stage.naming.namespace)


async def _foreign_lease(stage: Stage, role: str, holder: SimulatedNode | None = None) -> str:
    """A Lease where the nodes' Leases are, under a name that is no node's."""
    name = stage.naming.name(role)
    return await _lease(stage, name, holder.name if holder else name, NODE_LEASES)


async def _lease(stage: Stage, name: str, holder: str, namespace: str) -> str:
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 40, "renewTime": stage.clock.micro_timestamp()}
    metadata = {"name": name, "namespace": namespace, "labels": stage.naming.labels("stray")}
    body = {"apiVersion": LEASE.group_version, "kind": "Lease", "metadata": metadata, "spec": spec}
    await stage.create(LEASE, body)
    return LEASE.path(namespace, name)


def _renewal(path: str) -> Callable[[Stage, int], Awaitable[None]]:
    async def renew(stage: Stage, _count: int) -> None:
        await stage.client.patch(path, {"spec": {"renewTime": stage.clock.micro_timestamp()}})

    return renew


async def _again_and_again(stage: Stage, act: Callable[[Stage, int], Awaitable[None]]) -> None:
    count = 0
    while True:
        count += 1
        with existing():
            await act(stage, count)
        await stage.hold(stage.timing.beat_interval)


def _ready(stage: Stage, role: str) -> str | None:
    return conditions.status(stage.current(NODE, role), "Ready")
