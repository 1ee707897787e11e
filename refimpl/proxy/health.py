"""What others hear about a proxy: whether it keeps up, and for load balancers, whether a Service has endpoints here.

Source: kube-proxy 1.36 `healthcheck/proxy_health.go`, `service_health.go`.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final

from refimpl.api.errors import Object
from refimpl.clock import Clock
from refimpl.proxy.rules import Decision, HealthCheck

LEAVING: Final = "ToBeDeletedByClusterAutoscaler"
"""Key of the taint of a node that is about to be taken away."""

Answer = tuple[int, str]
"""HTTP status and a JSON body."""

_NEVER: Final = "0001-01-01 00:00:00 +0000 UTC"


class Health:
    """Keeps account of changes that wait and of those in force.

    Args:
        clock: time.
        sync_period: seconds; a change that waits twice as long is a failure.
    """

    def __init__(self, clock: Clock, sync_period: float) -> None:
        self._clock = clock
        self._limit = 2 * sync_period
        self._waiting: float | None = None
        self._updated: datetime | None = None
        self.checks: tuple[HealthCheck, ...] = ()
        self.node_eligible = True

    def queued(self) -> None:
        """A change waits."""
        if self._waiting is None:
            self._waiting = self._clock.monotonic()

    def updated(self, decision: Decision) -> None:
        """Everything that waited is in force."""
        self._waiting = None
        self._updated = self._clock.now()
        self.checks = decision.checks

    @property
    def healthy(self) -> bool:
        """Whether the proxy keeps up."""
        if self._updated is None:
            return False
        return self._waiting is None or self._clock.monotonic() - self._waiting < self._limit

    def node_changed(self, before: Object | None, after: Object | None) -> None:
        """The handler of an informer of the node: one that is leaving gets no new connections from outside."""
        node = after or before
        self.node_eligible = node is None or is_eligible(node)

    def healthz(self) -> Answer:
        """What `/healthz` answers: 200 where the proxy keeps up and its node stays."""
        return (200 if self.healthy and self.node_eligible else 503), self._told()

    def livez(self) -> Answer:
        """What `/livez` answers: whether the proxy keeps up; that its node leaves is no fault of the proxy."""
        return (200 if self.healthy else 503), self._told()

    def _told(self) -> str:
        """Details; a proxy that keeps up is up to date now, whenever something last changed."""
        now = self._clock.now()
        body = {
            "lastUpdated": _go_time(now if self.healthy else self._updated),
            "currentTime": _go_time(now),
            "nodeEligible": self.node_eligible,
        }
        return json.dumps(body)

    def check(self, port: int) -> Answer:
        """What a load balancer hears on a Service's own port: 503 where the node has no endpoint of it."""
        found = next((each for each in self.checks if each.port == port), None)
        if found is None:
            return 404, "{}"
        body = {
            "service": {"namespace": found.namespace, "name": found.name},
            "localEndpoints": found.local,
            "serviceProxyHealthy": self.healthy,
        }
        return (200 if found.local and self.healthy else 503), json.dumps(body)


def is_eligible(node: Object) -> bool:
    """Whether a node may get connections from load balancers: it is not being deleted, nor about to be."""
    taints = node["spec"].get("taints") or ()
    return "deletionTimestamp" not in node["metadata"] and all(taint["key"] != LEAVING for taint in taints)


def _go_time(moment: datetime | None) -> str:
    """A time as Go prints it."""
    if moment is None:
        return _NEVER
    fraction = f".{moment.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"
