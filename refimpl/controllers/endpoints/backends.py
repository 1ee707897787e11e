"""Which pods stand behind a Service, at which addresses and ports.

Source: kube-controller-manager 1.36 `endpoints_controller.go`, `k8s.io/endpointslice/util`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from refimpl.api.errors import Object
from refimpl.api.meta import is_terminating, labels
from refimpl.controllers.workloads import pods

HEADLESS_LABEL = "service.kubernetes.io/headless"


def selects(service: Object, pod: Object) -> bool:
    """Whether the Service's selector matches the pod; a Service without one selects nothing."""
    selector = service["spec"].get("selector")
    if not selector:
        return False
    present = labels(pod)
    return all(present.get(key) == value for key, value in selector.items())


def belongs(pod: Object, *, terminating: bool) -> bool:
    """Whether the pod may be listed at all: it has an address and has not finished.

    Args:
        pod: the pod.
        terminating: whether a pod that is about to go may be listed.
    """
    if pods.is_terminal(pod) or not addresses(pod):
        return False
    return terminating or not is_terminating(pod)


def publishes_not_ready(service: Object) -> bool:
    """`spec.publishNotReadyAddresses`: readiness does not matter to this Service's clients."""
    return bool(service["spec"].get("publishNotReadyAddresses"))


def is_headless(service: Object) -> bool:
    """Whether the Service has no address of its own."""
    return service["spec"].get("clusterIP") in {None, "", "None"}


def addresses(pod: Object) -> Sequence[str]:
    """The pod's addresses, primary first."""
    status = pod.get("status") or {}
    several = [entry["ip"] for entry in status.get("podIPs") or () if entry.get("ip")]
    return several or ([status["podIP"]] if status.get("podIP") else [])


def families(service: Object) -> Sequence[str]:
    """The address families of the Service, `IPv4` or `IPv6`, primary first."""
    given = service["spec"].get("ipFamilies")
    if given:
        return list(given)
    return ["IPv6" if is_ipv6(str(service["spec"].get("clusterIP") or "")) else "IPv4"]


def is_ipv6(address: str) -> bool:
    """Whether an address is written as IPv6."""
    return ":" in address


def address_in(pod: Object, family: str) -> str | None:
    """The pod's address of a family, or None."""
    return next((ip for ip in addresses(pod) if is_ipv6(ip) == (family == "IPv6")), None)


def hostname(service: Object, pod: Object) -> str:
    """The pod's name in the Service's DNS, if it asked for one; else empty."""
    spec = pod["spec"]
    return (
        str(spec["hostname"]) if spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"] else ""
    )


def target(pod: Object) -> Object:
    """The reference to the pod in an address."""
    metadata = pod["metadata"]
    return {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}


def find_port(pod: Object, service_port: Object) -> int | None:
    """The pod's port behind a Service port; None when the pod has no port of the name asked for."""
    wanted: Any = service_port.get("targetPort", service_port["port"])
    if isinstance(wanted, int):
        return wanted
    protocol = service_port.get("protocol", "TCP")
    for port in _container_ports(pod):
        if port.get("name") == wanted and port.get("protocol", "TCP") == protocol:
            return int(port["containerPort"])
    return None


def _container_ports(pod: Object) -> Iterable[Object]:
    spec = pod["spec"]
    sidecars = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    for container in (*(spec.get("containers") or ()), *sidecars):
        yield from container.get("ports") or ()


def standing(pod: Object) -> Sequence[object]:
    """All of a pod that its Services' endpoints depend on."""
    spec = pod["spec"]
    return (
        pod["metadata"]["uid"],
        is_terminating(pod),
        pods.is_terminal(pod),
        pods.is_ready(pod),
        addresses(pod),
        labels(pod),
        spec.get("nodeName"),
        spec.get("hostname"),
        spec.get("subdomain"),
    )
