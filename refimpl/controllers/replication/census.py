"""What the pods of an owner count as: read off each state of a pod once, however often its owner is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from refimpl.api.errors import Object
from refimpl.api.meta import is_terminating, labels
from refimpl.controllers.workloads import pods


@attrs.frozen(eq=False)
class Replica:
    """One state of a pod.

    Attributes:
        pod: the pod.
        active: it counts as a replica.
        ready: it is active, and its condition Ready is True.
        leaving: it is on its way out, but has not ended.
        labels: its labels.
    """

    pod: Object
    active: bool
    ready: bool
    leaving: bool
    labels: Mapping[str, str]


def replica_of(pod: Object) -> Replica:
    """Reads a pod."""
    active = pods.is_active(pod)
    return Replica(
        pod=pod,
        active=active,
        ready=active and pods.is_ready(pod),
        leaving=is_terminating(pod) and not pods.is_terminal(pod),
        labels=labels(pod),
    )


class Census:
    """The replicas of all owners of one kind, as they were counted last."""

    def __init__(self) -> None:
        self._known: dict[str, dict[int, Replica]] = {}

    def count(self, owner: str, mine: Iterable[Object]) -> Sequence[Replica]:
        """The replicas of an owner (a uid). States that were there the last time, as the same objects, are known."""
        before = self._known.get(owner, {})
        now = self._known[owner] = {id(pod): before.get(id(pod)) or replica_of(pod) for pod in mine}
        return list(now.values())

    def forget(self, owner: str) -> None:
        """Drops what is known of an owner that is gone."""
        self._known.pop(owner, None)
