"""The node's addresses: where the master and other nodes reach it.

Source: kubelet 1.36 `nodestatus.NodeAddress`, `validateNodeIP`; kubelet 1.5 `setNodeAddress`.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from refimpl.api.errors import Object
from refimpl.kubelet.config import KubeletConfig
from refimpl.kubelet.era import Era
from refimpl.kubelet.machine.host import HostFacts


class NoAddress(Exception):
    """The node has no usable address; it is registered without any and keeps trying."""


def node_addresses(config: KubeletConfig, host: HostFacts) -> list[Object]:
    """The complete list, in order: InternalIP (one or two), then Hostname; 1.5 puts LegacyHostIP before them.

    Raises:
        NoAddress: a configured address is not on this machine, or none can be found.
    """
    hostname = config.hostname(host.hostname)
    internal = internal_ips(config, host, hostname)
    return [*listed_internal(internal, config.rules), {"type": "Hostname", "address": hostname}]


def listed_internal(internal: list[str], era: Era) -> list[Object]:
    """The entries for the node's own addresses."""
    legacy = [{"type": "LegacyHostIP", "address": address} for address in internal[:1] if era.legacy_host_ip]
    return [*legacy, *({"type": "InternalIP", "address": address} for address in internal)]


def internal_ips(config: KubeletConfig, host: HostFacts, hostname: str) -> list[str]:
    """The node's own addresses: as configured, or the hostname where it is one, or that of the default route.

    Raises:
        NoAddress: a configured address is not on this machine, or none can be found.
    """
    configured = [address for address in config.node_ips if not ipaddress.ip_address(address).is_unspecified]
    if configured:
        for address in configured:
            check_address(address, host)
        return configured
    if _is_address(hostname):
        return [hostname]
    if not host.addresses:
        raise NoAddress(f"can't get ip address of node {hostname}")
    return [host.addresses[0]]


def check_address(address: str, host: HostFacts) -> None:
    """Refuses an address under which nobody could reach this machine.

    Raises:
        NoAddress: loopback, multicast, link-local, or not an address of this machine.
    """
    parsed = ipaddress.ip_address(address)
    for wrong, what in (
        (parsed.is_loopback, "loopback address"),
        (parsed.is_multicast, "a multicast address"),
        (parsed.is_link_local, "a link-local unicast address"),
    ):
        if wrong:
            raise NoAddress(f"failed to validate nodeIP: nodeIP can't be {what}")
    if address not in host.addresses:
        raise NoAddress(f'failed to validate nodeIP: node IP: "{address}" not found in the host\'s network interfaces')


@lru_cache(maxsize=4096)
def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
