"""The requests the node lifecycle controller makes, each leaving alone what is not the controller's.

Source: kube-controller-manager 1.36 `controller_utils` (`PatchNodeTaints`, `SwapNodeControllerTaint`,
`MarkPodsNotReady`, `AddOrUpdateLabelsOnNode`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import attrs

from refimpl.api import meta
from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import NODES, PODS
from refimpl.api.taints import Taint, same_taint, taints_of
from refimpl.client.client import Client
from refimpl.client.events import EventRecorder
from refimpl.client.retry import retry_on_conflict
from refimpl.client.transport import Unreachable
from refimpl.clock import Clock
from refimpl.controllers.node_lifecycle.taints import TaintChange

log = logging.getLogger(__name__)

_Change = Callable[[list[Taint]], list[Taint]]


@attrs.frozen
class NodeWriter:
    """Writes nodes and their pods.

    Args:
        client: the API.
        clock: for stamps and pauses.
        recorder: events about pods that are marked not ready.
    """

    client: Client
    clock: Clock
    recorder: EventRecorder

    async def write_conditions(self, node: Object, conditions: list[Object]) -> Object:
        """Replaces the status of a node, provided that it did not change since it was read; answers the new node.

        Raises:
            ApiError: 409 when it changed.
            Unreachable: no answer.
        """
        status = {**(node.get("status") or {}), "conditions": conditions}
        return await self.client.update(NODES, {**node, "status": status}, subresource="status")

    async def swap_taints(self, node: Object, change: TaintChange) -> bool:
        """Adds, then removes taints; True when both succeeded.

        Args:
            node: the node as cached; what it lacks according to the cache is not removed.
            change: what to add (stamped with now) and to remove.
        """
        name = meta.name(node)
        try:
            await self.add_taints(name, change.add)
            await self.remove_taints(node, change.remove)
        except (ApiError, Unreachable) as error:
            log.warning("node %s: taints were not changed: %s", name, error)
            return False
        return True

    async def add_taints(self, name: str, taints: Sequence[Taint]) -> None:
        """Adds taints, or writes them anew, with `timeAdded` now."""
        if taints:
            stamp = self.clock.timestamp()
            stamped = [{**taint, "timeAdded": stamp} for taint in taints]
            await self._change_taints(name, lambda present: with_taints(present, stamped))

    async def remove_taints(self, node: Object, taints: Sequence[Taint]) -> None:
        """Removes taints; no request is made when the cached node has none of them."""
        if any(same_taint(taint, present) for present in taints_of(node) for taint in taints):
            await self._change_taints(meta.name(node), lambda present: without_taints(present, taints))

    async def write_labels(self, name: str, labels: dict[str, str]) -> None:
        """Sets labels, leaving others alone."""
        await self.client.patch(NODES, name, {"metadata": {"labels": labels}})

    async def mark_pods_not_ready(self, pods: Iterable[Object]) -> bool:
        """Sets Ready=False on pods that have another Ready condition; True unless a write failed."""
        succeeded = True
        for pod in pods:
            status = not_ready_status(pod, self.clock.timestamp())
            if status is not None:
                succeeded &= await self._write_pod(pod, status)
        return succeeded

    async def _write_pod(self, pod: Object, status: Object) -> bool:
        try:
            await self.client.update(PODS, {**pod, "status": status}, subresource="status")
        except (ApiError, Unreachable) as error:
            if isinstance(error, ApiError) and error.code == 404:
                return True
            log.info("pod %s was not marked not ready: %s", meta.key(pod), error)
            return False
        self.recorder.event(pod, "Warning", "NodeNotReady", "Node is not ready")
        return True

    async def _change_taints(self, name: str, change: _Change) -> None:
        async def attempt() -> None:
            node = await self.client.get(NODES, name)
            present = list(taints_of(node))
            wanted = change(present)
            if wanted != present:
                await self.client.patch(NODES, name, taints_patch(node, wanted))

        await retry_on_conflict(attempt, self.clock)


def taints_patch(node: Object, taints: list[Taint]) -> Object:
    """A strategic merge patch that replaces the taints, and fails when the node changed since it was read."""
    return {
        "metadata": {"resourceVersion": node["metadata"]["resourceVersion"]},
        "spec": {"taints": taints or None},
    }


def with_taints(present: list[Taint], added: Iterable[Taint]) -> list[Taint]:
    """The taints with others added; one of the same key and effect is replaced where it stands."""
    wanted = list(present)
    for taint in added:
        place = next((i for i, other in enumerate(wanted) if same_taint(taint, other)), None)
        if place is None:
            wanted.append(taint)
        else:
            wanted[place] = taint
    return wanted


def without_taints(present: list[Taint], removed: Sequence[Taint]) -> list[Taint]:
    """The taints without others."""
    return [taint for taint in present if not any(same_taint(taint, other) for other in removed)]


def not_ready_status(pod: Object, stamp: str) -> Object | None:
    """The pod's status with Ready=False; None when it has no Ready condition or it is False already.

    Only the condition's status and transition time change: why the pod was what it was is the kubelet's to say.
    """
    conditions = meta.conditions(pod)
    for place, condition in enumerate(conditions):
        if condition["type"] == "Ready":
            if condition["status"] == "False":
                return None
            changed = list(conditions)
            changed[place] = {**condition, "status": "False", "lastTransitionTime": stamp}
            return {**pod["status"], "conditions": changed}
    return None
