"""Host ports: which pods cannot share a node's addresses.

Source: kube-scheduler 1.36 `framework.HostPortInfo`.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from refimpl.api.errors import Object

ANY_ADDRESS = "0.0.0.0"


@attrs.frozen
class HostPort:
    """One claimed port of a node.

    Attributes:
        protocol: `TCP`, `UDP` or `SCTP`.
        port: 1 to 65535.
        address: the node's address, `0.0.0.0` for all of them.
    """

    protocol: str
    port: int
    address: str


def host_ports_of(containers: Iterable[Object]) -> tuple[HostPort, ...]:
    """The host ports that containers claim."""
    return tuple(
        HostPort(port.get("protocol") or "TCP", port["hostPort"], port.get("hostIP") or ANY_ADDRESS)
        for container in containers
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )


def conflict(wanted: HostPort, used: Iterable[HostPort]) -> bool:
    """Whether a port is taken: same protocol and number, and the same address or one of them is every address."""
    return any(
        wanted.port == other.port
        and wanted.protocol == other.protocol
        and (wanted.address == other.address or ANY_ADDRESS in (wanted.address, other.address))
        for other in used
    )
