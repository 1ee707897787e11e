"""A service proxy: Services with and without endpoints, endpoints that come and go, a master that is away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from conformance.agent_timing import AgentTiming
from conformance.client import existing
from conformance.drive.agent import NAMESPACE, AgentStage
from conformance.driver import Disturbance
from conformance.kinds import ENDPOINT_SLICE, ENDPOINTS, SERVICE
from conformance.record.history import Object
from conformance.scenario import agent_scenario

BACKENDS = ("one", "two", "three")
CLIENTS = ("127.0.0.11", "127.0.0.12", "127.0.0.13")
PORT = 80
ROUNDS = 100
"""Connections for each backend that shall get some."""
STAY = 40
"""Seconds a client stays with its backend, for the Service that wants it."""
OTHER_PROXY = "service.kubernetes.io/service-proxy-name"
REFUSED, SILENT = "refused", "no answer"


def _longest(timing: AgentTiming) -> float:
    return timing.startup + 8 * timing.proxied().latest + timing.rewatched().latest + 2 * STAY + 60


@agent_scenario(watches=(), abilities=("can_proxy",), longest=_longest)
async def proxying(stage: AgentStage) -> None:
    """Connections to Services are counted by who answers them, before and after what is behind the Services changes."""
    proxied = stage.timing.proxied().latest
    addresses = {name: await stage.driver.backend(name) for name in BACKENDS}
    fronts = {
        "web": await service(stage, "web"),
        "sticky": await service(stage, "sticky", sessionAffinity="ClientIP", **_staying()),
        "empty": await service(stage, "empty"),
        "foreign": await service(stage, "foreign", labels={OTHER_PROXY: "another"}),
    }
    for name in ("web", "sticky", "foreign"):
        await behind(stage, name, addresses.values(), labels={OTHER_PROXY: "another"} if name == "foreign" else {})
    await behind(stage, "empty", ())
    await stage.driver.start_proxy(stage.node_name)
    stage.mark("proxy started")
    await stage.hold(stage.timing.startup + proxied)
    await connect(stage, "all ready", fronts["web"], ROUNDS * len(BACKENDS))
    await connect(stage, "no endpoints", fronts["empty"], 3)
    await connect(stage, "of another proxy", fronts["foreign"], 3)
    await _stay(stage, fronts["sticky"], addresses)

    await behind(stage, "web", [addresses["two"], addresses["three"]], unready=[addresses["three"]])
    stage.mark("one gone, three unready")
    await stage.hold(proxied)
    await connect(stage, "one ready", fronts["web"], 10)
    await _outage(stage, fronts["web"], addresses)


async def _stay(stage: AgentStage, front: tuple[str, int], addresses: dict[str, tuple[str, int]]) -> None:
    """Each client comes back at half its time, and once more after its backend went."""
    answered = {}
    for when in ("first", "again"):
        for client in CLIENTS:
            answered[client] = await connect(stage, f"{when} {client}", front, 4, client=client)
        if when == "first":
            await stage.hold(STAY / 2)
    left = {name: address for name, address in addresses.items() if name != answered[CLIENTS[0]][-1]}
    await behind(stage, "sticky", left.values())
    stage.mark("backend of the first client gone")
    await stage.hold(stage.timing.proxied().latest)
    await connect(stage, "fallen over", front, 4, client=CLIENTS[0])


async def _outage(stage: AgentStage, front: tuple[str, int], addresses: dict[str, tuple[str, int]]) -> None:
    """The master is away, endpoints change meanwhile, and it comes back."""
    heal = stage.disturb(Disturbance("refuse"))
    await stage.hold(stage.timing.slack)
    await behind(stage, "web", [addresses["three"]])
    await stage.hold(stage.timing.proxied().latest)
    await connect(stage, "master away", front, 10)
    heal()
    await stage.hold(stage.timing.rewatched().latest + stage.timing.proxied().latest)
    await connect(stage, "master back", front, 10)


async def connect(
    stage: AgentStage, name: str, front: tuple[str, int], times: int, *, client: str = CLIENTS[0]
) -> list[str]:
    """Opens connections one after the other; marks who answered, and the longest time it took, in seconds."""
    answers: list[str] = []
    longest = 0.0
    for _ in range(times):
        began = stage.clock.moment()
        try:
            answers.append(await stage.driver.dial(*front, client=client))
        except ConnectionRefusedError:
            answers.append(REFUSED)
        except TimeoutError:
            answers.append(SILENT)
        longest = max(longest, stage.clock.moment() - began)
    stage.mark(name, answers=answers, longest=longest)
    return answers


async def service(stage: AgentStage, role: str, *, labels: Any = None, **spec: Any) -> tuple[str, int]:
    """Creates a Service; where it is reached."""
    made = await make_service(stage, role, labels=labels, **spec)
    return str(made["spec"]["clusterIP"]), PORT


async def make_service(stage: AgentStage, role: str, *, labels: Any = None, **spec: Any) -> Object:
    """Creates a Service; what the master made of it."""
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": stage.naming.name(role), "namespace": NAMESPACE, "labels": labels or {}},
        "spec": {"ports": [{"port": PORT, "protocol": "TCP"}], **spec},
    }
    made: Object = await stage.create(SERVICE, body)
    return made


async def behind(
    stage: AgentStage,
    role: str,
    ready: Iterable[tuple[str, int]],
    *,
    unready: Iterable[tuple[str, int]] = (),
    labels: Any = None,
    nodes: Mapping[str, str] | None = None,
) -> None:
    """Says what is behind a Service: a slice for each endpoint, which may have a port of its own, and Endpoints.

    Args:
        stage: of the scenario.
        role: of the Service.
        ready: where endpoints listen, those of `unready` among them.
        unready: those that are not ready.
        labels: further labels.
        nodes: names of the nodes that endpoints are on, by address.
    """
    name = stage.naming.name(role)
    given = [(each, each not in tuple(unready)) for each in ready]
    for number in range(len(BACKENDS)):
        await stage.delete(ENDPOINT_SLICE, f"{name}-{number}")
    for number, ((address, port), is_ready) in enumerate(given):
        body = {
            "apiVersion": ENDPOINT_SLICE.group_version,
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{name}-{number}",
                "namespace": NAMESPACE,
                "labels": {"kubernetes.io/service-name": name, **(labels or {})},
            },
            "addressType": "IPv4",
            "ports": [{"name": "", "port": port, "protocol": "TCP"}],
            "endpoints": [{"addresses": [address], "conditions": {"ready": is_ready}, **_on(address, nodes)}],
        }
        await stage.create(ENDPOINT_SLICE, body)
    subsets = [
        {
            "addresses" if is_ready else "notReadyAddresses": [{"ip": address, **_on(address, nodes)}],
            "ports": [{"port": port, "protocol": "TCP"}],
        }
        for (address, port), is_ready in given
    ]
    await stage.delete(ENDPOINTS, name)
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels or {}}
    with existing():
        await stage.create(
            ENDPOINTS, {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets}
        )


def _on(address: str, nodes: Mapping[str, str] | None) -> dict[str, str]:
    return {"nodeName": nodes[address]} if nodes and address in nodes else {}


def _staying() -> dict[str, Any]:
    return {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": STAY}}}
