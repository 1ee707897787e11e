"""Which nodes a pod accepts: `spec.nodeSelector` and required node affinity.

Shared by the scheduler, the daemon controller, persistent volumes and the kubelet's admission.

Source: `component-helpers/scheduling/corev1/nodeaffinity` (Kubernetes 1.36). Terms are alternatives, the conditions of
one term all hold; a selector without terms and a term without conditions match no node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from refimpl.api.selectors import compares

Node = Mapping[str, Any]


@attrs.frozen
class NodeAffinity:
    """What a pod demands of its node.

    Attributes:
        labels: pairs of `nodeSelector` that must all be there.
        required: the `NodeSelector` of required affinity, or None when there is none.
    """

    labels: tuple[tuple[str, str], ...]
    required: Mapping[str, Any] | None

    def matches(self, node: Node) -> bool:
        """Whether the node satisfies both."""
        present = _labels(node)
        if any(present.get(key) != value for key, value in self.labels):
            return False
        return self.required is None or node_selector_matches(self.required, node)


def required_affinity(pod: Mapping[str, Any]) -> NodeAffinity:
    """What a pod demands of its node (preferences left aside)."""
    spec = pod.get("spec") or {}
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    return NodeAffinity(
        labels=tuple((spec.get("nodeSelector") or {}).items()),
        required=affinity.get("requiredDuringSchedulingIgnoredDuringExecution"),
    )


def node_selector_matches(selector: Mapping[str, Any], node: Node) -> bool:
    """Whether any term of a `NodeSelector` matches the node."""
    return any(term_matches(term, node) for term in selector.get("nodeSelectorTerms") or ())


def term_matches(term: Mapping[str, Any], node: Node) -> bool:
    """Whether one `NodeSelectorTerm` (also the one of a preference) matches the node."""
    expressions = term.get("matchExpressions") or ()
    fields = term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    return all(expression_matches(expression, _labels(node)) for expression in expressions) and all(
        _field_matches(field, node) for field in fields
    )


def expression_matches(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether labels satisfy one `NodeSelectorRequirement`; one that makes no sense matches nothing."""
    value = labels.get(expression["key"])
    values: Sequence[str] = expression.get("values") or ()
    operator: str = expression["operator"]
    match operator:
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return value is not None and len(values) == 1 and compares(value, operator, values[0])
        case _:
            return False


def _field_matches(field: Mapping[str, Any], node: Node) -> bool:
    """`matchFields` knows one field, the node's name, and one value for it."""
    values = field.get("values") or ()
    if field["key"] != "metadata.name" or len(values) != 1:
        return False
    return expression_matches(field, {"metadata.name": node["metadata"]["name"]})


def _labels(node: Node) -> Mapping[str, str]:
    return node["metadata"].get("labels") or {}
