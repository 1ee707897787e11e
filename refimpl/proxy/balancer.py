"""Which endpoint the next connection gets: one after the other, and where a Service wants it, the client's last one.

Source: kube-proxy 1.20 `userspace/roundrobin.go`.
"""

from __future__ import annotations

import attrs

from refimpl.clock import Clock
from refimpl.proxy.endpoints import Endpoint, PortName
from refimpl.proxy.rules import Rule


@attrs.define
class _Stay:
    """Where a client was last, and when."""

    endpoint: tuple[str, int]
    used: float


@attrs.define(eq=False)
class Balancer:
    """Remembers whose turn it is, by port of a Service, and where clients were.

    Args:
        clock: for the end of affinities.
    """

    clock: Clock
    _turns: dict[PortName, int] = attrs.field(factory=dict)
    _stays: dict[PortName, dict[str, _Stay]] = attrs.field(factory=dict)

    def choose(self, rule: Rule, client: str) -> Endpoint | None:
        """The endpoint for a new connection; None when there is none.

        Args:
            rule: where it arrived.
            client: the client's address.
        """
        if not rule.backends:
            return None
        if rule.affinity is None:
            return self._next(rule)
        stays = self._stays.setdefault(rule.name, {})
        known = stays.get(client)
        found = self._last(rule, known) or self._next(rule)
        stays[client] = _Stay((found.address, found.port), self.clock.monotonic())
        return found

    def forget(self, names: set[PortName]) -> None:
        """Forgets Services that are not among these."""
        self._turns = {name: turn for name, turn in self._turns.items() if name in names}
        self._stays = {name: stays for name, stays in self._stays.items() if name in names}

    def leave(self, rule: Rule, client: str) -> None:
        """A client's endpoint did not answer: the next connection goes elsewhere."""
        self._stays.get(rule.name, {}).pop(client, None)

    def _last(self, rule: Rule, known: _Stay | None) -> Endpoint | None:
        """The endpoint a client was at, if it may stay and the endpoint still takes connections."""
        if known is None or rule.affinity is None or self.clock.monotonic() - known.used > rule.affinity:
            return None
        return next((each for each in rule.backends if (each.address, each.port) == known.endpoint), None)

    def _next(self, rule: Rule) -> Endpoint:
        turn = self._turns.get(rule.name, 0)
        self._turns[rule.name] = turn + 1
        return rule.backends[turn % len(rule.backends)]
