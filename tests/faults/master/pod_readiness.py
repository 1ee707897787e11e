"""Faults in what becomes of the pods and Services of a silent node."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from refimpl.api import meta
from refimpl.api.errors import ApiError
from refimpl.api.resources import PODS
from refimpl.clock import Clock
from refimpl.controllers.endpoints import backends, subsets
from refimpl.controllers.endpointslice import endpoint
from refimpl.controllers.node_index import pods_on
from refimpl.controllers.node_lifecycle import monitor, writer
from refimpl.controllers.node_lifecycle.controller import NodeLifecycleController
from refimpl.controllers.node_lifecycle.monitor import NodeMonitor
from refimpl.controllers.node_lifecycle.writer import NodeWriter
from refimpl.controllers.workloads import pods
from tests.faults.harness import Fault, replaced

Object = dict[str, Any]

_not_ready_status = writer.not_ready_status
_look = NodeMonitor.look
_belongs = backends.belongs
_conditions = endpoint.conditions


# How a pod is marked


def _not_at_all(_pod, _stamp):
    return None


def _with(status=(), condition=(), others=None):
    """Marks as it should, and writes further fields: into the status, the Ready condition, another condition."""

    def mark(pod, stamp):
        marked = _not_ready_status(pod, stamp)
        if marked is None:
            return None
        changed = [
            {**one, **dict(condition)} if one["type"] == "Ready" else {**one, **(others or {}).get(one["type"], {})}
            for one in marked["conditions"]
        ]
        return {**marked, **dict(status), "conditions": changed}

    return mark


def _without_a_time(pod, stamp):
    marked = _not_ready_status(pod, stamp)
    since = (meta.condition(pod, "Ready") or {}).get("lastTransitionTime")
    if marked is None:
        return None
    kept = [{**one, "lastTransitionTime": since} if one["type"] == "Ready" else one for one in marked["conditions"]]
    return {**marked, "conditions": kept}


def _also_where_nothing_was_said(pod, stamp):
    if meta.condition(pod, "Ready") is not None:
        return _not_ready_status(pod, stamp)
    added = {"type": "Ready", "status": "False", "lastTransitionTime": stamp}
    return {**(pod.get("status") or {}), "conditions": [*meta.conditions(pod), added]}


def _all_pods(informer, _node):
    return list(informer.list())


async def _with_no_event(self, pod, status):
    try:
        await self.client.update(PODS, {**pod, "status": status}, subresource="status")
    except ApiError:
        return False
    return True


async def _much_later(self, node, assessment):
    if assessment.turned_not_ready:
        clock: Clock = self.clock

        async def later():
            await clock.sleep(12)
            await self.writer.mark_pods_not_ready(pods_on(self.pods, meta.name(node)))

        self.__class__.LATER = asyncio.create_task(later())
    return True


# What else is done to pods in every pass


def _pass_with(marks):
    """A pass after which `marks(ready)` tells what is done to the pods of nodes whose Ready is so."""

    async def look(self):
        await _look(self)
        for node in list(self.nodes.list()):
            ready = (meta.condition(node, "Ready") or {}).get("status")
            present = pods_on(self.pods, meta.name(node))
            if marks.get(ready) == "False":
                await self.writer.mark_pods_not_ready(present)
            elif marks.get(ready) == "True":
                for pod in present:
                    await _make_ready(self.writer, pod)

    return look


async def _make_ready(self, pod):
    if (meta.condition(pod, "Ready") or {}).get("status") == "False":
        body = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        name, namespace = meta.name(pod), meta.namespace(pod)
        await self.client.patch(PODS, name, body, namespace=namespace, subresource="status")


async def _nothing_at_binding(_self, _key):
    return None


# What Services publish


def _everything_is_ready(_service, _pod):
    return True


def _only_ready_pods(pod, *, terminating):
    return _belongs(pod, terminating=terminating) and pods.is_ready(pod)


def _terminating_pods_too(pod, *, terminating):
    return _belongs(pod, terminating=True)


def _no_terminating_pods(pod, *, terminating):
    return _belongs(pod, terminating=False)


def _nobody_publishes_all(_service):
    return False


class _Once:
    """A pod that was not ready once is never ready again."""

    def __init__(self) -> None:
        self.lost: set[str] = set()

    def __call__(self, service: Object, pod: Object) -> bool:
        if meta.is_terminating(pod) or not meta.condition(pod, "Ready"):
            return False
        if not pods.is_ready(pod):
            self.lost.add(meta.uid(pod))
        return meta.uid(pod) not in self.lost


def _never_ready_again():
    once = _Once()
    return replaced(subsets, "counts_as_ready", once)()


def _slice(**fixed: bool | None):
    """Conditions of an endpoint with some of them always the same; None leaves one out."""

    def conditions(service: Object, pod: Object) -> Mapping[str, bool]:
        merged = {**_conditions(service, pod), **fixed}
        return {kind: status for kind, status in merged.items() if status is not None}

    return replaced(endpoint, "conditions", conditions)


def _serving_is_ready(service, pod):
    found = _conditions(service, pod)
    return {**found, "serving": found["ready"]}


def _ready_while_terminating(_service, pod):
    return pods.is_ready(pod)


def _marking(by):
    return replaced(writer, "not_ready_status", by)


FAULTS = (
    Fault("pods of a silent node stay ready", ("M-RDY-01",), _marking(_not_at_all), 28),
    Fault("pods are marked unknown", ("M-RDY-01",), _marking(_with(condition={"status": "Unknown"}))),
    Fault("marking gives a reason", ("M-RDY-01",), _marking(_with(condition={"reason": "NodeLost"}))),
    Fault("marking gives a message", ("M-RDY-01",), _marking(_with(condition={"message": "Node is not ready"}))),
    Fault("marking leaves the transition time", ("M-RDY-01",), _marking(_without_a_time)),
    Fault("marking changes the phase", ("M-RDY-01",), _marking(_with(status={"phase": "Unknown"}))),
    Fault("marking gives the status a reason", ("M-RDY-01",), _marking(_with(status={"reason": "NodeLost"}))),
    Fault("marking takes the address", ("M-RDY-01",), _marking(_with(status={"podIP": None, "podIPs": None}))),
    Fault(
        "containers are marked as well",
        ("M-RDY-01",),
        _marking(_with(others={"ContainersReady": {"status": "False"}})),
    ),
    Fault(
        "marking is not told", ("M-RDY-01",), replaced(NodeWriter, "_write_pod", _with_no_event), warns=("M-RDY-01",)
    ),
    Fault("pods are marked late", ("M-RDY-01",), replaced(NodeMonitor, "_update_pods", _much_later)),
    Fault("pods of all nodes are marked", ("M-RDY-02",), replaced(monitor, "pods_on", _all_pods), 29),
    Fault("pods that said nothing are marked", ("M-RDY-02",), _marking(_also_where_nothing_was_said)),
    Fault(
        "pods of a node that says it is not ready are marked",
        ("M-RDY-02",),
        replaced(NodeMonitor, "look", _pass_with({"False": "False"})),
        warns=("M-RDY-02",),
    ),
    Fault(
        "recovery of the node makes its pods ready",
        ("M-RDY-03",),
        replaced(NodeMonitor, "look", _pass_with({"True": "True"})),
        30,
    ),
    Fault(
        "pods of lost nodes are marked in every pass",
        ("M-RDY-07",),
        replaced(NodeMonitor, "look", _pass_with({"Unknown": "False"})),
    ),
    Fault(
        "a late pod is not marked",
        ("M-RDY-07",),
        replaced(NodeLifecycleController, "_reconcile_pod", _nothing_at_binding),
    ),
    Fault(
        "pods that are not ready stay among the addresses",
        ("M-RDY-04",),
        replaced(subsets, "counts_as_ready", _everything_is_ready),
        31,
    ),
    Fault(
        "pods that are not ready vanish", ("M-RDY-04", "M-RDY-05"), replaced(backends, "belongs", _only_ready_pods), 31
    ),
    Fault("pods that were not ready never come back", ("M-RDY-04",), _never_ready_again),
    Fault("terminating pods stay", ("M-RDY-04",), replaced(backends, "belongs", _terminating_pods_too)),
    Fault("slices drop terminating pods", ("M-RDY-05",), replaced(backends, "belongs", _no_terminating_pods)),
    Fault("nobody publishes all", ("M-RDY-04",), replaced(backends, "publishes_not_ready", _nobody_publishes_all)),
    Fault("slices say ready for ever", ("M-RDY-05",), _slice(ready=True)),
    Fault("slices say serving for ever", ("M-RDY-05",), _slice(serving=True)),
    Fault("slices never say terminating", ("M-RDY-05",), _slice(terminating=False)),
    Fault("slices do not know serving", ("M-RDY-05",), _slice(serving=None)),
    Fault("serving is ready in slices", ("M-RDY-05",), replaced(endpoint, "conditions", _serving_is_ready)),
    Fault(
        "slices call terminating pods ready", ("M-RDY-05",), replaced(endpoint, "is_ready", _ready_while_terminating)
    ),
)
