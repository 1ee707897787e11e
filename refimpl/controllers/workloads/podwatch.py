"""Hearing of pods on behalf of the controller of one kind of owner: whom to wake, what the expectations have seen.

Source: kube-controller-manager 1.36, the pod handlers of `replica_set.go` (others are alike).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from refimpl.api.errors import Object
from refimpl.api.meta import controller_of, is_terminating, labels
from refimpl.api.resources import Resource
from refimpl.api.selectors import LabelSelector
from refimpl.client.informer import Informer, Key, key_of
from refimpl.client.workqueue import WorkQueue
from refimpl.controllers.workloads import pods
from refimpl.controllers.workloads.changes import any_of, lives
from refimpl.controllers.workloads.expectations import Expectations
from refimpl.controllers.workloads.owners import BY_NAMESPACE, controller_uid

BURST: Final = 0.05
BURST_PER_REPLICA: Final = 0.005
LONGEST_BURST: Final = 1.0
"""Seconds for which changes of an owner's pods are gathered and then looked at once, more for an owner of many: of five
hundred pods that come up together each would otherwise have all five hundred counted."""


def gathering_time(owner: Object) -> float:
    """Seconds from the first change of an owner's pods until they are counted."""
    return min(BURST + BURST_PER_REPLICA * int(owner["spec"].get("replicas") or 0), LONGEST_BURST)


class PodWatch:
    """A handler of pod changes.

    Args:
        resource: the kind of owner.
        owners: cache of the owners, indexed by namespace.
        queue: where owners that are concerned are queued.
        selector: which pods an owner would adopt.
        expectations: told of pods that came and went; None for controllers that need none.
        facts: all of a pod that the controller's decisions depend on.
    """

    def __init__(
        self,
        resource: Resource,
        owners: Informer,
        queue: WorkQueue[Key],
        selector: Callable[[Object], LabelSelector],
        *,
        expectations: Expectations | None = None,
        facts: Callable[[Object], object] = pods.standing,
    ) -> None:
        self._resource = resource
        self._owners = owners
        self._queue = queue
        self._selector = selector
        self._expectations = expectations
        self._facts = facts

    def __call__(self, old: Object | None, new: Object | None) -> None:
        """Hears of one change."""
        if not self._concerns(old) and not self._concerns(new):
            return
        for before, after in lives(old, new):
            if before is None or after is None or self._facts(before) != self._facts(after):
                self._changed(before, after)

    def owner_of(self, pod: Object | None) -> Object | None:
        """The cached owner of this kind that controls the pod, or None."""
        reference = controller_of(pod) if pod is not None else None
        if pod is None or reference is None or reference["kind"] != self._resource.kind:
            return None
        owner = self._owners.get(reference["name"], pod["metadata"]["namespace"])
        return owner if owner is not None and owner["metadata"]["uid"] == reference["uid"] else None

    def _concerns(self, pod: Object | None) -> bool:
        """Whether the pod is of our kind of owner, or of none."""
        if pod is None:
            return False
        reference = controller_of(pod)
        return reference is None or bool(reference["kind"] == self._resource.kind)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        self._observe(old, new)
        for pod in (old, new):
            owner = self.owner_of(pod)
            if owner is not None:
                self._queue.add_after(key_of(owner), gathering_time(owner))
        if new is not None and not controller_uid(new):
            self._wake_adopters(new)

    def _observe(self, old: Object | None, new: Object | None) -> None:
        """Tells the expectations what the cache has shown."""
        pod = any_of(old, new)
        holder = controller_uid(pod)
        if self._expectations is None or not holder:
            return
        if new is None or is_terminating(new):
            self._expectations.deleted(holder, pod["metadata"]["uid"])
        elif old is None:
            self._expectations.created(holder)

    def _wake_adopters(self, orphan: Object) -> None:
        present = labels(orphan)
        for owner in self._owners.by_index(BY_NAMESPACE, orphan["metadata"]["namespace"]):
            if self._selector(owner).matches(present):
                self._queue.add(key_of(owner))
