"""Sums to be found out by trial, and whether they came out right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from conformance.judge import placing
from conformance.judge.seen import Seen
from conformance.verdict import NotExercised, Violation


@attrs.frozen
class Ask:
    """A pod and whether there is room for it.

    Attributes:
        role: of the pod.
        fits: whether the node must take it.
        why: the sum behind that, as a phrase.
        resources: what its container requests.
        spec: further fields of the pod's spec.
    """

    role: str
    fits: bool
    why: str
    resources: Mapping[str, str] = attrs.field(factory=dict)
    spec: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Sum:
    """Pods for one node, in the order in which they are created; what is once refused stays refused.

    Attributes:
        node: role of the node.
        asks: the pods.
    """

    node: str
    asks: tuple[Ask, ...]


def come_out(seen: Seen, *sums: Sum) -> Iterator[Violation]:
    """Every pod must have been taken or refused as its sum says.

    Raises:
        NotExercised: a pod was never asked about.
    """
    missing: NotExercised | None = None
    for each in sums:
        for ask in each.asks:
            try:
                if ask.fits:
                    yield from placing.placed(seen, ask.role, each.node, why=ask.why)
                else:
                    yield from placing.kept_out(seen, ask.role, why=ask.why)
            except NotExercised as reason:
                missing = missing or reason
    if missing:
        raise missing
