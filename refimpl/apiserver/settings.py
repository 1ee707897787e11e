"""What an operator may choose about the API server's objects (flags of kube-apiserver)."""

from __future__ import annotations

import attrs


@attrs.frozen
class Settings:
    """Choices that strategies and admission need.

    Attributes:
        not_ready_toleration: seconds for which pods tolerate a node that is not ready
            (`--default-not-ready-toleration-seconds`).
        unreachable_toleration: seconds for which pods tolerate an unreachable node
            (`--default-unreachable-toleration-seconds`).
        service_addresses: range of cluster IPs (`--service-cluster-ip-range`).
        node_ports: first and last node port (`--service-node-port-range`).
        protect_storage: give claims and volumes the finalizer that keeps them while they are in use. Something has to
            lift it again; no controller of the reference does, so it is off.
    """

    not_ready_toleration: int = 300
    unreachable_toleration: int = 300
    service_addresses: str = "10.96.0.0/16"
    node_ports: tuple[int, int] = (30000, 32767)
    protect_storage: bool = False


DEFAULTS = Settings()
"""The flags' defaults."""
