"""What a pod says about nodes beyond the required selector: preferences, and the names of the only nodes possible.

Source: kube-scheduler 1.36 `plugins/nodeaffinity`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from refimpl.api.errors import Object
from refimpl.api.nodeselectors import NodeAffinity, required_affinity, term_matches


@attrs.frozen
class NodeWishes:
    """Node selector, required and preferred node affinity of a pod.

    Attributes:
        required: what the node must have.
        preferred: weights and terms.
        names: the only nodes that could match, where every required term names its nodes (as daemon pods do).
        anywhere: whether nothing is required.
    """

    required: NodeAffinity
    preferred: tuple[tuple[int, Mapping[str, Any]], ...]
    names: tuple[str, ...] | None
    anywhere: bool

    def preference(self, node: Object) -> int:
        """Sum of the weights of the preferred terms that a node matches."""
        return sum(weight for weight, term in self.preferred if term_matches(term, node))


def node_wishes(pod: Object) -> NodeWishes:
    """What a pod says about nodes."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = required_affinity(pod)
    return NodeWishes(
        required=required,
        preferred=tuple(
            (one["weight"], one["preference"])
            for one in affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        ),
        names=_named_nodes(required.required),
        anywhere=not required.labels and required.required is None,
    )


def _named_nodes(required: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    if required is None:
        return None
    names: dict[str, None] = {}
    for term in required.get("nodeSelectorTerms") or ():
        named = [field for field in term.get("matchFields") or () if field["operator"] == "In"]
        if not named:
            return None
        names.update(dict.fromkeys(named[0].get("values") or ()))
    return tuple(names)
