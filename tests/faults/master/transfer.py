"""Faults in how workloads move off a silent node."""

from __future__ import annotations

import asyncio

import attrs

from refimpl.api import meta
from refimpl.api.errors import ApiError
from refimpl.api.resources import PODS
from refimpl.client.informer import key_of
from refimpl.client.transport import Unreachable
from refimpl.controllers.replication import reconcile as replicas
from refimpl.controllers.replication import status
from refimpl.controllers.statefulset import controller as stateful
from refimpl.controllers.statefulset import reconcile as ordinals
from refimpl.controllers.taint_eviction.controller import TaintEvictionController
from refimpl.controllers.workloads import pods
from refimpl.controllers.workloads.podcontrol import PodControl
from refimpl.scheduler import filters
from refimpl.scheduler.schedulingqueue import SchedulingQueue
from tests.faults.harness import Fault, replaced, together

_surplus = replicas.surplus
_reconcile = replicas.reconcile
_calculate = status.calculate
_fill = ordinals._fill
_create = PodControl.create
_weigh = TaintEvictionController._weigh
_mark_and_delete = TaintEvictionController.mark_and_delete


# How many pods a controller wants


def _pods(mine):
    return [replica.pod for replica in mine]


def _terminating_pods_count(owner, mine):
    return sum(not pods.is_terminal(pod) for pod in _pods(mine)) - replicas.wanted(owner)


def _only_ready_pods_count(owner, mine):
    lost = [one for one in mine if one.active and (meta.condition(one.pod, "Ready") or {}).get("status") == "False"]
    return _surplus(owner, mine) - len(lost)


def _two_for_one(view):
    decision = _reconcile(view)
    return attrs.evolve(decision, create=decision.create * 2)


def _never_a_replacement(view):
    return _reconcile(view) if len(view.replicas) < 1 else attrs.evolve(_reconcile(view), create=0)


class _OneMoreForEveryEnd:
    """The first end of a pod whose replacement exists is made up for once more; only the first, lest it never ends."""

    def __init__(self) -> None:
        self.leaving: dict[str, set[str]] = {}
        self.done: set[str] = set()

    def __call__(self, view):
        known = self.leaving.setdefault(meta.uid(view.owner), set())
        present = {meta.uid(pod) for pod in _pods(view.replicas)}
        ended = known - present
        known -= ended
        known |= {meta.uid(pod) for pod in _pods(view.replicas) if meta.is_terminating(pod)}
        decision = _reconcile(view)
        if not ended or meta.uid(view.owner) in self.done:
            return decision
        self.done.add(meta.uid(view.owner))
        return attrs.evolve(decision, create=decision.create + len(ended), delete=())


class _OneLessForEveryEnd(_OneMoreForEveryEnd):
    """The first end of a pod whose replacement exists costs another pod its life; only the first, lest it go on."""

    def __call__(self, view):
        known = self.leaving.setdefault(meta.uid(view.owner), set())
        ended = known - {meta.uid(pod) for pod in _pods(view.replicas)}
        known -= ended
        known |= {meta.uid(pod) for pod in _pods(view.replicas) if meta.is_terminating(pod)}
        if not ended or meta.uid(view.owner) in self.done:
            return _reconcile(view)
        self.done.add(meta.uid(view.owner))
        active = [pod for pod in _pods(view.replicas) if pods.is_active(pod)]
        return replicas.Decision(delete=tuple(active[: len(ended)]))


class _GivesUpOnce:
    """A replacement that finds no node is given up for another one; once, lest it never ends."""

    def __init__(self) -> None:
        self.tired: set[str] = set()

    def __call__(self, view):
        waiting = [
            pod for pod in _pods(view.replicas) if (meta.condition(pod, "PodScheduled") or {}).get("status") == "False"
        ]
        if not waiting or meta.uid(view.owner) in self.tired:
            return _reconcile(view)
        self.tired.add(meta.uid(view.owner))
        return replicas.Decision(delete=tuple(waiting))


# What a controller reports


def _report(**fields):
    def calculate(owner, mine, trouble, now, *, terminating):
        found = _calculate(owner, mine, trouble, now, terminating=terminating)
        return {**found, **{field: count(mine) for field, count in fields.items()}}

    return replaced(status, "calculate", calculate)


def _active(mine):
    return sum(replica.active for replica in mine)


def _ready(mine):
    return sum(replica.ready for replica in mine)


def _no_terminating_count(owner, mine, trouble, now, *, terminating):
    return _calculate(owner, mine, trouble, now, terminating=False)


async def _without_a_word(self, owner, pod):
    return await self._client.create(PODS, pod)


async def _without_an_owner(self, owner, pod):
    metadata = {key: value for key, value in pod["metadata"].items() if key != "ownerReferences"}
    return await _create(self, owner, {**pod, "metadata": metadata})


