"""Finding the pods of a node in the shared pod informer."""

from __future__ import annotations

from collections.abc import Iterable

from refimpl.api.errors import Object
from refimpl.client.informer import Informer

BY_NODE = "spec.nodeName"
"""Name of the index."""


def node_name_of(pod: Object) -> str:
    """The node a pod is bound to; empty while there is none."""
    return (pod.get("spec") or {}).get("nodeName") or ""


def by_node(pod: Object) -> tuple[str, ...]:
    """Index function: bound pods by their node."""
    name = node_name_of(pod)
    return (name,) if name else ()


def pods_on(pods: Informer, node: str) -> list[Object]:
    """The pods bound to a node, as a list that stays the same while it is worked on."""
    return list[Object](pods.by_index(BY_NODE, node))


def bound_anew(old: Object | None, new: Object | None) -> Iterable[tuple[str, str]]:
    """The key of a pod that was just bound to a node (or appeared bound); nothing for any other change."""
    if new is not None and node_name_of(new) and (old is None or node_name_of(old) != node_name_of(new)):
        yield new["metadata"]["namespace"], new["metadata"]["name"]
