"""Which pods are behind a port of a Service, from EndpointSlices or, of old, from Endpoints.

Source: kube-proxy 1.36 `endpointslicecache.go`, 1.20 `endpoints.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from refimpl.api.errors import Object

SERVICE_NAME: Final = "kubernetes.io/service-name"

PortName = tuple[str, str, str, str]
"""Namespace and name of a Service, name of the port (often empty), protocol."""


@attrs.frozen(order=True)
class Endpoint:
    """One pod behind a port.

    Attributes:
        address: its IP address.
        port: where it listens.
        node: where it runs; empty when nobody knows.
        ready: whether it takes connections.
        serving: whether it is ready apart from being about to end.
        terminating: whether it is about to end.
    """

    address: str
    port: int
    node: str = ""
    ready: bool = True
    serving: bool = True
    terminating: bool = False

    @property
    def usable_last(self) -> bool:
        """Whether it takes connections as long as nothing better is there: it is about to end, but still answers."""
        return self.serving and self.terminating


EndpointTable = dict[PortName, tuple[Endpoint, ...]]


def from_slices(slices: Iterable[Object]) -> EndpointTable:
    """The endpoints of all Services, each address once, in order of address."""
    found: dict[PortName, dict[tuple[str, int], Endpoint]] = {}
    for each in sorted(slices, key=lambda each: (each["metadata"]["namespace"], each["metadata"]["name"])):
        service = (each["metadata"].get("labels") or {}).get(SERVICE_NAME)
        if service and each.get("addressType") != "FQDN":
            for name, endpoint in _of_slice(each, service):
                found.setdefault(name, {}).setdefault((endpoint.address, endpoint.port), endpoint)
    return _ordered(found)


def from_endpoints(listed: Iterable[Object]) -> EndpointTable:
    """The same from Endpoints, which know ready addresses only; what is not ready is left out."""
    found: dict[PortName, dict[tuple[str, int], Endpoint]] = {}
    for each in listed:
        namespace, service = each["metadata"]["namespace"], each["metadata"]["name"]
        for subset in each.get("subsets") or ():
            for port in subset.get("ports") or ():
                name = (namespace, service, port.get("name") or "", port.get("protocol") or "TCP")
                for address in subset.get("addresses") or ():
                    endpoint = Endpoint(address["ip"], port["port"], address.get("nodeName") or "")
                    found.setdefault(name, {})[endpoint.address, endpoint.port] = endpoint
    return _ordered(found)


def is_ready(conditions: Object) -> bool:
    """Whether an endpoint takes connections; nothing said means yes."""
    return conditions.get("ready") is not False


def _of_slice(each: Object, service: str) -> Iterator[tuple[PortName, Endpoint]]:
    namespace = each["metadata"]["namespace"]
    for port in each.get("ports") or ():
        if port.get("port") is None:
            continue
        name = (namespace, service, port.get("name") or "", port.get("protocol") or "TCP")
        for endpoint in each.get("endpoints") or ():
            conditions = endpoint.get("conditions") or {}
            ready = is_ready(conditions)
            serving = conditions.get("serving")
            yield (
                name,
                Endpoint(
                    endpoint["addresses"][0],
                    port["port"],
                    endpoint.get("nodeName") or "",
                    ready=ready,
                    serving=ready if serving is None else serving,
                    terminating=bool(conditions.get("terminating")),
                ),
            )


def _ordered(found: dict[PortName, dict[tuple[str, int], Endpoint]]) -> EndpointTable:
    return {name: tuple(sorted(endpoints.values())) for name, endpoints in sorted(found.items())}
