"""The pod garbage collector: a pass over all pods every 20 seconds."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import attrs

from refimpl.api import meta
from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import NODES, PODS
from refimpl.client.parallel import in_parallel
from refimpl.client.transport import Unreachable
from refimpl.controllers.disruption_target import disruption_target
from refimpl.controllers.pod_gc import decisions
from refimpl.controllers.pod_gc.config import CHECK_PERIOD, QUARANTINE, PodGCConfig
from refimpl.controllers.pod_gc.quarantine import Quarantine
from refimpl.controllers.runner import ControllerContext

log = logging.getLogger(__name__)


@attrs.frozen
class Reason:
    """What the DisruptionTarget condition says."""

    reason: str
    message: str


ORPHANED = Reason("DeletionByPodGC", "PodGC: node no longer exists")


class PodGCController:
    """Removes pods that have no node, that never had one, or whose node was written off.

    Args:
        context: shared by all controllers.
        config: the threshold of finished pods.
    """

    name = "pod-garbage-collector-controller"

    def __init__(self, context: ControllerContext, config: PodGCConfig | None = None) -> None:
        self._config = config or PodGCConfig()
        self._client = context.client
        self._clock = context.clock
        self._nodes = context.informers.informer(NODES)
        self._pods = context.informers.informer(PODS)
        self._quarantine = Quarantine(QUARANTINE)

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            await self.collect()
            await self._clock.sleep(CHECK_PERIOD)

    async def collect(self) -> None:
        """One pass over all pods."""
        pods = list[Object](self._pods.list())
        await self._remove(decisions.surplus_finished(pods, self._config.terminated_pod_gc_threshold))
        await self._remove(decisions.on_out_of_service_nodes(pods, self._nodes.get))
        gone = await self.gone_nodes(pods)
        if gone:
            await self._remove(decisions.orphans(pods, gone), ORPHANED)
        await self._remove(decisions.unbound_terminating(pods))

    async def gone_nodes(self, pods: Iterable[Object]) -> list[str]:
        """Names of nodes that pods are bound to, whose quarantine is over, and that do not exist: the API was asked."""
        now = self._clock.monotonic()
        for name in decisions.missing_nodes(pods, self._is_cached):
            self._quarantine.put(name, now)
        suspects = self._quarantine.release(now)
        return [name for name in suspects if not self._is_cached(name) and await self._is_gone(name)]

    def _is_cached(self, name: str) -> bool:
        return self._nodes.get(name) is not None

    async def _is_gone(self, name: str) -> bool:
        try:
            await self._client.get(NODES, name)
        except ApiError as error:
            if error.code == 404:
                return True
            log.warning("node %s could not be read: %s", name, error)
        except Unreachable as error:
            log.warning("node %s could not be read: %s", name, error)
        return False

    async def _remove(self, pods: list[Object], why: Reason | None = None) -> None:
        async def remove(pod: Object) -> None:
            try:
                await self.fail_and_delete(pod, why)
            except (ApiError, Unreachable) as error:
                log.info("pod %s was not removed: %s", meta.key(pod), error)

        await in_parallel(pods, remove)

    async def fail_and_delete(self, pod: Object, why: Reason | None) -> None:
        """Marks an unfinished pod as failed, as nobody else will, and deletes it without grace.

        Raises:
            ApiError: 404 when it is gone, 409 when it was replaced.
            Unreachable: no answer.
        """
        namespace, name = meta.namespace(pod), meta.name(pod)
        if decisions.phase_of(pod) not in decisions.FINISHED:
            status: Object = {"phase": "Failed"}
            condition = why and disruption_target(pod, why.reason, why.message, self._clock.timestamp())
            if condition:
                status["conditions"] = [condition]
            patch = {"metadata": {"uid": meta.uid(pod)}, "status": status}
            await self._client.patch(PODS, name, patch, namespace=namespace, subresource="status")
        await self._client.delete(PODS, name, namespace=namespace, grace_period=0)
