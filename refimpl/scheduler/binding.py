"""Binding: tells the API where a pod goes, and finds out what became of it when the answer is not clear.

Source: kube-scheduler 1.36 `plugins/defaultbinder`, `handleBindingCycleError`.
"""

from __future__ import annotations

import logging
from typing import Final

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import PODS
from refimpl.client.client import Client
from refimpl.client.transport import Unreachable
from refimpl.clock import Clock
from refimpl.scheduler.podinfo import PodInfo

log = logging.getLogger(__name__)

_ASK_AGAIN: Final = 1.0


class Binder:
    """Binds pods to nodes.

    Args:
        client: the API.
        clock: for waiting while the API is away.
    """

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def bind(self, pod: PodInfo, node: str) -> str:
        """Binds a pod; empty when it is bound there, else why it is not.

        Without an answer, or after a refusal, the pod itself is asked: it may be bound all the same, and as long as
        that is unknown its room must not be given away. So this may take as long as the API is unreachable.
        """
        try:
            await self._client.create(
                PODS, binding(pod, node), namespace=pod.namespace, name=pod.name, subresource="binding"
            )
        except (ApiError, Unreachable) as error:
            log.info("binding %s/%s to %s: %s", pod.namespace, pod.name, node, error)
            return "" if await self._node_of(pod) == node else str(error)
        return ""

    async def _node_of(self, pod: PodInfo) -> str:
        """The node the pod is bound to as the API says; empty when it is bound to none, or gone."""
        while True:
            try:
                found = await self._client.get(PODS, pod.name, namespace=pod.namespace)
            except ApiError as error:
                if error.code == 404:
                    return ""
                log.info("looking after %s/%s: %s", pod.namespace, pod.name, error)
            except Unreachable as error:
                log.info("looking after %s/%s: %s", pod.namespace, pod.name, error)
            else:
                return (found["spec"].get("nodeName") or "") if found["metadata"]["uid"] == pod.uid else ""
            await self._clock.sleep(_ASK_AGAIN)


def binding(pod: PodInfo, node: str) -> Object:
    """The body of POST pods/binding; the uid keeps it from reaching a later pod of the same name."""
    return {
        "kind": "Binding",
        "apiVersion": "v1",
        "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
        "target": {"kind": "Node", "name": node},
    }
