"""An agent is started again and again, each time with settings of another kind and on no Node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.driver import Disturbance
from conformance.kinds import LEASE, NODE
from conformance.scenario import agent_scenario

FOREIGN = "203.0.113.9"
"""An address of no machine: it belongs to a block for documentation."""
CLOUDS = [{"type": "InternalIP", "address": "198.51.100.7"}, {"type": "ExternalIP", "address": "198.51.100.8"}]
IMAGES = 2
OFTEN = 4
"""How often the node looks at its own status, in seconds, where a file or a flag says so."""
PERIODS = 6
PODS_PER_CORE, MAX_PODS = 1, 110
"""Pods by core, and at most where nothing else is said."""
FOREIGN_ADDRESS, CLOUD, NO_EVICTION, TOO_MUCH = "foreign address", "cloud", "no eviction", "too much reserved"
FORBIDDEN, BY_FILE, BY_FLAG = "forbidden", "often by file", "often by flag"
FLAGS: Mapping[str, Mapping[str, str]] = {
    FOREIGN_ADDRESS: {"node-ip": FOREIGN},
    NO_EVICTION: {
        "experimental-allocatable-ignore-eviction": "true",
        "node-status-max-images": f"{IMAGES}",
        "pods-per-core": f"{PODS_PER_CORE}",
    },
    TOO_MUCH: {"kube-reserved": "memory=10000Gi"},
}


def _longest(timing: AgentTiming) -> float:
    each = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    return 7 * (each + timing.slack) + 2 * OFTEN * PERIODS + 4 * timing.status_tick().latest


@agent_scenario(watches=(NODE, LEASE), abilities=("kubelet_flags", "registers_itself"), longest=_longest)
async def agent_odd_flags(stage: AgentStage) -> None:
    """Addresses that are not the machine's, a cloud provider, reservations beyond the machine, and some more."""
    timing = stage.timing
    for name, flags in FLAGS.items():
        await _begin(stage, name, more=flags)
        await stage.hold(timing.status_tick().latest)
        await _end(stage, name)
    await _cloud(stage)
    await _forbidden(stage)
    if stage.can("kubelet_config"):
        await _often(stage, BY_FILE, config={"nodeStatusUpdateFrequency": f"{OFTEN}s"})
        await _often(stage, BY_FLAG, more={"node-status-update-frequency": f"{OFTEN}s"})


async def _begin(stage: AgentStage, name: str, **options: Any) -> None:
    stage.mark(f"{name} begins")
    await stage.start(**options)
    await stage.until(lambda: stage.node, within=stage.timing.registered().latest)


async def _end(stage: AgentStage, name: str) -> None:
    """Ends the agent, and its Node, too."""
    stage.mark(f"{name} over", node=stage.node, alive=stage.driver.is_alive())
    await stage.stop()
    await stage.delete(NODE, stage.node_name)
    await stage.until(lambda: stage.node is None, within=stage.timing.slack)


async def _cloud(stage: AgentStage) -> None:
    """A cloud controller gives the node other addresses."""
    address = str(stage.facts.expected.get("address") or "")
    given = {"node-ip": address} if address else {}
    await _begin(stage, CLOUD, more={"cloud-provider": "external", **given})
    stage.mark("cloud registered", address=address)
    if stage.node is not None:
        await stage.patch(NODE, stage.node_name, {"status": {"addresses": CLOUDS}}, subresource="status")
        stage.mark("addresses by cloud")
        await stage.hold(2 * stage.timing.status_tick().latest)
    await _end(stage, CLOUD)


async def _forbidden(stage: AgentStage) -> None:
    """The Node is there, and the agent may not create any."""
    await stage.create(NODE, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": stage.node_name}})
    heal = stage.disturb(Disturbance("status", "POST", "/api/v1/nodes$", status=403))
    stage.mark(f"{FORBIDDEN} begins")
    await stage.start()
    await stage.hold(stage.timing.registered().latest + stage.timing.status_tick().latest)
    heal()
    await _end(stage, FORBIDDEN)


async def _often(stage: AgentStage, name: str, **options: Any) -> None:
    """The node looks at itself more often; nothing changes meanwhile."""
    await _begin(stage, name, **options)
    await stage.settled()
    await stage.hold(2 * OFTEN)
    stage.mark(f"{name} idle")
    await stage.hold(OFTEN * PERIODS)
    await _end(stage, name)


def _longest_devices(timing: AgentTiming) -> float:
    begin = timing.registered().latest + timing.lease_created().latest + timing.ready().latest
    return begin + 2 * timing.status_tick().latest


DEVICE = "conformance.test/device"
HEALTHY, UNHEALTHY = 3, 1


@agent_scenario(watches=(NODE, LEASE), abilities=("can_devices",), longest=_longest_devices)
async def agent_devices(stage: AgentStage) -> None:
    """A plugin brings four devices, one of which fails, and goes away."""
    await stage.start()
    if not await stage.settled():
        return
    stage.mark("plugin comes")
    await stage.driver.devices(DEVICE, HEALTHY, UNHEALTHY)
    await stage.hold(stage.timing.status_tick().latest)
    stage.mark("plugin goes")
    await stage.driver.devices(DEVICE, 0, plugin=False)
    await stage.hold(stage.timing.status_tick().latest)


WITHHELD = "ephemeral-storage"


@agent_scenario(watches=(NODE, LEASE), abilities=("can_withhold",), longest=_longest_devices)
async def agent_withheld(stage: AgentStage) -> None:
    """The agent cannot find out at first how much storage its machine has."""
    timing = stage.timing
    await stage.driver.withhold(WITHHELD, on=True)
    await stage.start()
    await stage.until(lambda: stage.node, within=timing.registered().latest)
    await stage.hold(timing.status_tick().latest)
    stage.mark("withheld", node=stage.node)
    stage.mark("known")
    await stage.driver.withhold(WITHHELD, on=False)
    await stage.until(stage.is_ready, within=timing.ready().latest)
