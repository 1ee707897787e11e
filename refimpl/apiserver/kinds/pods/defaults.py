"""Defaults of pods.

Source: kube-apiserver 1.36 `pkg/apis/core/v1` (defaults and conversion) and `pkg/registry/core/pod`.
"""

from __future__ import annotations

from refimpl.api.errors import Object
from refimpl.api.podresources import qos_class
from refimpl.apiserver.kinds.podspec import defaults

GATED = "Scheduling is blocked due to non-empty scheduling gates"


def set_defaults(pod: Object) -> None:
    """Fills in a pod on every write."""
    spec = pod.setdefault("spec", {})
    defaults.set_spec_defaults(spec)
    defaults.set_pod_defaults(pod)
    same_address(pod.setdefault("status", {}))


def same_address(status: Object) -> None:
    """`podIP` and the first of `podIPs` are one value; where they differ, the older field wins."""
    first, several = status.get("podIP", ""), status.get("podIPs") or []
    if first and (not several or several[0].get("ip") != first):
        status["podIPs"] = [{"ip": first}]
    elif several:
        status["podIP"] = several[0].get("ip", "")


def new_status(pod: Object) -> Object:
    """The status of a new pod, whatever the client sent."""
    status: Object = {"phase": "Pending"}
    if pod["spec"].get("schedulingGates"):
        status["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": None,
                "lastTransitionTime": None,
                "reason": "SchedulingGated",
                "message": GATED,
            }
        ]
    status["qosClass"] = qos_class(pod)
    return status


def select_own_revision(pod: Object) -> None:
    """Turns `matchLabelKeys` of affinity terms and spread constraints into requirements on the pod's own labels."""
    labels = pod["metadata"].get("labels") or {}
    affinity = pod["spec"].get("affinity") or {}
    for sort in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(sort) or {}
        for term in terms.get("requiredDuringSchedulingIgnoredDuringExecution") or []:
            _require_labels(term, labels)
        for weighted in terms.get("preferredDuringSchedulingIgnoredDuringExecution") or []:
            _require_labels(weighted.get("podAffinityTerm") or {}, labels)
    for constraint in pod["spec"].get("topologySpreadConstraints") or []:
        _require_labels(constraint, labels)


def _require_labels(term: Object, labels: dict[str, str]) -> None:
    selector = term.get("labelSelector")
    if selector is None:
        return
    for keys, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
        for key in term.get(keys) or []:
            if key in labels:
                requirement = {"key": key, "operator": operator, "values": [labels[key]]}
                selector.setdefault("matchExpressions", []).append(requirement)
