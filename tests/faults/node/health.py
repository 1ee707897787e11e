"""Faults in how an agent tells that its machine is not well, and in what it says of itself."""

from __future__ import annotations

import attrs

from refimpl.api.resources import NODES
from refimpl.kubelet import eviction
from refimpl.kubelet.node import conditions, nodestatus, selfcheck
from refimpl.kubelet.node.lease import LeaseController
from tests.faults.harness import Fault, replaced

_initial_taints = nodestatus.initial_taints
_initial_node = nodestatus.initial_node
_node_info = nodestatus.node_info
_pressure = conditions.pressure
_ready = conditions.ready
_self_check = conditions.self_check
_sync = LeaseController.sync


async def _only_while_ready(self):
    if self._latest is not None:
        node = await self._client.request("GET", NODES.path(name=self._name))
        if any(each["type"] == "Ready" and each["status"] != "True" for each in node["status"]["conditions"]):
            return
    await _sync(self)


def _not_ready_instead(pressures, errors, era):
    return _self_check((), [*errors, *(f"{each}" for each in pressures)], era)


def _not_ready_too(pressures, errors, era):
    return _self_check(pressures, [*errors, *(f"{each}" for each in pressures)], era)


def _other_words(kind, *, pressed):
    return attrs.evolve(_pressure(kind, pressed=pressed), reason="Kubelet" + kind)


def _other_reason(errors, era):
    finding = _ready(errors, era)
    return attrs.evolve(finding, reason="RuntimeDown") if errors else finding


def _never_ready(errors, era):
    return _ready([*errors, "still thinking"], era)


def _without_scheme(identity, view, known):
    info = _node_info(identity, view, known)
    return {**info, "containerRuntimeVersion": info["containerRuntimeVersion"].rpartition("/")[2]}


def _without_kernel(identity, view, known):
    return {**_node_info(identity, view, known), "kernelVersion": ""}


def _another_version(identity, view, known):
    return {**_node_info(identity, view, known), "kubeletVersion": "v1.0.0"}


def _with_a_proxy(identity, view, known):
    return {**_node_info(identity, view, known), "kubeProxyVersion": "v1.36.2"}


def _with_not_ready(config):
    return [*_initial_taints(config), {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]


def _without_annotations(identity, view, now):
    node, events = _initial_node(identity, view, now)
    return {**node, "metadata": {**node["metadata"], "annotations": {}}}, events


FAULTS = [
    Fault(
        "the lease is renewed only while the node is ready",
        ("N-LSE-10",),
        replaced(LeaseController, "sync", _only_while_ready),
        46,
    ),
    Fault(
        "pressure clears immediately",
        ("N-CND-09",),
        replaced(eviction, "pressure_holds", lambda last, now, period: now == last),
        30,
    ),
    Fault(
        "pressure never ends", ("N-CND-09",), replaced(eviction, "pressure_holds", lambda last, now, period: True), 30
    ),
    Fault("pressure is never told", ("N-CND-09",), replaced(eviction, "is_met", lambda *args, **more: False), 31),
    Fault(
        "pressure makes the node NotReady instead",
        ("N-CND-09",),
        replaced(conditions, "self_check", _not_ready_instead),
        31,
    ),
    Fault(
        "pressure makes the node NotReady too", ("N-CND-13",), replaced(conditions, "self_check", _not_ready_too), 31
    ),
    Fault("pressures have other reasons", ("N-CND-03",), replaced(conditions, "pressure", _other_words), 26),
    Fault("a lost runtime goes unnoticed", ("N-CND-04",), replaced(selfcheck, "RUNTIME_LIMIT", 1e9)),
    Fault("NotReady has another reason", ("N-CND-04",), replaced(conditions, "ready", _other_reason)),
    Fault("a new node never becomes ready", ("N-CND-12",), replaced(conditions, "ready", _never_ready)),
    Fault("the runtime's version has no scheme", ("N-INF-03",), replaced(nodestatus, "node_info", _without_scheme), 17),
    Fault("nodeInfo lacks the kernel", ("N-INF-01",), replaced(nodestatus, "node_info", _without_kernel)),
    Fault("nodeInfo tells another version", ("N-INF-02",), replaced(nodestatus, "node_info", _another_version)),
    Fault("nodeInfo tells a proxy's version", ("N-INF-04",), replaced(nodestatus, "node_info", _with_a_proxy)),
    Fault("the agent invents a taint", ("N-X-03",), replaced(nodestatus, "initial_taints", _with_not_ready)),
    Fault("the attach annotation is missing", ("N-X-06",), replaced(nodestatus, "initial_node", _without_annotations)),
]
