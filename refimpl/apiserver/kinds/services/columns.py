"""The Table columns of services.

Source: kube-apiserver 1.36 `pkg/printers/internalversion`.
"""

from __future__ import annotations

from refimpl.api.errors import Object
from refimpl.apiserver.kinds import printing
from refimpl.apiserver.strategy import Column
from refimpl.clock import Clock


def cluster_ip(service: Object, _clock: Clock) -> str:
    """The first address of the service itself."""
    listed = service["spec"].get("clusterIPs") or []
    return str(listed[0]) if listed else printing.NONE


def external_ip(service: Object, _clock: Clock) -> str:
    """Where the service can be reached from outside."""
    spec = service["spec"]
    external = ",".join(spec.get("externalIPs") or [])
    match spec.get("type"):
        case "ClusterIP" | "NodePort":
            return external or printing.NONE
        case "LoadBalancer":
            ingress = printing.dig(service, ("status", "loadBalancer", "ingress"), [])
            assert isinstance(ingress, list)
            points = sorted({point.get("ip") or point.get("hostname", "") for point in ingress} - {""})
            return ",".join([*points, *([external] if external else [])]) or "<pending>"
        case "ExternalName":
            return str(spec.get("externalName", ""))
        case _:
            return printing.UNKNOWN


def ports(service: Object, _clock: Clock) -> str:
    """`port[:nodePort]/protocol` of each port."""
    return ",".join(_port(port) for port in service["spec"].get("ports") or []) or printing.NONE


def _port(port: Object) -> str:
    number, node_port = port.get("port", 0), port.get("nodePort", 0)
    return f"{number}{f':{node_port}' if node_port else ''}/{port.get('protocol', '')}"


COLUMNS = (
    printing.NAME,
    Column("Type", printing.field("spec.type"), documents="spec.type"),
    Column("Cluster-IP", cluster_ip, documents="spec.clusterIP"),
    Column("External-IP", external_ip, documents="spec.externalIPs"),
    Column("Port(s)", ports, documents="spec.ports"),
    printing.AGE,
    printing.selector_column("spec.selector"),
)
