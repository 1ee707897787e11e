"""What an operator may choose about the API server's objects (flags of kube-apiserver)."""

from __future__ import annotations

import attrs

from refimpl.api.resources import OLDER, Resource


@attrs.frozen
class Settings:
    """Choices that strategies and admission need.

    Attributes:
        default_not_ready_toleration_seconds: tolerated time of a node that is not ready, for pods that say nothing.
        default_unreachable_toleration_seconds: tolerated time of an unreachable node, for pods that say nothing.
        service_cluster_ip_range: range of cluster IPs.
        service_node_port_range: first and last node port.
        kubelet_preferred_address_types: which address of a node to use for its kubelet, most wanted first.
        protect_storage: give claims and volumes the finalizer that keeps them while they are in use. Something has to
            lift it again; no controller of the reference does, so it is off.
        disable_admission_plugins: names of admission plug-ins to leave out, such as `NodeRestriction`.
        runtime_config: older API versions to serve beside those of release 1.36, such as `policy/v1beta1=true`.
        etcd_compaction_interval: seconds of history that the store always keeps, and between two compactions of it.
    """

    default_not_ready_toleration_seconds: int = 300
    default_unreachable_toleration_seconds: int = 300
    service_cluster_ip_range: str = "10.96.0.0/16"
    service_node_port_range: tuple[int, int] = (30000, 32767)
    kubelet_preferred_address_types: tuple[str, ...] = (
        "Hostname",
        "InternalDNS",
        "InternalIP",
        "ExternalDNS",
        "ExternalIP",
    )
    protect_storage: bool = False
    disable_admission_plugins: tuple[str, ...] = ()
    runtime_config: tuple[str, ...] = ()
    etcd_compaction_interval: float = 300.0

    def older_rows(self) -> tuple[Resource, ...]:
        """The rows that `runtime_config` turns on.

        Raises:
            ValueError: there is no such version to be chosen.
        """
        chosen = set()
        for entry in self.runtime_config:
            version, _, wanted = entry.partition("=")
            if version not in _OLDER_VERSIONS or wanted not in {"", "true", "false"}:
                known = ", ".join(f"{name}=true" for name in _OLDER_VERSIONS)
                raise ValueError(f"no API version to choose by {entry!r}; there is {known}")
            if wanted != "false":
                chosen.add(version)
        return tuple(row for row in OLDER if row.api_version in chosen)


_OLDER_VERSIONS = tuple(dict.fromkeys(row.api_version for row in OLDER))

DEFAULTS = Settings()
"""The flags' defaults."""
