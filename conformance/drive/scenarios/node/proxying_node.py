"""A service proxy and its node: the node is not there yet, takes traffic that must stay on it, and leaves."""

from __future__ import annotations

from typing import Any

from conformance.agent_timing import AgentTiming
from conformance.drive.agent import AgentStage
from conformance.drive.scenarios.node.proxying import BACKENDS, PORT, behind, connect, make_service
from conformance.kinds import NODE
from conformance.scenario import agent_scenario

LOCAL, *OTHERS = BACKENDS
"""The endpoint on the proxy's node, and those on another one."""
FINALIZER = "conformance.test/stay"
LEAVING = {"key": "ToBeDeletedByClusterAutoscaler", "value": "1", "effect": "NoSchedule"}
CONNECTIONS = 12


def _longest(timing: AgentTiming) -> float:
    return timing.proxy_started().latest + 5 * timing.proxied().latest + timing.rewatched().latest


@agent_scenario(watches=(), abilities=("can_proxy",), longest=_longest)
async def proxying_node(stage: AgentStage) -> None:
    """A proxy starts before its node exists; Services want traffic to stay on the node, which later goes away."""
    proxied = stage.timing.proxied().latest
    addresses = {name: await stage.driver.backend(name) for name in BACKENDS}
    outside = await make_service(stage, "outside", type="LoadBalancer", externalTrafficPolicy="Local")
    inside = await make_service(stage, "inside", internalTrafficPolicy="Local")
    for name in ("outside", "inside"):
        await _behind(stage, name, addresses)
    await stage.driver.start_proxy(stage.node_name)
    stage.mark("proxy started")
    await stage.hold(stage.timing.proxy_started().latest)
    await connect(stage, "without a node", (outside["spec"]["clusterIP"], PORT), CONNECTIONS)
    await _note(stage, "no node yet")
    await _create_node(stage)
    await _connect(stage, "one here", outside, inside)
    for name in ("outside", "inside"):
        await _behind(stage, name, {role: addresses[role] for role in OTHERS})
    await stage.hold(proxied)
    await _connect(stage, "none here", outside, inside)
    await _leave(stage)


async def _leave(stage: AgentStage) -> None:
    """The node is to be taken away, is kept after all, and is deleted, but not gone."""
    for name, taints in (("about to leave", [LEAVING]), ("stays", [])):
        await stage.patch(NODE, stage.node_name, {"spec": {"taints": taints}})
        await stage.hold(stage.timing.proxied().latest)
        await _note(stage, name)
    await stage.delete(NODE, stage.node_name)
    await stage.hold(stage.timing.proxied().latest)
    await _note(stage, "deleted")
    await stage.patch(NODE, stage.node_name, {"metadata": {"finalizers": None}})


async def _connect(stage: AgentStage, name: str, outside: Any, inside: Any) -> None:
    """Connects to both Services, from outside and from inside, and asks how many endpoints are here."""
    await connect(stage, f"{name}: from outside", ("", outside["spec"]["ports"][0]["nodePort"]), CONNECTIONS)
    await connect(stage, f"{name}: from inside", (inside["spec"]["clusterIP"], PORT), CONNECTIONS)
    health = await stage.driver.service_health(outside["spec"]["healthCheckNodePort"])
    stage.mark(f"{name}: health", status=health)


async def _note(stage: AgentStage, name: str) -> None:
    """Marks how healthy the proxy says it is."""
    pages = {page: await stage.driver.proxy_health(page) for page in ("healthz", "livez")}
    stage.mark(name, **pages)


async def _create_node(stage: AgentStage) -> None:
    """The node registers, and is seen by whoever watches for it."""
    metadata = {"name": stage.node_name, "finalizers": [FINALIZER]}
    await stage.create(NODE, {"apiVersion": "v1", "kind": "Node", "metadata": metadata})
    await stage.hold(stage.timing.rewatched().latest)


async def _behind(stage: AgentStage, role: str, addresses: dict[str, tuple[str, int]]) -> None:
    elsewhere = stage.naming.name("elsewhere")
    nodes = {address: stage.node_name if name == LOCAL else elsewhere for name, (address, _) in addresses.items()}
    await behind(stage, role, addresses.values(), nodes=nodes)
