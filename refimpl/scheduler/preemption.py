"""Preemption: on which node would a pod fit if less important pods went, and which of them have to?

Pure decisions; `eviction` carries them out. The rules in the order in which they are applied:

* only pods of lower priority can be victims; a pod with `preemptionPolicy: Never` has none, nor has one whose victims
  are still terminating;
* on every node that could be helped, all possible victims are taken away in thought and as many as possible are put
  back, the more important first, those whose disruption budget would be violated before the others;
* of the nodes where that works, the one where it hurts least is taken.

Source: kube-scheduler 1.36 `plugins/defaultpreemption` and `framework/preemption`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import attrs

from refimpl.api import meta, selectors
from refimpl.api.errors import Object
from refimpl.scheduler import filters
from refimpl.scheduler.cache import Cache
from refimpl.scheduler.clusterview import ClusterView, CrossNodeFilter
from refimpl.scheduler.config import SchedulerConfig, preemption_candidates_to_find
from refimpl.scheduler.diagnosis import Diagnosis, summary
from refimpl.scheduler.filters import Rejection
from refimpl.scheduler.nodeinfo import NodeInfo
from refimpl.scheduler.nominator import Nominator
from refimpl.scheduler.podinfo import PodInfo

NOT_HELPFUL: Final = Rejection("DefaultPreemption", ("Preemption is not helpful for scheduling",), unresolvable=True)
NO_VICTIMS: Final = Rejection("DefaultPreemption", ("No preemption victims found for incoming pod",))
DISRUPTION_TARGET: Final = "DisruptionTarget"
BY_SCHEDULER: Final = "PreemptionByScheduler"

_LATEST: Final = "9999"
_PRIORITY_OFFSET: Final = 2**31


@attrs.frozen
class Candidate:
    """A node, and the pods that have to go from it.

    Attributes:
        node: the node's name.
        victims: the pods, the most important first.
        violations: how many of them have a disruption budget that would be violated.
    """

    node: str
    victims: tuple[PodInfo, ...]
    violations: int


@attrs.frozen
class Outcome:
    """What preemption decided.

    Attributes:
        nomination: the node the pod is nominated to from now on; empty for none, None to leave it as it is.
        candidate: what to make room with, if anything.
        message: for people, when there is nothing to make room with.
    """

    nomination: str | None
    candidate: Candidate | None = None
    message: str = ""


@attrs.define(eq=False)
class Preemption:
    """Decides who has to go for whom.

    Args:
        cache: nodes and the pods on them.
        nominator: pods that room is being made for.
        view: what is asked about the whole cluster.
        budgets: the PodDisruptionBudgets as last seen.
        config: on how many nodes to try.
        random: where to begin.
    """

    cache: Cache
    nominator: Nominator
    view: ClusterView
    budgets: Callable[[], Iterable[Object]]
    config: SchedulerConfig
    random: random.Random

    def decide(self, pod: PodInfo, diagnosis: Diagnosis) -> Outcome:
        """What to do for a pod that no node could take."""
        why_not = not_eligible(pod, self.cache.node(self.nominator.node_of(pod.uid)), diagnosis)
        if why_not:
            return Outcome(nomination=None, message=why_not)
        helped = [node for node in self.cache.nodes() if can_help(diagnosis.of(node.name))]
        candidates, rejections = self._candidates(pod, helped)
        if not candidates:
            return Outcome(nomination="", message=summary(diagnosis.nodes, rejections, NOT_HELPFUL))
        best = least_harm(candidates)
        return Outcome(nomination=best.node, candidate=best)

    def _candidates(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> tuple[list[Candidate], dict[str, Rejection]]:
        candidates: list[Candidate] = []
        rejections: dict[str, Rejection] = {}
        if not nodes:
            return candidates, rejections
        cross = self.view.filters_for(pod)
        budgets = list(self.budgets())
        enough = preemption_candidates_to_find(self.config, len(nodes))
        offset = self.random.randrange(len(nodes))
        for node in (*nodes[offset:], *nodes[:offset]):
            found = victims_on(pod, node, cross, self.nominator, budgets)
            if isinstance(found, Rejection):
                rejections[node.name] = found
                continue
            candidates.append(found)
            if len(candidates) >= enough and any(not one.violations for one in candidates):
                break
        return candidates, rejections


def not_eligible(pod: PodInfo, nominated: NodeInfo | None, diagnosis: Diagnosis) -> str:
    """Why a pod must not preempt now; empty when it may."""
    if pod.spec.get("preemptionPolicy") == "Never":
        return "not eligible due to preemptionPolicy=Never."
    if nominated is None:
        return ""
    rejection = diagnosis.of(nominated.name)
    if rejection is not None and rejection.unresolvable:
        return ""
    if any(may_preempt(pod, other) and is_leaving_for_another(other) for other in nominated.pods.values()):
        return "not eligible due to a terminating pod on the nominated node."
    return ""


def can_help(rejection: Rejection | None) -> bool:
    """Whether removing pods could change a node's answer."""
    return rejection is not None and not rejection.unresolvable


