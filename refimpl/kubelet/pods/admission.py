"""Admission on the node: whether a pod bound to it is taken, and how a refusal is told.

A refusal is final: the pod's status becomes Failed and the node never looks at that pod again.

Source: kubelet 1.36 `lifecycle/predicate.go`, `eviction_manager.Admit`, `preemption.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from refimpl.api.errors import Object
from refimpl.kubelet import eviction, resources
from refimpl.kubelet.era import Era
from refimpl.kubelet.pods import predicates
from refimpl.kubelet.pods.predicates import Shortage
from refimpl.kubelet.thresholds import Pressure


@attrs.frozen
class Rejection:
    """Why a pod is not taken.

    Attributes:
        reason: CamelCase word, e.g. `OutOfcpu`.
        message: the sentence, without the era's opening.
        shortages: resources of which there was too little; a critical pod may make room for itself.
    """

    reason: str
    message: str
    shortages: tuple[Shortage, ...] = ()


def order(pods: Iterable[Object]) -> list[Object]:
    """The order in which pods that arrived together are admitted: the older ones first."""
    return sorted(pods, key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]))


def admit(
    pod: Object, node: Object, others: Sequence[Object], pressures: Sequence[Pressure], era: Era
) -> Rejection | None:
    """Whether a pod is taken.

    Args:
        pod: the pod that was bound to this node.
        node: this node, with labels, taints and allocatable amounts.
        others: the pods that already count here: admitted and not terminal.
        pressures: pressure conditions in force.
        era: rules of the kubelet's generation.

    Returns:
        None to take it, or why not.
    """
    wrong_system = foreign_system(pod, node) if era.checks_system else None
    if wrong_system is not None:
        return wrong_system
    under_pressure = eviction.rejection(pressures, pod)
    if under_pressure is not None:
        return Rejection(eviction.REASON, under_pressure)
    return fits(pod, node, others, era)


def fits(pod: Object, node: Object, others: Sequence[Object], era: Era) -> Rejection | None:
    """The predicates, in the kubelet's order: resources, node selection, host ports, taints."""
    short = tuple(predicates.shortages(pod, node, others))
    if short:
        return out_of(short)
    if not predicates.matches_node(pod, node):
        return _predicate_failed(era.selector_reason, "node(s) didn't match Pod's node affinity/selector", era)
    if not predicates.ports_free(pod, others):
        return _predicate_failed(era.ports_reason, "node(s) didn't have free ports for the requested pod ports", era)
    if era.checks_taints and not resources.is_static(pod):
        taint = predicates.intolerable_taint(pod, node)
        if taint is not None:
            described = f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
            return _predicate_failed("TaintToleration", described, era)
    return None


def foreign_system(pod: Object, node: Object) -> Rejection | None:
    """The refusal of a pod that is made for another operating system."""
    here = (node["status"].get("nodeInfo") or {}).get("operatingSystem", "linux")
    wanted = (pod["spec"].get("nodeSelector") or {}).get("kubernetes.io/os")
    if wanted not in {None, here}:
        described = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"
        return Rejection("PodOSSelectorNodeLabelDoesNotMatch", described)
    if (pod["spec"].get("os") or {}).get("name", here) != here:
        return Rejection("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    return None


def out_of(short: tuple[Shortage, ...]) -> Rejection:
    """The refusal for lack of a resource; it names the first one."""
    first = short[0]
    message = (
        f"Node didn't have enough resource: {first.resource}, requested: {first.requested}, used: {first.used}, "
        f"capacity: {first.capacity}"
    )
    return Rejection(f"OutOf{first.resource}", message, short)


def rejected_status(rejection: Rejection, pod: Object, era: Era, now: str) -> Object:
    """The status of a pod that was not taken.

    Args:
        rejection: why.
        pod: the pod; conditions of other owners and qosClass are kept.
        era: rules of the kubelet's generation.
        now: timestamp for startTime.
    """
    status: Object = {
        "phase": "Failed",
        "reason": rejection.reason,
        "message": era.rejection_prefix + rejection.message,
        "startTime": now,
    }
    known = (pod.get("status") or {}).get("qosClass")
    if era.keeps_qos_when_rejected:
        status["qosClass"] = known or resources.qos_class(pod)
    return status


def _predicate_failed(reason: str, described: str, era: Era) -> Rejection:
    message = f"Predicate {reason} failed"
    return Rejection(reason, f"{message}: {described}" if era.describes_predicates else message)
