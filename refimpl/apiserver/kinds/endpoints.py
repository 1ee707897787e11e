"""Endpoints and EndpointSlices: where the pods of a service are.

Source: kube-apiserver 1.36 `pkg/apis/{core,discovery}` and `pkg/registry/{core/endpoint,discovery/endpointslice}`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from refimpl.api import names
from refimpl.api.errors import Cause, Object
from refimpl.api.resources import ENDPOINTSLICES, Resource
from refimpl.apiserver.kinds import addresses, causes, numbers, printing
from refimpl.apiserver.kinds.kind import Kind
from refimpl.apiserver.kinds.podspec.containers import PROTOCOLS
from refimpl.apiserver.strategy import Column, Context
from refimpl.clock import Clock

DEPRECATION: Final = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
MAX_ENDPOINTS: Final = 1000
MAX_ADDRESSES: Final = 100
MAX_PORTS: Final = 20000
HOST: Final = "kubernetes.io/hostname"
ZONE: Final = "topology.kubernetes.io/zone"
ADDRESS_TYPES: Final = ("FQDN", "IPv4", "IPv6")


def listed(endpoints: Object, _clock: Clock) -> str:
    """`address:port` of the first three, and how many more there are."""
    subsets = endpoints.get("subsets") or []
    if not subsets:
        return printing.NONE
    items: list[str] = []
    for subset in subsets:
        hosts = [address.get("ip", "") for address in subset.get("addresses") or []]
        ports = subset.get("ports") or []
        # A headless service without ports still has addresses.
        items += [f"{host}:{port.get('port', 0)}" for port in ports for host in hosts] if ports else hosts
    text = ",".join(items[:3])
    return f"{text} + {len(items) - 3} more..." if len(items) > 3 else text


class Endpoints(Kind):
    """Behaviour of Endpoints."""

    notes_owners: ClassVar[bool] = False
    create_on_update: ClassVar[bool] = True
    update_without_version: ClassVar[bool] = True
    deprecation: ClassVar[str] = DEPRECATION
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("Endpoints", listed, documents="subsets"),
        printing.AGE,
    )

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        for subset in obj.get("subsets") or []:
            for port in subset.get("ports") or []:
                port["protocol"] = port.get("protocol") or "TCP"

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        for index, subset in enumerate(obj.get("subsets") or []):
            yield from _subset_causes(subset, f"subsets[{index}]")

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        yield from super().validate_update(ctx, old, new)
        yield from self.validate(ctx, new)


def _subset_causes(subset: Object, path: str) -> Iterable[Cause]:
    ready, not_ready = subset.get("addresses") or [], subset.get("notReadyAddresses") or []
    ports = subset.get("ports") or []
    if not ready and not not_ready:
        yield causes.required(path, "must specify `addresses` or `notReadyAddresses`")
    for key, hosts in (("addresses", ready), ("notReadyAddresses", not_ready)):
        for index, address in enumerate(hosts):
            yield from addresses.ip_causes(address.get("ip", ""), f"{path}.{key}[{index}].ip", canonical=False)
            name = address.get("hostname", "")
            for why in names.dns1123_label(name) if name else ():
                yield causes.invalid(f"{path}.{key}[{index}].hostname", name, why)
            node = address.get("nodeName")
            for why in names.dns1123_subdomain(node) if node is not None else ():
                yield causes.invalid(f"{path}.{key}[{index}].nodeName", node, why)
            yield from _host_address_causes(address.get("ip", ""), f"{path}.{key}[{index}].ip")
    for index, port in enumerate(ports):
        yield from _port_causes(port, len(ports) > 1, f"{path}.ports[{index}]")


def _host_address_causes(text: str, path: str) -> Iterable[Cause]:
    """What is no address at all is refused a second time where special addresses are looked for."""
    if addresses.parse_ip(text) is None:
        yield causes.invalid(path, text, "must be a valid IP address")
    yield from addresses.special_causes(text, path)


def _port_causes(port: Object, needs_name: bool, path: str) -> Iterable[Cause]:
    name, protocol = port.get("name", ""), port.get("protocol", "")
    if not name and needs_name:
        yield causes.required(f"{path}.name")
    for why in names.dns1123_label(name) if name else ():
        yield causes.invalid(f"{path}.name", name, why)
    yield from numbers.port(port.get("port", 0), f"{path}.port")
    if protocol not in PROTOCOLS:
        yield causes.not_supported(f"{path}.protocol", protocol, PROTOCOLS)
    if port.get("appProtocol") is not None:
        for why in names.qualified_name(port["appProtocol"]):
            yield causes.invalid(f"{path}.appProtocol", port["appProtocol"], why)


def slice_ports(obj: Object, _clock: Clock) -> str:
    """The first three ports."""
    ports = obj.get("ports") or []
    return printing.more([str(port.get("port") or port.get("name") or "*") for port in ports], len(ports))


def slice_endpoints(obj: Object, _clock: Clock) -> str:
    """The first three addresses."""
    found = [address for endpoint in obj.get("endpoints") or [] for address in endpoint.get("addresses") or []]
    return printing.more(found, len(found))


class EndpointSlices(Kind):
    """Behaviour of EndpointSlice."""

    notes_owners: ClassVar[bool] = False
    has_generation: ClassVar[bool] = True
    update_without_version: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...] | None] = (
        printing.NAME,
        Column("AddressType", printing.field("addressType"), documents="addressType"),
        Column("Ports", slice_ports, documents="ports"),
        Column("Endpoints", slice_endpoints, documents="endpoints"),
        printing.AGE,
    )

    def counted(self, obj: Object) -> object:
        """Everything but metadata counts, and labels do."""
        content = {key: value for key, value in obj.items() if key != "metadata"}
        return content, obj["metadata"].get("labels")

    def default(self, obj: Object) -> None:
        """See `Strategy`."""
        for port in obj.get("ports") or []:
            port["name"] = port.get("name") or ""
            port["protocol"] = port.get("protocol") or "TCP"

    def validate(self, ctx: Context, obj: Object) -> Iterable[Cause]:
        """See `Strategy`."""
        kind, endpoints, ports = obj.get("addressType", ""), obj.get("endpoints") or [], obj.get("ports") or []
        if not kind:
            yield causes.required("addressType")
        elif kind not in ADDRESS_TYPES:
            yield causes.not_supported("addressType", kind, ADDRESS_TYPES)
        if len(endpoints) > MAX_ENDPOINTS:
            yield causes.too_many("endpoints", len(endpoints), MAX_ENDPOINTS)
            return
        for index, endpoint in enumerate(endpoints):
            yield from _endpoint_causes(endpoint, kind, f"endpoints[{index}]")
        yield from _slice_port_causes(ports)

    def change_causes(self, old: Object, new: Object) -> Iterable[Cause]:
        """See `Kind`."""
        return causes.immutable("addressType", old.get("addressType"), new.get("addressType"))

    def validate_update(self, ctx: Context, old: Object, new: Object) -> Iterable[Cause]:
        """A change of the address type makes the other rules meaningless."""
        fixed = self.change_causes(old, new)
        yield from (fixed or self.validate(ctx, new))


class OlderEndpointSlices(EndpointSlices):
    """Behaviour of discovery.k8s.io/v1beta1 EndpointSlice, where node and zone are in a map of topology."""

    stored_as: ClassVar[Resource | None] = ENDPOINTSLICES

    def to_stored(self, obj: Object) -> Object:
        """See `Strategy`."""
        made = [_with_fields(endpoint) for endpoint in obj.get("endpoints") or []]
        return {**obj, "apiVersion": ENDPOINTSLICES.api_version, "endpoints": made or None}

    def from_stored(self, obj: Object) -> Object:
        """See `Strategy`."""
        made = [_with_topology(endpoint) for endpoint in obj.get("endpoints") or []]
        return {**obj, "endpoints": made or None}


def _with_fields(endpoint: Object) -> Object:
    """An endpoint with its zone in a field, and its host only once."""
    topology = dict(endpoint.get("topology") or {})
    made = {key: value for key, value in endpoint.items() if key != "topology"}
    if ZONE in topology:
        made["zone"] = topology.pop(ZONE)
    if HOST in topology and topology[HOST] == made.get("nodeName"):
        del topology[HOST]
    return {**made, "deprecatedTopology": topology} if topology else made


def _with_topology(endpoint: Object) -> Object:
    """An endpoint with its zone and its host in the topology."""
    topology = dict(endpoint.get("deprecatedTopology") or {})
    if endpoint.get("zone") is not None:
        topology[ZONE] = endpoint["zone"]
    if endpoint.get("nodeName") is not None and not topology.get(HOST):
        topology[HOST] = endpoint["nodeName"]
    made = {key: value for key, value in endpoint.items() if key not in {"deprecatedTopology", "zone"}}
    return {**made, "topology": topology} if topology else made


def _endpoint_causes(endpoint: Object, kind: str, path: str) -> Iterable[Cause]:
    hosts = endpoint.get("addresses") or []
    if not hosts:
        yield causes.required(f"{path}.addresses", "must contain at least 1 address")
    elif len(hosts) > MAX_ADDRESSES:
        yield causes.too_many(f"{path}.addresses", len(hosts), MAX_ADDRESSES)
    for index, host in enumerate(hosts):
        yield from _host_causes(host, kind, f"{path}.addresses[{index}]")
    for key, problems in (("nodeName", names.dns1123_subdomain), ("hostname", names.dns1123_label)):
        for why in problems(endpoint[key]) if endpoint.get(key) else ():
            yield causes.invalid(f"{path}.{key}", endpoint[key], why)


def _host_causes(host: str, kind: str, path: str) -> Iterable[Cause]:
    if kind == "FQDN":
        for why in names.dns1123_subdomain(host):
            yield causes.invalid(path, host, why)
    elif kind in ADDRESS_TYPES:
        yield from addresses.ip_causes(host, path)
        if addresses.parse_ip(host) is not None and addresses.family(host) != kind:
            yield causes.invalid(path, host, f"must be an {kind} address")
        yield from addresses.special_causes(host, path)


def _slice_port_causes(ports: list[Object]) -> Iterable[Cause]:
    if len(ports) > MAX_PORTS:
        yield causes.too_many("ports", len(ports), MAX_PORTS)
    seen: list[str] = []
    for index, port in enumerate(ports):
        name, protocol = port.get("name", ""), port.get("protocol", "")
        for why in names.dns1123_label(name) if name else ():
            yield causes.invalid(f"ports[{index}].name", name, why)
        if name in seen:
            yield causes.duplicate(f"ports[{index}].name", name)
        seen.append(name)
        if protocol not in PROTOCOLS:
            yield causes.not_supported(f"ports[{index}].protocol", protocol, PROTOCOLS)
        if port.get("port") is not None:
            yield from numbers.port(port["port"], f"ports[{index}].port")
