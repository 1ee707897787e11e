"""One endpoint of a slice: a pod with its conditions.

Source: `k8s.io/endpointslice` 1.36 (`podToEndpoint`, `getEndpointPorts`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from refimpl.api.errors import Object
from refimpl.api.meta import is_terminating, labels
from refimpl.controllers.endpoints import backends
from refimpl.controllers.workloads import pods

ZONE_LABEL = "topology.kubernetes.io/zone"


@attrs.frozen
class Backend:
    """A pod as it is to be published.

    Attributes:
        uid: of the pod.
        endpoint: its entry in a slice.
        ports: the ports of the slice it belongs in.
    """

    uid: str
    endpoint: Object
    ports: tuple[tuple[tuple[str, object], ...], ...]


def is_ready(service: Object, pod: Object) -> bool:
    """The condition ready: a terminating pod is never ready, unless the Service publishes everything."""
    return backends.publishes_not_ready(service) or (pods.is_ready(pod) and not is_terminating(pod))


def conditions(service: Object, pod: Object) -> Object:
    """The conditions of an endpoint: `serving` is the pod's readiness even while it terminates."""
    return {"ready": is_ready(service, pod), "serving": pods.is_ready(pod), "terminating": is_terminating(pod)}


def ports(service: Object, pod: Object) -> tuple[tuple[tuple[str, object], ...], ...]:
    """The Service's ports as this pod serves them; ports that it lacks are left out."""
    found: list[tuple[tuple[str, object], ...]] = []
    for service_port in service["spec"].get("ports") or ():
        number = backends.find_port(pod, service_port)
        if number is None:
            continue
        port: Object = {
            "name": service_port.get("name", ""),
            "port": number,
            "protocol": service_port.get("protocol", "TCP"),
        }
        if service_port.get("appProtocol"):
            port["appProtocol"] = service_port["appProtocol"]
        found.append(tuple(port.items()))
    return tuple(sorted(found, key=repr))


def publish(
    service: Object, candidates: Iterable[Object], node_of: Callable[[str], Object | None], family: str
) -> tuple[list[Backend], bool]:
    """All endpoints of one address family.

    A pod on a node that does not exist is left out, unless the Service publishes everything: nobody runs it.

    Returns:
        The endpoints, and whether any was left out because its node is missing.
    """
    found: list[Backend] = []
    homeless = False
    for pod in candidates:
        address = backends.address_in(pod, family)
        if address is None or not backends.belongs(pod, terminating=True):
            continue
        node = node_of(pods.node_of(pod))
        if node is None and not backends.publishes_not_ready(service):
            homeless = True
            continue
        found.append(Backend(pod["metadata"]["uid"], _endpoint(service, pod, address, node), ports(service, pod)))
    return found, homeless


def _endpoint(service: Object, pod: Object, address: str, node: Object | None) -> Object:
    endpoint: Object = {"addresses": [address], "conditions": conditions(service, pod)}
    name = backends.hostname(service, pod)
    if name:
        endpoint["hostname"] = name
    endpoint["targetRef"] = backends.target(pod)
    if pods.node_of(pod):
        endpoint["nodeName"] = pods.node_of(pod)
    zone = labels(node).get(ZONE_LABEL) if node is not None else None
    return {**endpoint, "zone": zone} if zone else endpoint
