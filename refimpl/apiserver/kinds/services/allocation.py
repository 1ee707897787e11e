"""Addresses and ports of services, unique in the cluster.

What is taken is read from the stored services, so that there is no second book that could disagree. What is free is
drawn at random, from the upper part of each range first: the lower part is for what people choose themselves.

Source: kube-apiserver 1.36 `pkg/registry/core/service/{ipallocator,portallocator,storage}`.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Callable

from refimpl.api.errors import Cause, Object, internal, invalid
from refimpl.api.resources import SERVICES
from refimpl.apiserver.kinds import causes
from refimpl.apiserver.kinds.services import defaults
from refimpl.apiserver.strategy import Context


def allocate(ctx: Context, service: Object) -> None:
    """Gives a valid service everything it still lacks.

    Raises:
        ApiError: 422, what it asks for is taken or out of range; 500, nothing is free.
    """
    spec = service["spec"]
    others = [
        other["spec"]
        for other in ctx.reader.list(SERVICES)
        if (other["metadata"].get("namespace"), other["metadata"]["name"]) != (ctx.namespace, ctx.name)
    ]
    refused = [
        *set_families(spec),
        *_cluster_ip(ctx, spec, others),
        *_node_ports(ctx, spec, others),
        *_health_port(ctx, spec, others),
    ]
    if refused:
        raise invalid(SERVICES, service["metadata"]["name"], refused)


def set_families(spec: Object) -> list[Cause]:
    """IP families of a cluster that has only IPv4."""
    if not defaults.needs_cluster_ip(spec):
        return []
    if defaults.is_headless(spec) and not spec.get("selector"):
        spec["ipFamilyPolicy"] = spec.get("ipFamilyPolicy") or "RequireDualStack"
        families = spec.get("ipFamilies") or ["IPv4"]
        if spec["ipFamilyPolicy"] != "SingleStack" and len(families) == 1:
            families = [*families, "IPv6" if families == ["IPv4"] else "IPv4"]
        spec["ipFamilies"] = families
        return []
    spec["ipFamilyPolicy"] = spec.get("ipFamilyPolicy") or "SingleStack"
    spec["ipFamilies"] = spec.get("ipFamilies") or ["IPv4"]
    if spec["ipFamilyPolicy"] == "RequireDualStack":
        why = "this cluster is not configured for dual-stack services"
        return [causes.invalid("spec.ipFamilyPolicy", "RequireDualStack", why)]
    return [
        causes.invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
        for index, family in enumerate(spec["ipFamilies"])
        if family != "IPv4"
    ]


def _cluster_ip(ctx: Context, spec: Object, others: list[Object]) -> list[Cause]:
    if not defaults.needs_cluster_ip(spec) or defaults.is_headless(spec):
        return []
    network = ipaddress.ip_network(ctx.settings.service_cluster_ip_range)
    taken = {other.get("clusterIP") for other in others}
    wanted = spec.get("clusterIP")
    if not wanted:
        first, last = 1, network.num_addresses - 2
        reserved = min(max(16, network.num_addresses // 16), 256)
        offset = draw(ctx, first, last, first + reserved - 1, lambda offset: str(network[offset]) in taken)
        if offset is None:
            raise internal("failed to allocate a serviceIP: range is full")
        spec["clusterIP"] = str(network[offset])
        spec["clusterIPs"] = [spec["clusterIP"]]
        return []
    why = ""
    if ipaddress.ip_address(wanted) not in network:
        why = f"the provided IP ({wanted}) is not in the valid range. The range of valid IPs is {network}"
    elif wanted in taken:
        why = "provided IP is already allocated"
    return [causes.invalid("spec.clusterIPs", [wanted], f"failed to allocate IP {wanted}: {why}")] if why else []


def _node_ports(ctx: Context, spec: Object, others: list[Object]) -> list[Cause]:
    wants_none = spec.get("type") == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False
    if not defaults.needs_node_port(spec):
        return []
    refused: list[Cause] = []
    taken = taken_ports(others)
    own: dict[tuple[int, str], int] = {}
    for index, port in enumerate(spec.get("ports") or []):
        key = (port.get("port", 0), port.get("protocol", ""))
        if port.get("nodePort"):
            refused += _given_port(ctx, port["nodePort"], taken, f"spec.ports[{index}].nodePort")
        elif not wants_none:
            shared = [number for (same, protocol), number in own.items() if same == key[0] and protocol != key[1]]
            port["nodePort"] = shared[0] if shared else _free_port(ctx, taken | set(own.values()))
        own[key] = port.get("nodePort", 0)
    return refused


def _health_port(ctx: Context, spec: Object, others: list[Object]) -> list[Cause]:
    if not defaults.needs_health_port(spec):
        return []
    taken = taken_ports(others)
    if spec.get("healthCheckNodePort"):
        return _given_port(ctx, spec["healthCheckNodePort"], taken, "spec.healthCheckNodePort")
    spec["healthCheckNodePort"] = _free_port(ctx, taken | taken_ports([spec]))
    return []


def taken_ports(specs: list[Object]) -> set[int]:
    """Ports on nodes that these services have."""
    ports = {port.get("nodePort", 0) for spec in specs for port in spec.get("ports") or []}
    return (ports | {spec.get("healthCheckNodePort", 0) for spec in specs}) - {0}


def _given_port(ctx: Context, number: int, taken: set[int], path: str) -> list[Cause]:
    first, last = ctx.settings.service_node_port_range
    if not first <= number <= last:
        why = f"provided port is not in the valid range. The range of valid ports is {first}-{last}"
        return [causes.invalid(path, number, why)]
    return [causes.invalid(path, number, "provided port is already allocated")] if number in taken else []


def _free_port(ctx: Context, taken: set[int]) -> int:
    first, last = ctx.settings.service_node_port_range
    size = last - first + 1
    number = draw(ctx, first, last, first + min(max(16, size // 32), 128), lambda number: number in taken)
    if number is None:
        raise internal("failed to allocate a nodePort: range is full")
    return number


def draw(ctx: Context, first: int, last: int, preferred: int, is_taken: Callable[[int], bool]) -> int | None:
    """A free number, from `preferred` upwards if there is one; None when all are taken."""
    for low, high in ((min(preferred, last), last), (first, min(preferred, last))):
        start = ctx.clock.random.randint(low, high)
        for number in itertools.chain(range(start, high + 1), range(low, start)):
            if not is_taken(number):
                return number
    return None
