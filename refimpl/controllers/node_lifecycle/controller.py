"""The loops of the node lifecycle controller.

Source: kube-controller-manager 1.36 `node_lifecycle_controller.Run`.
"""

from __future__ import annotations

import asyncio
import logging

from refimpl.api import meta
from refimpl.api.errors import ApiError, Object, conflict
from refimpl.api.resources import LEASES, NODES, PODS
from refimpl.client.informer import Key
from refimpl.client.transport import Unreachable
from refimpl.client.workqueue import WorkQueue, work
from refimpl.controllers.node_index import BY_NODE, bound_anew, by_node, node_name_of
from refimpl.controllers.node_lifecycle import labels, taints
from refimpl.controllers.node_lifecycle.config import NodeLifecycleConfig
from refimpl.controllers.node_lifecycle.health import holds
from refimpl.controllers.node_lifecycle.monitor import NodeMonitor
from refimpl.controllers.node_lifecycle.writer import NodeWriter
from refimpl.controllers.runner import ControllerContext

log = logging.getLogger(__name__)

TAINT_TICK = 0.1
"""Seconds between looks at the queues of nodes that wait for their NoExecute taint."""

NODE_WORKERS = 8
POD_WORKERS = 4


class NodeLifecycleController:
    """Turns silence into NotReady, conditions into taints.

    Args:
        context: shared by all controllers.
        config: periods, rates, thresholds.
    """

    name = "node-lifecycle-controller"

    def __init__(self, context: ControllerContext, config: NodeLifecycleConfig | None = None) -> None:
        self._config = config or NodeLifecycleConfig()
        self._clock = context.clock
        self._nodes = context.informers.informer(NODES)
        self._pods = context.informers.informer(PODS, {BY_NODE: by_node})
        recorder = context.recorder("node-controller")
        self._writer = NodeWriter(context.client, context.clock, recorder)
        leases = context.informers.informer(LEASES)
        self.monitor = NodeMonitor(self._config, context.clock, self._nodes, leases, self._pods, self._writer, recorder)
        self._changed_nodes: WorkQueue[str] = WorkQueue(context.clock)
        self._bound_pods: WorkQueue[Key] = WorkQueue(context.clock)
        self._nodes.add_handler(self._node_changed)
        self._pods.add_handler(self._pod_changed)

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(NODE_WORKERS):
                group.create_task(work(self._changed_nodes, self._reconcile_node, name="node"))
            for _ in range(POD_WORKERS):
                group.create_task(work(self._bound_pods, self._reconcile_pod, name="pod on node"))
            group.create_task(self._taint_for_ever(), name="NoExecute taints")
            group.create_task(self._monitor_for_ever(), name="node monitor")

    async def _monitor_for_ever(self) -> None:
        while True:
            await self.monitor.look()
            await self._clock.sleep(self._config.node_monitor_period)

    async def _taint_for_ever(self) -> None:
        while True:
            if not self.monitor.anybody_waits.is_set():
                # Not in the very moments in which the monitor looks, which is what sets this: what is written here must
                # be in its cache by then.
                await self.monitor.anybody_waits.wait()
                await self._clock.sleep(TAINT_TICK / 2)
            await self._clock.sleep(TAINT_TICK)
            await self.monitor.taint_waiting()

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            if old is not None:
                self.monitor.memory.pods_to_retry.discard(meta.name(old))
        elif taints.no_schedule_change(new) or labels.label_changes(new):
            self._changed_nodes.add(meta.name(new))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for key in bound_anew(old, new):
            self._bound_pods.add(key)

    async def _reconcile_node(self, name: str) -> None:
        """Brings NoSchedule taints and beta labels in line; a failure waits for the next change of the node."""
        node = self._nodes.get(name)
        if node is None:
            return
        change = taints.no_schedule_change(node)
        if change:
            await self._writer.swap_taints(node, change)
        wanted = labels.label_changes(node)
        if wanted:
            try:
                await self._writer.write_labels(name, wanted)
            except (ApiError, Unreachable) as error:
                log.warning("node %s: labels were not written: %s", name, error)

    async def _reconcile_pod(self, key: Key) -> None:
        """A pod bound to a node that is not ready is marked not ready itself, once.

        Raises:
            ApiError: the node is not in the cache yet, or the pod could not be written; the caller tries again.
        """
        namespace, name = key
        pod = self._pods.get(name, namespace)
        if pod is None:
            return
        known = self.monitor.memory.health.get(node_name_of(pod))
        if known is None or known.ready is None or holds(known.ready):
            return
        if self._nodes.get(node_name_of(pod)) is None or not await self._writer.mark_pods_not_ready([pod]):
            raise conflict(PODS, name)
