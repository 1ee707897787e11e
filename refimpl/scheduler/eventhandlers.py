"""What the watch tells becomes the scheduler's picture: cache, nominations, queue; and waiting pods are told.

Every event that takes something off a node, or changes a node, asks the waiting pods' filters about that one node:
those that would fit now are tried again at once, the others are left alone.

Source: kube-scheduler 1.36 `eventhandlers.go` and the plug-ins' queueing hints.
"""

from __future__ import annotations

import logging

from refimpl.api.errors import Object
from refimpl.scheduler.cache import Cache
from refimpl.scheduler.config import SchedulerConfig
from refimpl.scheduler.nominator import Nominator
from refimpl.scheduler.podinfo import (
    PodInfo,
    PodParser,
    counts_on_its_node,
    nominated_node_of,
    resize_reports,
    wants_scheduling,
)
from refimpl.scheduler.preemption import could_preempt
from refimpl.scheduler.schedulingqueue import SchedulingQueue
from refimpl.scheduler.verdicts import VerdictMemory

log = logging.getLogger(__name__)


class EventHandlers:
    """Handlers for the informers of nodes and pods.

    Args:
        config: which pods are ours.
        cache: nodes and the pods on them.
        nominator: pods that room is being made for.
        queue: pods without a node.
        verdicts: what nodes say to pods.
    """

    def __init__(
        self,
        config: SchedulerConfig,
        cache: Cache,
        nominator: Nominator,
        queue: SchedulingQueue,
        verdicts: VerdictMemory,
    ) -> None:
        self._config = config
        self._cache = cache
        self._nominator = nominator
        self._queue = queue
        self._verdicts = verdicts
        self._parser = PodParser()

    def on_node(self, old: Object | None, new: Object | None) -> None:
        """A node was added, changed or removed."""
        if new is not None:
            if self._cache.set_node(new):
                self.node_changed(new["metadata"]["name"])
        elif old is not None:
            self._cache.remove_node(old["metadata"]["name"])
            self.pods_changed()

    def on_pod(self, old: Object | None, new: Object | None) -> None:
        """A pod was added, changed or removed; another one of the same name is another pod."""
        if old is not None and (new is None or old["metadata"]["uid"] != new["metadata"]["uid"]):
            self._gone(old["metadata"]["uid"])
            old = None
        if new is None:
            return
        if counts_on_its_node(new):
            self._on_its_node(old, new)
        elif wants_scheduling(new, self._config.scheduler_name):
            self._waits(old, new)
        else:
            self._gone(new["metadata"]["uid"])

    def node_changed(self, name: str) -> None:
        """Tells the waiting pods that a node is new or other than it was."""
        self._ask_about(name, preemption=True)

    def node_freed(self, name: str) -> None:
        """Tells the waiting pods that something has left a node."""
        self._ask_about(name, preemption=False)

    def pods_changed(self) -> None:
        """Tells the waiting pods that depend on other pods that those have changed."""
        self._queue.move(lambda _, far_sighted: far_sighted)

    def _on_its_node(self, old: Object | None, new: Object) -> None:
        uid = new["metadata"]["uid"]
        known = self._cache.pod(uid)
        if known is not None and not self._cache.is_assumed(uid) and old is not None and not _differs(old, new):
            self._cache.refresh_pod(uid, new)
            return
        pod = self._parse(new)
        if pod is None:
            return
        self._queue.remove(uid)
        wrong = self._cache.set_pod(pod)
        unnominated = self._nominator.remove(uid)
        for freed in (wrong, unnominated if unnominated != pod.node_name else None):
            if freed:
                self.node_freed(freed)
        if known is not None and known.asks.signature != pod.asks.signature:
            self.node_freed(pod.node_name)
        else:
            self.pods_changed()

    def _waits(self, old: Object | None, new: Object) -> None:
        pod = self._parse(new)
        if pod is None or self._cache.is_assumed(pod.uid):
            return
        if old is None or nominated_node_of(old) != pod.nominated_node:
            self._nominate(pod, pod.nominated_node)
        if pod.uid in self._queue:
            self._queue.update(pod)
        else:
            self._queue.add(pod)

    def _gone(self, uid: str) -> None:
        self._queue.remove(uid)
        for node in dict.fromkeys((self._cache.remove_pod(uid), self._nominator.remove(uid))):
            if node:
                self.node_freed(node)

    def _nominate(self, pod: PodInfo, node: str) -> None:
        freed = self._nominator.set(pod, node)
        if freed:
            self.node_freed(freed)

    def _ask_about(self, name: str, *, preemption: bool) -> None:
        node = self._cache.node(name)

        def may_help(pod: PodInfo, far_sighted: bool) -> bool:
            if far_sighted:
                return True
            if node is None:
                return False
            rejection = self._verdicts.rejection(pod, node)
            return rejection is None or (preemption and could_preempt(pod, node, rejection))

        self._queue.move(may_help)

    def _parse(self, pod: Object) -> PodInfo | None:
        try:
            return self._parser.parse(pod)
        except ValueError as error:
            log.warning("pod %s/%s: %s", pod["metadata"]["namespace"], pod["metadata"]["name"], error)
            return None


def _differs(old: Object, new: Object) -> bool:
    """Whether two states of a bound pod differ in what others' scheduling looks at; most status reports do not."""
    return (
        old["spec"] != new["spec"]
        or old["metadata"].get("labels") != new["metadata"].get("labels")
        or ("deletionTimestamp" in old["metadata"]) != ("deletionTimestamp" in new["metadata"])
        or not counts_on_its_node(old)
        or resize_reports(old) != resize_reports(new)
    )
