"""Settings of kube-proxy, by the names of its flags."""

from __future__ import annotations

from typing import Final

import attrs

MODES: Final = ("userspace", "iptables")


@attrs.frozen(kw_only=True)
class ProxyConfig:
    """Settings of one proxy.

    Attributes:
        hostname_override: name of the node; empty means the machine's name.
        proxy_mode: what carries connections; userspace, sockets of this process, or iptables, the kernel (root).
        min_sync_period: seconds between two changes of the rules, at least.
        sync_period: seconds after which the rules are put in force anew although nothing changed.
        use_endpoints: read Endpoints, as before 1.19, although the master serves EndpointSlices.
        nodeport_addresses: address on which node ports listen; empty means all of the machine.
        cluster_ip_device: network device that gets the addresses of Services, e.g. lo; needs root. Without one,
            Services whose address is not this machine's are reached through free ports on 127.0.0.1, see /proxyz.
        healthz_bind_address: where health is told, HOST:PORT; empty means nowhere, port 0 any free one.
    """

    hostname_override: str = ""
    proxy_mode: str = "userspace"
    min_sync_period: float = 1.0
    sync_period: float = 30.0
    use_endpoints: bool = False
    nodeport_addresses: str = ""
    cluster_ip_device: str = ""
    healthz_bind_address: str = "0.0.0.0:10256"
