"""Faults in what becomes of the pods and Leases of nodes that are gone."""

from __future__ import annotations

from refimpl.api import meta
from refimpl.api.errors import bad_request
from refimpl.api.resources import LEASES, NODES, PODS
from refimpl.apiserver.verbs import create as creating
from refimpl.controllers.garbage import verdict
from refimpl.controllers.node_index import node_name_of
from refimpl.controllers.pod_gc import controller, decisions
from refimpl.controllers.pod_gc.controller import ORPHANED, PodGCController, Reason
from tests.faults.harness import Fault, replaced

_orphans = decisions.orphans
_prepare = creating.prepare
_collect = PodGCController.collect
_judge = verdict.judge


# Which pods are collected


def _only(chosen):
    return lambda pods, gone: [pod for pod in _orphans(pods, gone) if chosen(pod)]


def _never(_pod):
    return False


def _is_alive(pod):
    return not meta.is_terminating(pod)


def _is_unfinished(pod):
    return decisions.phase_of(pod) not in decisions.FINISHED


def _once_had_a_node(pod):
    return not node_name_of(pod).endswith("nowhere")


async def _all_suspects(self, pods):
    now = self._clock.monotonic()
    for name in decisions.missing_nodes(pods, self._is_cached):
        self._quarantine.put(name, now)
    return self._quarantine.release(now)


def _only_for_nodes_that_exist(ctx, call, obj):
    node = (obj.get("spec") or {}).get("nodeName")
    if call.target.resource is PODS and node and call.registry.entry(NODES, node, "") is None:
        raise bad_request(f"node {node} does not exist")
    _prepare(ctx, call, obj)


# How they are collected


async def _only_deleted(self, pod, _why):
    await self._client.delete(PODS, meta.name(pod), namespace=meta.namespace(pod), grace_period=0)


async def _deleted_with_grace(self, pod, _why):
    patch = {"metadata": {"uid": meta.uid(pod)}, "status": {"phase": "Failed"}}
    await self._client.patch(PODS, meta.name(pod), patch, namespace=meta.namespace(pod), subresource="status")
    await self._client.delete(PODS, meta.name(pod), namespace=meta.namespace(pod))


async def _only_marked(self, pod, _why):
    patch = {"metadata": {"uid": meta.uid(pod)}, "status": {"phase": "Failed"}}
    await self._client.patch(PODS, meta.name(pod), patch, namespace=meta.namespace(pod), subresource="status")


# Nodes out of service


def _ready_nodes_too(node):
    return any(taint["key"] == decisions.OUT_OF_SERVICE for taint in decisions.taints_of(node))


def _all_their_pods(pods, node_of):
    return [pod for pod in pods if (node := node_of(node_name_of(pod))) and decisions.is_out_of_service(node)]


def _nobody(*_):
    return []


# Leases


def _leases_stay(obj, states, *, has_dependents):
    if obj["kind"] == "Lease":
        return verdict.Keep()
    return _judge(obj, states, has_dependents=has_dependents)


async def _leases_of_gone_nodes_too(self):
    await _collect(self)
    known = {meta.name(node) for node in self._nodes.list()}
    for lease in (await self._client.list(LEASES, namespace="kube-node-lease"))["items"]:
        if meta.name(lease) not in known:
            await self._client.delete(LEASES, meta.name(lease), namespace="kube-node-lease")


def _collecting(by):
    return replaced(decisions, "orphans", by)


def _ending(by):
    return replaced(PodGCController, "fail_and_delete", by)


FAULTS = (
    Fault("pods of a deleted node stay", ("M-GC-01", "M-GC-02"), _collecting(_only(_never)), 49),
    Fault("terminating pods of a deleted node stay", ("M-GC-01",), _collecting(_only(_is_alive))),
    Fault("finished pods of a deleted node stay", ("M-GC-01",), _collecting(_only(_is_unfinished))),
    Fault("orphans are collected at once", ("M-GC-01", "M-GC-02"), replaced(controller, "QUARANTINE", 0.0)),
    Fault("orphans are collected late", ("M-GC-01", "M-GC-02"), replaced(controller, "QUARANTINE", 90.0)),
    Fault(
        "a node that came back does not save its pods",
        ("M-GC-01",),
        replaced(PodGCController, "gone_nodes", _all_suspects),
    ),
    Fault("orphans are deleted with grace", ("M-GC-01",), _ending(_deleted_with_grace)),
    Fault(
        "a pod for a node that never was is refused",
        ("M-GC-02",),
        replaced(creating, "prepare", _only_for_nodes_that_exist),
        86,
    ),
    Fault("a pod for a node that never was stays", ("M-GC-02",), _collecting(_only(_once_had_a_node)), 86),
    Fault("orphans are not marked", ("M-GC-03",), _ending(_only_deleted)),
    Fault("orphans are marked without a reason", ("M-GC-03",), replaced(controller, "ORPHANED", None)),
    Fault(
        "orphans give another reason",
        ("M-GC-03",),
        replaced(controller, "ORPHANED", Reason("DeletionByTaintManager", ORPHANED.message)),
    ),
    Fault("finished orphans are marked as failed", ("M-GC-03",), replaced(decisions, "FINISHED", ())),
    Fault(
        "nodes out of service keep their pods", ("M-GC-04",), replaced(decisions, "on_out_of_service_nodes", _nobody)
    ),
    Fault("pods out of service are only marked", ("M-GC-04",), _ending(_only_marked)),
    Fault(
        "ready nodes are out of service as well",
        ("M-GC-04",),
        replaced(decisions, "is_out_of_service", _ready_nodes_too),
        87,
    ),
    Fault(
        "all pods are out of service", ("M-GC-04",), replaced(decisions, "on_out_of_service_nodes", _all_their_pods), 87
    ),
    Fault("unbound pods are held for ever", ("M-GC-05",), replaced(decisions, "unbound_terminating", _nobody)),
    Fault("leases outlive their nodes", ("M-GC-06",), replaced(verdict, "judge", _leases_stay)),
    Fault("leases need no owner to go", ("M-GC-06",), replaced(PodGCController, "collect", _leases_of_gone_nodes_too)),
)
