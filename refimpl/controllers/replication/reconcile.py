"""How many pods to create, or which to delete: the decision, without the doing.

Source: kube-controller-manager 1.36 `replica_set.go` (`manageReplicas`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import attrs

from refimpl.api.errors import Object
from refimpl.api.meta import is_terminating
from refimpl.controllers.replication import ranking
from refimpl.controllers.replication.census import Replica

BURST = 500
"""At most this many pods are created or deleted at a time."""


@attrs.frozen
class View:
    """What the decision is made from.

    Attributes:
        owner: the ReplicationController or ReplicaSet.
        replicas: its pods, whatever their state.
        related: its pods and those of its siblings; asked for only when there are too many.
        now: the time.
    """

    owner: Object
    replicas: Sequence[Replica]
    related: Callable[[], Iterable[Object]]
    now: datetime


@attrs.frozen
class Decision:
    """What is to be done.

    Attributes:
        create: number of pods to create.
        delete: pods to delete.
    """

    create: int = 0
    delete: tuple[Object, ...] = ()


def wanted(owner: Object) -> int:
    """`spec.replicas`; the server has defaulted it."""
    replicas = owner["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def surplus(owner: Object, replicas: Sequence[Replica]) -> int:
    """How many active pods there are too many; negative when there are too few."""
    return sum(replica.active for replica in replicas) - wanted(owner)


def reconcile(view: View) -> Decision:
    """Creates what is missing, deletes what is too much; an owner that is going does neither."""
    if is_terminating(view.owner):
        return Decision()
    excess = surplus(view.owner, view.replicas)
    if excess < 0:
        return Decision(create=min(-excess, BURST))
    if excess > 0:
        active = [replica.pod for replica in view.replicas if replica.active]
        return Decision(delete=tuple(ranking.choose(active, view.related(), min(excess, BURST), view.now)))
    return Decision()
