"""The taint eviction controller: watches taints and tolerations, runs the timers, deletes the pods."""

from __future__ import annotations

import asyncio
import logging

from refimpl.api import meta
from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import NODES, PODS
from refimpl.api.taints import Taint, tolerations_of
from refimpl.client.informer import Key, key_of
from refimpl.client.transport import Unreachable
from refimpl.controllers.disruption_target import disruption_target
from refimpl.controllers.node_index import BY_NODE, by_node, node_name_of, pods_on
from refimpl.controllers.runner import ControllerContext
from refimpl.controllers.taint_eviction.decisions import Stay, judge, no_execute_taints
from refimpl.controllers.taint_eviction.timers import EvictionTimers

log = logging.getLogger(__name__)

_ATTEMPTS = 5
_ATTEMPT_PAUSE = 0.01


class TaintEvictionController:
    """Deletes pods that their node's NoExecute taints drive away.

    A time that runs is never changed: tolerations and taints may come and go, it ends when it was going to end, or is
    cancelled because the last taint went or the rest is tolerated for ever.

    Args:
        context: shared by all controllers.
    """

    name = "taint-eviction-controller"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._recorder = context.recorder(self.name)
        self._nodes = context.informers.informer(NODES)
        self._pods = context.informers.informer(PODS, {BY_NODE: by_node})
        self._tainted: dict[str, tuple[Taint, ...]] = {}
        self._group: asyncio.TaskGroup | None = None
        self.timers = EvictionTimers(self._time_is_up)
        self._nodes.add_handler(self._node_changed)
        self._pods.add_handler(self._pod_changed)

    async def run(self) -> None:
        """Works until cancelled; all times start anew with it."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for node in list(self._nodes.list()):
                    self._node_changed(None, node)
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None
            self.timers.cancel_all()

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if self._group is None:
            return
        if new is None:
            if old is not None:
                self._tainted.pop(meta.name(old), None)
            return
        taints = no_execute_taints(new)
        if old is None or taints != no_execute_taints(old):
            self._taints_changed(meta.name(new), taints)

    def _taints_changed(self, node: str, taints: tuple[Taint, ...]) -> None:
        if taints:
            self._tainted[node] = taints
        else:
            self._tainted.pop(node, None)
        for pod in pods_on(self._pods, node):
            if taints:
                self._weigh(pod, taints)
            else:
                self._cancel(key_of(pod))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if self._group is None:
            return
        if new is None:
            if old is not None:
                self._cancel(key_of(old))
        elif old is None or concerns_eviction(old, new):
            taints = self._tainted.get(node_name_of(new))
            if taints:
                self._weigh(new, taints)

    def _weigh(self, pod: Object, taints: tuple[Taint, ...]) -> None:
        key = key_of(pod)
        verdict = judge(taints, tolerations_of(pod))
        match verdict.stay:
            case Stay.NOT_AT_ALL:
                self._cancel(key)
                self.timers.start(key, 0)
            case Stay.FOREVER:
                self._cancel(key)
            case Stay.FOR_A_TIME if not self.timers.is_running(key):
                self.timers.start(key, verdict.seconds)

    def _cancel(self, key: Key) -> None:
        if self.timers.cancel(key):
            self._record(key, "Cancelling deletion of Pod {}/{}")

    def _time_is_up(self, key: Key) -> None:
        assert self._group is not None
        self._group.create_task(self._evict(key), name=f"evict {key[0]}/{key[1]}")

    async def _evict(self, key: Key) -> None:
        self._record(key, "Marking for deletion Pod {}/{}")
        for _ in range(_ATTEMPTS):
            try:
                await self.mark_and_delete(*key)
            except (ApiError, Unreachable) as error:
                log.info("pod %s/%s was not evicted: %s", *key, error)
                await self._clock.sleep(_ATTEMPT_PAUSE)
            else:
                return
        self.timers.cancel(key)

    async def mark_and_delete(self, namespace: str, name: str) -> None:
        """Tells the pod why it goes, then deletes it with its own grace period.

        Raises:
            ApiError: 404 when it is gone, 409 when it was replaced.
            Unreachable: no answer.
        """
        pod = await self._client.get(PODS, name, namespace=namespace)
        condition = disruption_target(
            pod, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint", self._clock.timestamp()
        )
        if condition is not None:
            patch = {"metadata": {"uid": meta.uid(pod)}, "status": {"conditions": [condition]}}
            await self._client.patch(PODS, name, patch, namespace=namespace, subresource="status")
        await self._client.delete(PODS, name, namespace=namespace)

    def _record(self, key: Key, message: str) -> None:
        namespace, name = key
        reference = {"kind": "Pod", "apiVersion": "v1", "namespace": namespace, "name": name}
        self._recorder.event(reference, "Normal", "TaintManagerEviction", message.format(namespace, name))


def concerns_eviction(old: Object, new: Object) -> bool:
    """Whether a pod's change can change its fate: only its node and its tolerations can."""
    return node_name_of(old) != node_name_of(new) or tolerations_of(old) != tolerations_of(new)