# StatefulSets


def _forces_out(view, plan, ordinal, pod):
    if pod is not None and meta.is_terminating(pod):
        plan.delete.append(pod)
    _fill(view, plan, ordinal, pod)


async def _without_grace(self, statefulset, pod):
    await self._client.delete(PODS, meta.name(pod), namespace=meta.namespace(pod), grace_period=0)


def _next_ordinal_instead(view, plan, ordinal, pod):
    if pod is not None and meta.is_terminating(pod):
        plan.create.append((ordinal + 1, False))
    _fill(view, plan, ordinal, pod)


def _never_again(view, plan, ordinal, pod):
    if pod is None and (view.statefulset.get("status") or {}).get("observedGeneration"):
        return
    _fill(view, plan, ordinal, pod)


# Pods without an owner


def _spared(self, pod, taints):
    if meta.controller_of(pod) is not None:
        _weigh(self, pod, taints)
    else:
        self.timers.cancel(key_of(pod))


async def _made_again(self, namespace, name):
    pod = await self._client.get(PODS, name, namespace=namespace)
    await _mark_and_delete(self, namespace, name)
    if meta.controller_of(pod) is None:
        self._group.create_task(_later(self, pod))


async def _later(self, pod):
    metadata = {field: pod["metadata"][field] for field in ("name", "namespace", "labels")}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}
    for _ in range(200):
        await asyncio.sleep(1)
        try:
            await self._client.create(PODS, body)
        except (ApiError, Unreachable):
            continue
        return


# Where replacements go


def _taints_are_ignored(_pod, _node):
    return None


def _nothing_helps(_self, _may_help):
    return None


def _replicas(by):
    return replaced(replicas, "surplus", by)


def _deciding(by):
    return replaced(replicas, "reconcile", by)


FAULTS = (
    Fault("terminating pods count as replicas", ("M-XF-01",), _replicas(_terminating_pods_count), 50),
    Fault("nothing is replaced", ("M-XF-01",), _deciding(_never_a_replacement)),
    Fault("pods of lost nodes are replaced at once", ("M-XF-02",), _replicas(_only_ready_pods_count), 51),
    Fault("two pods replace one", ("M-XF-04",), _deciding(_two_for_one), 51),
    Fault("the return of a node makes one pod too many", ("M-XF-04",), _deciding(_OneMoreForEveryEnd()), 51),
    Fault("the return of a node makes one pod too few", ("M-XF-04",), _deciding(_OneLessForEveryEnd()), 51),
    Fault("replicas count terminating pods", ("M-XF-05",), _report(replicas=len), 90),
    Fault("replicas count ready pods only", ("M-RDY-06",), _report(replicas=_ready)),
    Fault("ready replicas count all pods", ("M-RDY-06",), _report(readyReplicas=_active)),
    Fault("terminating replicas are not reported", ("M-XF-10",), replaced(status, "calculate", _no_terminating_count)),
    Fault("terminating replicas count nothing", ("M-XF-10",), _report(terminatingReplicas=lambda mine: 0)),
    Fault(
        "replacements are not told",
        ("M-XF-01",),
        replaced(PodControl, "create", _without_a_word),
        warns=("M-XF-01",),
    ),
    Fault("replacements have no owner", ("M-XF-03",), replaced(PodControl, "create", _without_an_owner)),
    Fault("replacements ignore taints", ("M-XF-09",), replaced(filters, "taint_toleration", _taints_are_ignored)),
    Fault("replacements that wait are given up", ("M-XF-09",), _deciding(_GivesUpOnce()), 91),
    Fault(
        "nothing helps a pod that waits",
        ("M-XF-09",),
        together(
            replaced(SchedulingQueue, "move", _nothing_helps),
            replaced(SchedulingQueue, "flush_leftover", lambda self: None),
        ),
    ),
    Fault(
        "a stateful pod is forced out",
        ("M-XF-06",),
        together(
            replaced(ordinals, "_fill", _forces_out),
            replaced(stateful.StatefulSetController, "_delete", _without_grace),
        ),
        52,
    ),
    Fault(
        "a stateful pod is made under another name",
        ("M-XF-06",),
        replaced(ordinals, "_fill", _next_ordinal_instead),
        52,
    ),
    Fault("a stateful pod never comes again", ("M-XF-06",), replaced(ordinals, "_fill", _never_again)),
    Fault("bare pods survive eviction", ("M-XF-08",), replaced(TaintEvictionController, "_weigh", _spared), 53),
    Fault(
        "bare pods are made again", ("M-XF-08",), replaced(TaintEvictionController, "mark_and_delete", _made_again), 53
    ),
)
