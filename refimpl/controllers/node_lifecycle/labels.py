"""The beta labels of operating system and architecture follow the stable ones, never the other way round.

Source: kube-controller-manager 1.36 `node_lifecycle_controller.reconcileNodeLabels`.
"""

from __future__ import annotations

from collections.abc import Mapping

from refimpl.api import meta
from refimpl.api.errors import Object

STABLE_TO_BETA: Mapping[str, str] = {
    "kubernetes.io/os": "beta.kubernetes.io/os",
    "kubernetes.io/arch": "beta.kubernetes.io/arch",
}


def label_changes(node: Object) -> dict[str, str]:
    """The beta labels to write; empty when they are in step or the stable labels are absent."""
    labels = meta.labels(node)
    return {
        beta: labels[stable]
        for stable, beta in STABLE_TO_BETA.items()
        if stable in labels and labels.get(beta) != labels[stable]
    }
