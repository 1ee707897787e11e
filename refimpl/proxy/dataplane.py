"""Rules in force. `SimulatedDataPlane` is for virtual clusters; see also `userspace`, `iptables`."""

from __future__ import annotations

from typing import Protocol

from refimpl.clock import Clock
from refimpl.proxy.balancer import Balancer
from refimpl.proxy.endpoints import Endpoint
from refimpl.proxy.rules import Decision, Rule


class DataPlane(Protocol):
    """What carries connections by the rules."""

    async def apply(self, decision: Decision) -> None:
        """Puts rules in force in place of those before; connections that are open go on."""
        ...

    async def aclose(self) -> None:
        """Takes all rules back, unless they can do without the proxy."""
        ...

    def listing(self) -> list[dict[str, object]]:
        """What is in force, for people."""
        ...


class SimulatedDataPlane:
    """Rules without sockets: whoever dials is told which endpoint would answer.

    Args:
        clock: for the end of affinities.
    """

    def __init__(self, clock: Clock) -> None:
        self._balancer = Balancer(clock)
        self.decision = Decision(())

    async def apply(self, decision: Decision) -> None:
        """See `DataPlane`."""
        self.decision = decision
        self._balancer.forget({rule.name for rule in decision.rules})

    async def aclose(self) -> None:
        """See `DataPlane`."""
        self.decision = Decision(())

    def listing(self) -> list[dict[str, object]]:
        """See `DataPlane`."""
        return [described(rule) for rule in self.decision.rules]

    def dial(self, address: str, port: int, *, client: str, protocol: str = "TCP") -> Endpoint:
        """The endpoint that a new connection gets.

        Raises:
            ConnectionRefusedError: nobody takes it.
            TimeoutError: it is dropped.
        """
        for rule in self.decision.rules:
            if (rule.address, rule.port, rule.protocol) == (address, port, protocol):
                found = self._balancer.choose(rule, client)
                if found is not None:
                    return found
                if rule.drop:
                    raise TimeoutError
        raise ConnectionRefusedError


def described(rule: Rule) -> dict[str, object]:
    """A rule for people."""
    namespace, name, port, protocol = rule.name
    return {
        "service": f"{namespace}/{name}" + (f":{port}" if port else ""),
        "kind": rule.kind,
        "address": rule.address,
        "port": rule.port,
        "protocol": protocol,
        "endpoints": [f"{endpoint.address}:{endpoint.port}" for endpoint in rule.backends],
    }