def could_preempt(pod: PodInfo, node: NodeInfo, rejection: Rejection) -> bool:
    """Whether it is worth trying to make room for a pod on a node that rejects it."""
    return (
        can_help(rejection)
        and pod.spec.get("preemptionPolicy") != "Never"
        and any(may_preempt(pod, other) for other in node.pods.values())
    )


def may_preempt(pod: PodInfo, victim: PodInfo) -> bool:
    """Whether a pod may take another one's room: only from lower priority."""
    return victim.priority < pod.priority


def is_leaving_for_another(pod: PodInfo) -> bool:
    """Whether a pod is terminating because the scheduler preempted it."""
    condition = meta.condition(pod.pod, DISRUPTION_TARGET)
    return (
        pod.terminating
        and condition is not None
        and condition.get("status") == "True"
        and condition.get("reason") == BY_SCHEDULER
    )


def victims_on(
    pod: PodInfo,
    node: NodeInfo,
    cross: Sequence[CrossNodeFilter],
    nominator: Nominator,
    budgets: Sequence[Object],
) -> Candidate | Rejection:
    """The fewest, least important pods that have to go from a node, or why that does not help."""
    possible = sorted((other for other in node.pods.values() if may_preempt(pod, other)), key=_importance)
    if not possible:
        return NO_VICTIMS
    trial = _Trial(pod, node.copy(), list(cross), nominator)
    for other in possible:
        trial.remove(other)
    rejection = trial.rejection()
    if rejection is not None:
        return rejection
    protected, free = by_budget(possible, budgets)
    violations = [other for other in protected if not trial.reprieve(other)]
    victims = violations + [other for other in free if not trial.reprieve(other)]
    if not victims:
        return NO_VICTIMS
    return Candidate(node.name, tuple(sorted(victims, key=_importance)), len(violations))


@attrs.define(eq=False)
class _Trial:
    """A node on which pods are removed and put back in thought."""

    pod: PodInfo
    node: NodeInfo
    cross: list[CrossNodeFilter]
    nominator: Nominator

    def remove(self, other: PodInfo) -> None:
        self.node.remove_pod(other.uid)
        self.cross = [one.moved(other, self.node, -1) for one in self.cross]

    def reprieve(self, other: PodInfo) -> bool:
        """Puts a pod back, if there is still room for the other one then."""
        self.node.add_pod(other)
        self.cross = [one.moved(other, self.node, 1) for one in self.cross]
        if self.rejection() is None:
            return True
        self.remove(other)
        return False

    def rejection(self) -> Rejection | None:
        for one in self.cross:
            rejection = one.rejection(self.node)
            if rejection is not None:
                return rejection
        return filters.run_filters(self.pod, self.nominator.with_nominated(self.node, self.pod))


def by_budget(pods: Iterable[PodInfo], budgets: Sequence[Object]) -> tuple[list[PodInfo], list[PodInfo]]:
    """Splits pods into those whose disruption budget would be violated if they all went, and the others."""
    left = [(budget.get("status") or {}).get("disruptionsAllowed", 0) for budget in budgets]
    protected: list[PodInfo] = []
    free: list[PodInfo] = []
    for pod in pods:
        violated = False
        for index, budget in enumerate(budgets):
            if _protects(budget, pod):
                left[index] -= 1
                violated = violated or left[index] < 0
        (protected if violated else free).append(pod)
    return protected, free


def _protects(budget: Object, pod: PodInfo) -> bool:
    selector = budget["spec"].get("selector")
    if budget["metadata"]["namespace"] != pod.namespace or not pod.labels or not selector:
        return False
    if pod.name in ((budget.get("status") or {}).get("disruptedPods") or {}):
        return False
    return selectors.from_object(selector).matches(pod.labels)


def least_harm(candidates: Sequence[Candidate]) -> Candidate:
    """The candidate that hurts least.

    The fewest violated budgets; then the least important first victim; then the smallest sum of priorities; then the
    fewest victims; then the one whose most important victims started last.
    """
    return min(candidates, key=_harm)


def _harm(candidate: Candidate) -> tuple[int, int, int, int, tuple[int, ...]]:
    highest = candidate.victims[0].priority
    oldest = min(_started(victim) for victim in candidate.victims if victim.priority == highest)
    return (
        candidate.violations,
        highest,
        sum(victim.priority + _PRIORITY_OFFSET for victim in candidate.victims),
        len(candidate.victims),
        tuple(-ord(character) for character in oldest),
    )


def _importance(pod: PodInfo) -> tuple[int, str, str]:
    """Sorts the more important first: higher priority, longer running."""
    return -pod.priority, _started(pod), pod.uid


def _started(pod: PodInfo) -> str:
    started: str = (pod.pod.get("status") or {}).get("startTime") or _LATEST
    return started
