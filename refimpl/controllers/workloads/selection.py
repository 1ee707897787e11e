"""Finding pods by selector without looking at all of them.

Pods are indexed by every label they bear; a selector is answered from the smallest of the piles it asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import cast

from refimpl.api.errors import Object
from refimpl.api.meta import labels
from refimpl.api.selectors import LabelSelector
from refimpl.client.informer import Index, Informer
from refimpl.controllers.workloads.owners import BY_NAMESPACE, by_namespace

BY_LABEL = "label"
"""Name of the index that `by_label` makes."""


def by_label(obj: Object) -> Iterable[str]:
    """Index function: every label of the object, within its namespace."""
    namespace = obj["metadata"].get("namespace", "")
    return [f"{namespace}/{key}={value}" for key, value in labels(obj).items()]


SELECTABLE: Mapping[str, Index] = {BY_LABEL: by_label, BY_NAMESPACE: by_namespace}
"""The indexes that `selected` needs."""


def selected(informer: Informer, namespace: str, selector: LabelSelector) -> list[Object]:
    """The cached objects of a namespace that the selector matches."""
    piles = [
        _pile(informer, BY_LABEL, f"{namespace}/{one.key}={one.values[0]}")
        for one in selector.requirements
        if one.operator == "="
    ]
    candidates = min(piles, key=len) if piles else _pile(informer, BY_NAMESPACE, namespace)
    return [obj for obj in candidates if selector.matches(labels(obj))]


def _pile(informer: Informer, index: str, value: str) -> Collection[Object]:
    return cast(Collection[Object], informer.by_index(index, value))
