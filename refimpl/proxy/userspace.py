"""Rules in force as sockets of this process: it accepts connections and carries their bytes to an endpoint.

An address of a Service that is this machine's (or becomes so, on `cluster_ip_device`) is listened on as it is. Any
other gets a free port on 127.0.0.1, and the listing says which. Where a rule has no endpoint nobody listens, so that
connections are refused at once.

Source: kube-proxy 1.20 `userspace/proxier.go`, `proxysocket.go`.
"""

from __future__ import annotations

import logging
import socket
from typing import Final

import attrs

from refimpl.clock import Clock
from refimpl.proxy.balancer import Balancer
from refimpl.proxy.config import ProxyConfig
from refimpl.proxy.dataplane import described
from refimpl.proxy.devices import Device
from refimpl.proxy.relay import TcpRelay, UdpRelay
from refimpl.proxy.rules import Decision, Kind, Rule

log = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"

_Key = tuple[Kind, str, int, str]


@attrs.define(eq=False)
class _Front:
    """One listening socket.

    Attributes:
        rule: what it leads to now.
        relay: what carries its connections.
        address: where it listens really.
        port: where it listens really.
    """

    rule: Rule
    relay: TcpRelay | UdpRelay
    address: str
    port: int


class UserspaceDataPlane:
    """See `refimpl.proxy.dataplane.DataPlane`.

    Args:
        clock: time.
        config: settings.
    """

    def __init__(self, clock: Clock, config: ProxyConfig) -> None:
        self._config = config
        self._balancer = Balancer(clock)
        self._device = Device(config.cluster_ip_device)
        self._fronts: dict[_Key, _Front] = {}

    async def apply(self, decision: Decision) -> None:
        """See `DataPlane`."""
        wanted = {_key(rule): rule for rule in decision.rules if rule.backends and rule.protocol in ("TCP", "UDP")}
        for key in [key for key in self._fronts if key not in wanted]:
            await self._fronts.pop(key).relay.close()
        for key, rule in wanted.items():
            front = self._fronts.get(key)
            if front is None:
                await self._open(key, rule)
            else:
                front.rule = front.relay.rule = rule
        # An address stays as long as its Service has it, endpoints or not: connections shall be refused.
        await self._device.keep_only({rule.address for rule in decision.rules if rule.address})
        self._balancer.forget({rule.name for rule in decision.rules})

    async def aclose(self) -> None:
        """See `DataPlane`."""
        for front in self._fronts.values():
            await front.relay.close()
        self._fronts.clear()
        await self._device.keep_only(set())

    def listing(self) -> list[dict[str, object]]:
        """See `DataPlane`; `listens` is where a client on this machine reaches the rule."""
        return [
            {**described(front.rule), "listens": f"{front.address or LOOPBACK}:{front.port}"}
            for _, front in sorted(self._fronts.items())
        ]

    async def _open(self, key: _Key, rule: Rule) -> None:
        """Listens; what cannot be had is tried again with the next change of the rules."""
        own = rule.address or self._config.nodeport_addresses
        if rule.address:
            await self._device.add(rule.address)
        for address, port in ((own, rule.port), (LOOPBACK, 0)):
            kind = socket.SOCK_STREAM if rule.protocol == "TCP" else socket.SOCK_DGRAM
            try:
                opened = _bound(address, port, kind)
            except OSError as error:
                log.info("%s: %s:%s cannot be had: %s", rule.name, address, port, error)
                continue
            relay = TcpRelay(rule, self._balancer) if rule.protocol == "TCP" else UdpRelay(rule, self._balancer)
            await relay.listen(opened)
            self._fronts[key] = _Front(rule, relay, *opened.getsockname()[:2])
            return


def _key(rule: Rule) -> _Key:
    return rule.kind, rule.address, rule.port, rule.protocol


def _bound(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, kind)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setblocking(False)
        made.bind((address, port))
    except OSError:
        made.close()
        raise
    return made
