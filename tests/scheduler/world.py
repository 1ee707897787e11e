"""A scheduler's picture of a cluster without any API, for tests of single decisions."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import attrs

from refimpl.api.errors import Object
from refimpl.api.resources import Resource
from refimpl.client.client import Client
from refimpl.client.informer import Informer, key_of
from refimpl.client.transport import DirectTransport
from refimpl.clock import Clock
from refimpl.scheduler import clusterview
from refimpl.scheduler.algorithm import Algorithm
from refimpl.scheduler.cache import Cache
from refimpl.scheduler.clusterview import ClusterView
from refimpl.scheduler.config import SchedulerConfig
from refimpl.scheduler.diagnosis import Diagnosis
from refimpl.scheduler.nominator import Nominator
from refimpl.scheduler.podinfo import PodInfo
from refimpl.scheduler.preemption import Outcome, Preemption


async def _nobody(request: Any) -> Any:
    raise AssertionError(f"a decision must not ask the API: {request}")


class World:
    """Cache, nominator and the two deciders."""

    def __init__(self, *nodes: Object, seed: int = 1, **config: Any) -> None:
        self.cache = Cache()
        self.nominator = Nominator()
        self.informers: dict[Resource, Informer] = {
            row: Informer(Client(DirectTransport(_nobody)), row, Clock.virtual()) for row in clusterview.WATCHED
        }
        for informer in self.informers.values():
            informer.add_index("namespace", clusterview.by_namespace)
        view = ClusterView(self.cache, self.informers)
        settings = SchedulerConfig(**config)
        self.budgets: list[Object] = []
        self.algorithm = Algorithm(self.cache, self.nominator, view, settings, random.Random(seed))
        self.preemption = Preemption(
            self.cache, self.nominator, view, lambda: self.budgets, settings, random.Random(seed)
        )
        for node in nodes:
            self.cache.set_node(node)

    def put(self, node: str, *pods: PodInfo) -> None:
        """Binds pods to a node."""
        for pod in pods:
            self.cache.set_pod(attrs.evolve(pod, node_name=node))

    def know(self, resource: Resource, *objects: Object) -> None:
        """Lets the scheduler know of other objects."""
        for obj in objects:
            self.informers[resource]._apply(key_of(obj), obj)

    def schedule(self, pod: PodInfo) -> str:
        """Where a pod would go; empty when nowhere."""
        decision = self.algorithm.schedule(pod)
        return "" if isinstance(decision, Diagnosis) else decision.node

    def feasible(self, pod: PodInfo) -> set[str]:
        """All nodes that could take a pod."""
        found, _ = self.algorithm._search(pod, self.algorithm.view.filters_for(pod), self.cache.order())
        return set(found.chosen.names())

    def schedule_all(self, pods: Iterable[PodInfo]) -> list[str]:
        """Places pods one after the other."""
        placed = []
        for pod in pods:
            node = self.schedule(pod)
            if node:
                self.cache.assume(pod, node)
            placed.append(node)
        return placed

    def diagnose(self, pod: PodInfo) -> Diagnosis:
        """Why a pod goes nowhere."""
        decision = self.algorithm.schedule(pod)
        assert isinstance(decision, Diagnosis)
        return decision

    def preempt(self, pod: PodInfo) -> Outcome:
        """What preemption decides for a pod that goes nowhere."""
        return self.preemption.decide(pod, self.diagnose(pod))
