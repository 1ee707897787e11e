"""Label selectors inside objects: `spec.selector` of workloads, services and disruption budgets.

The two forms of the API: a plain map (Service, ReplicationController) and a `LabelSelector` (everything newer). The
string form of list requests is the API server's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Labels = Mapping[str, str]


def labels_of(obj: Mapping[str, Any]) -> Labels:
    """The labels of an object or of a pod template; empty when it has none."""
    return (obj.get("metadata") or {}).get("labels") or {}


def matches_map(selector: Labels | None, labels: Labels) -> bool:
    """Whether every pair of a map selector is among the labels; an empty or absent selector matches nothing.

    Source: kube-controller-manager 1.36, where an empty Service or ReplicationController selector never means "all".
    """
    if not selector:
        return False
    return all(labels.get(key) == value for key, value in selector.items())


def matches_selector(selector: Mapping[str, Any] | None, labels: Labels) -> bool:
    """Whether labels satisfy a `LabelSelector`; None matches nothing, an empty one everything.

    Source: apimachinery 1.36 `LabelSelectorAsSelector`. An unknown operator matches nothing: validation refuses it.
    """
    if selector is None:
        return False
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    return all(_matches_expression(expression, labels) for expression in selector.get("matchExpressions") or ())


def _matches_expression(expression: Mapping[str, Any], labels: Labels) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value is not None and value in expression["values"]
        case "NotIn":
            return value is None or value not in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return False
