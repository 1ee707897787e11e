"""The decision of kube-proxy: what each address of each Service leads to. Pure.

Source: kube-proxy 1.36 `servicechangetracker.go`, `topology.go` (`CategorizeEndpoints`), KEP-1669, KEP-2086.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Final, Literal

import attrs

from refimpl.api.errors import Object
from refimpl.proxy.endpoints import Endpoint, EndpointTable, PortName

Kind = Literal["clusterIP", "externalIP", "loadBalancer", "nodePort"]

DEFAULT_AFFINITY: Final = 10800
HEADLESS: Final = "service.kubernetes.io/headless"
OTHER_PROXY: Final = "service.kubernetes.io/service-proxy-name"
SELECTOR: Final = f"!{HEADLESS},!{OTHER_PROXY}"
"""Which Services and EndpointSlices a proxy asks for."""


@attrs.frozen
class Rule:
    """What one address and port lead to.

    Attributes:
        name: the port of the Service.
        kind: which of its addresses.
        address: IP address; empty for a node port, which is open on the machine's own.
        port: number.
        backends: who takes connections; nobody means that they are refused, or dropped.
        drop: connections are dropped in silence: there are endpoints, on other nodes, which must not be used.
        affinity: seconds for which a client stays with an endpoint; None for not at all.
    """

    name: PortName
    kind: Kind
    address: str
    port: int
    backends: tuple[Endpoint, ...]
    drop: bool = False
    affinity: int | None = None

    @property
    def protocol(self) -> str:
        """`TCP`, `UDP` or `SCTP`."""
        return self.name[3]


@attrs.frozen
class HealthCheck:
    """What a load balancer hears about one Service on its own port.

    Attributes:
        namespace: of the Service.
        name: of the Service.
        port: where it asks.
        local: how many endpoints this node has.
    """

    namespace: str
    name: str
    port: int
    local: int


@attrs.frozen
class Decision:
    """Everything that is to be in force.

    Attributes:
        rules: in order of namespace, Service, port and kind.
        checks: the health checks of load balancers.
    """

    rules: tuple[Rule, ...]
    checks: tuple[HealthCheck, ...] = ()


def decide(services: Iterable[Object], endpoints: EndpointTable, node: str) -> Decision:
    """What is to be in force on a node.

    Args:
        services: all Services.
        endpoints: what is behind their ports.
        node: name of the node, for Services that stay local.
    """
    ordered = sorted(services, key=lambda each: (each["metadata"]["namespace"], each["metadata"]["name"]))
    served = [service for service in ordered if is_served(service)]
    rules = [rule for service in served for rule in _rules(service, endpoints, node)]
    checks = [check for service in served for check in _checks(service, endpoints, node)]
    return Decision(tuple(rules), tuple(checks))


def is_served(service: Object) -> bool:
    """Whether a Service has an address of its own, and is this proxy's business."""
    spec, labels = service["spec"], service["metadata"].get("labels") or {}
    if spec.get("type") == "ExternalName" or HEADLESS in labels or OTHER_PROXY in labels:
        return False
    return (spec.get("clusterIP") or "None") != "None"


def usable(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    """Who takes connections: the ready ones; where there are none, those that still answer while they end."""
    ready = tuple(endpoint for endpoint in endpoints if endpoint.ready)
    return ready or tuple(endpoint for endpoint in endpoints if endpoint.usable_last)


def on_node(endpoints: tuple[Endpoint, ...], node: str) -> tuple[Endpoint, ...]:
    """Those that run on a node."""
    return tuple(endpoint for endpoint in endpoints if endpoint.node == node)


def affinity(spec: Object) -> int | None:
    """Seconds for which a client stays with an endpoint; None for not at all."""
    if spec.get("sessionAffinity") != "ClientIP":
        return None
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(config.get("timeoutSeconds") or DEFAULT_AFFINITY)


def is_local(service: Object, policy: Literal["internalTrafficPolicy", "externalTrafficPolicy"]) -> bool:
    """Whether a kind of traffic stays on the node."""
    return bool(service["spec"].get(policy) == "Local")


def _rules(service: Object, endpoints: EndpointTable, node: str) -> Iterator[Rule]:
    spec, metadata = service["spec"], service["metadata"]
    stays = affinity(spec)
    for port in spec.get("ports") or ():
        name = (metadata["namespace"], metadata["name"], port.get("name") or "", port.get("protocol") or "TCP")
        behind = endpoints.get(name, ())
        for kind, address, number in _fronts(service, port):
            local = is_local(service, "internalTrafficPolicy" if kind == "clusterIP" else "externalTrafficPolicy")
            family = _family(address) if address else _family(spec["clusterIP"])
            same = tuple(endpoint for endpoint in behind if _family(endpoint.address) == family)
            chosen = usable(on_node(same, node)) if local else usable(same)
            drop = local and not chosen and bool(usable(same))
            yield Rule(name, kind, address, number, chosen, drop, stays)


def _fronts(service: Object, port: Object) -> Iterator[tuple[Kind, str, int]]:
    """The addresses and ports at which a port of a Service is reached."""
    spec = service["spec"]
    for address in spec.get("clusterIPs") or [spec["clusterIP"]]:
        yield "clusterIP", address, port["port"]
    for address in spec.get("externalIPs") or ():
        yield "externalIP", address, port["port"]
    for ingress in ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
        if ingress.get("ip") and ingress.get("ipMode", "VIP") == "VIP":
            yield "loadBalancer", ingress["ip"], port["port"]
    if port.get("nodePort"):
        yield "nodePort", "", port["nodePort"]


def _checks(service: Object, endpoints: EndpointTable, node: str) -> Iterator[HealthCheck]:
    spec, metadata = service["spec"], service["metadata"]
    if spec.get("healthCheckNodePort") and is_local(service, "externalTrafficPolicy"):
        namespace, name = metadata["namespace"], metadata["name"]
        local = {
            endpoint.address
            for port, behind in endpoints.items()
            if port[:2] == (namespace, name)
            for endpoint in on_node(behind, node)
            if endpoint.ready
        }
        yield HealthCheck(namespace, name, spec["healthCheckNodePort"], len(local))


def _family(address: str) -> int:
    return ipaddress.ip_address(address).version
