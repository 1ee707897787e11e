"""The status heartbeat: looks at the node every U seconds, writes when something changed or R seconds have passed.

Source: kubelet 1.36 `syncNodeStatus`, `updateNodeStatus`, `calculateDelay`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from refimpl.api.errors import ApiError, Object, not_found
from refimpl.api.resources import NODES
from refimpl.client.client import STRATEGIC
from refimpl.client.transport import Unreachable
from refimpl.clock import Clock
from refimpl.kubelet.era import Era
from refimpl.kubelet.node import nodestatus, registration
from refimpl.kubelet.node.heartbeatclient import HeartbeatClient
from refimpl.kubelet.node.nodestatus import Identity, NodeEvent, SelfView

log = logging.getLogger(__name__)

RETRIES: Final = 5
_RUNNING_LABELS: Final = ("kubernetes.io/os", "kubernetes.io/arch")


def should_write(*, changed: bool, since_report: float | None, interval: float, era: Era) -> bool:
    """Whether a tick writes.

    Args:
        changed: whether the status says something else than the Node does.
        since_report: seconds since the last write; None before the first one.
        interval: seconds after which an unchanged status is written again.
        era: up to 1.13 every tick wrote.
    """
    return changed or since_report is None or since_report >= interval or era.writes_every_tick


def report_interval(frequency: float, *, spread: bool, drawn: float) -> float:
    """Seconds from one write to the next of an unchanged status.

    Args:
        frequency: R.
        spread: whether this interval is one that is drawn, so that a thousand nodes that changed together do not report
            together for ever.
        drawn: a number from 0 to 1.
    """
    return frequency * (0.5 + drawn) if spread else frequency


class StatusReporter:
    """Keeps the Node's status true.

    Args:
        client: the API.
        clock: time and randomness.
        identity: who this kubelet is.
        view: what it knows about itself, asked at every tick.
        cached: the Node as the informer has it.
        record: records events.
    """

    def __init__(
        self,
        client: HeartbeatClient,
        clock: Clock,
        identity: Identity,
        *,
        view: Callable[[], SelfView],
        cached: Callable[[], Object | None],
        record: Callable[[NodeEvent], None],
    ) -> None:
        self._client = client
        self._clock = clock
        self._identity = identity
        self._view = view
        self._cached = cached
        self._record = record
        self._reported_at: float | None = None
        self._interval = identity.config.node_status_report_frequency
        self._pod_cidrs: list[str] | None = None
        self._unschedulable = False
        self._settled: tuple[Object, SelfView] | None = None
        self._path = NODES.path(name=identity.name)

    async def run(self) -> None:
        """Ticks until cancelled; the first tick is one period from now."""
        config = self._identity.config
        while True:
            await self._clock.sleep(self._clock.jitter(config.node_status_update_frequency, config.rules.tick_jitter))
            await self.tick()

    async def tick(self) -> None:
        """One look at the node: at most five tries to bring its status up to date."""
        for attempt in range(RETRIES):
            try:
                await self.update(attempt)
            except (ApiError, Unreachable) as error:
                log.info("%s: status not updated: %s", self._identity.name, error)
            else:
                return
            if attempt > 0:
                await self._client.repeated_failure()
        log.warning("%s: status not updated in %d tries; next tick tries again", self._identity.name, RETRIES)

    async def update(self, attempt: int) -> None:
        """One try: read the Node, compute its status, write it if that is due.

        Raises:
            ApiError: the master refused, or the Node does not exist.
            Unreachable: the master did not answer.
        """
        node = await self.read(attempt)
        view = self._view()
        cidr_changed = self._consume_pod_cidr(node)
        self._note_schedulable(node)
        changed = cidr_changed or self._differs(node, view)
        now = self._clock.monotonic()
        since = None if self._reported_at is None else now - self._reported_at
        if not should_write(changed=changed, since_report=since, interval=self._interval, era=self._era):
            return
        new, events = self._updated(node, view)
        await self.write(node, new)
        first = self._reported_at is None
        self._reported_at = now
        self._interval = report_interval(
            self._identity.config.node_status_report_frequency,
            spread=self._era.jitters_report and (changed or first),
            drawn=self._clock.random.random(),
        )
        for event in events:
            self._record(event)

    async def read(self, attempt: int) -> Object:
        """The Node to start from: first the nearest copy, after a failure the master's own."""
        if attempt == 0 and self._era.reads_from_informer:
            cached = self._cached()
            if cached is not None:
                return cached
        if self._era.lists_node and not attempt:
            return await self._listed()
        query = {} if attempt or self._era.reads_from_informer else {"resourceVersion": "0"}
        return await self._client.request("GET", self._path, query=query)

    async def _listed(self) -> Object:
        """The Node as the only one of its name."""
        query = {"fieldSelector": f"metadata.name={self._identity.name}", "resourceVersion": "0"}
        found = await self._client.request("GET", NODES.path(), query=query)
        if not found["items"]:
            raise not_found(NODES, self._identity.name)
        return {"kind": "Node", "apiVersion": "v1", **found["items"][0]}

    async def write(self, old: Object, new: Object) -> None:
        """Writes the status: a strategic merge patch, up to 1.5 a PUT of the whole object."""
        if self._era.patches_status:
            await self._client.request(
                "PATCH", f"{self._path}/status", registration.node_patch(old, new), content_type=STRATEGIC
            )
        else:
            await self._client.request("PUT", f"{self._path}/status", new)

    def _updated(self, node: Object, view: SelfView) -> tuple[Object, list[NodeEvent]]:
        new, events = nodestatus.with_status(node, self._identity, view, self._clock.timestamp())
        if self._era.repairs_running_labels:
            host = self._identity.host
            wanted = {"kubernetes.io/os": host.operating_system, "kubernetes.io/arch": host.architecture}
            new["metadata"] = dict(new["metadata"])
            registration.restore_labels(new["metadata"], wanted, _RUNNING_LABELS)
        return new, events

    def _differs(self, node: Object, view: SelfView) -> bool:
        """Whether the Node does not say what the kubelet knows; remembers the last pair that agreed."""
        if self._settled is not None and self._settled[0] is node and self._settled[1] == view:
            return False
        new, _ = self._updated(node, view)
        if new["metadata"] != node["metadata"] or nodestatus.status_changed(node.get("status") or {}, new["status"]):
            return True
        self._settled = (node, view)
        return False

    def _consume_pod_cidr(self, node: Object) -> bool:
        """Takes note of the addresses the master gave to this node's pods; True when they are new."""
        found = node["spec"].get("podCIDRs")
        if not found or found == self._pod_cidrs:
            return False
        self._pod_cidrs = found
        return True

    def _note_schedulable(self, node: Object) -> None:
        unschedulable = bool(node["spec"].get("unschedulable"))
        if unschedulable != self._unschedulable:
            self._unschedulable = unschedulable
            reason = "NodeNotSchedulable" if unschedulable else "NodeSchedulable"
            self._record(NodeEvent("Normal", reason, f"Node {self._identity.name} status is now: {reason}"))

    @property
    def _era(self) -> Era:
        return self._identity.config.rules
