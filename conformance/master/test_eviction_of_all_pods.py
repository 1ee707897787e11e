"""NoExecute taints of an administrator: nothing holds them up."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.eviction_everywhere import CROWD, STUCK, eviction_everywhere
from conformance.judge import conditions, evictions
from conformance.judge.seen import Seen
from conformance.kinds import POD_DISRUPTION_BUDGET
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation


def _evicted(seen: Seen, pod: str, node: str, what: str) -> Iterator[Violation]:
    taint = evictions.request(seen, f"{node} tainted", what)
    evictions.require(seen, [pod], taint.sent)
    yield from evictions.due(seen, pod, taint, 0, node)


@judges("M-EV-11", reads=eviction_everywhere)
def test_no_rate_limit_holds_up_an_administrators_taint(seen: Seen) -> Iterator[Violation]:
    for node in CROWD:
        yield from _evicted(seen, f"pod-{node}", node, "the NoExecute taint, which all nodes of the zone got at once")


@judges("M-EV-11", reads=eviction_everywhere)
def test_no_state_of_the_zone_holds_up_an_administrators_taint(seen: Seen) -> Iterator[Violation]:
    sent = seen.mark("stuck-1 tainted sent").at
    for node in STUCK:
        if conditions.status(seen.node(node).state_at(sent), "Ready") != "False":
            raise NotExercised(f"node {node} was not NotReady, so the zone was not disrupted", about=seen.name(node))
    yield from _evicted(seen, "pod-stuck-1", "stuck-1", "the NoExecute taint, most of its zone being not ready")


@judges("M-EV-11", reads=eviction_everywhere)
def test_pods_of_all_namespaces_are_evicted(seen: Seen) -> Iterator[Violation]:
    yield from _evicted(seen, "pod-crowd-2", "crowd-2", "the NoExecute taint")
    yield from _evicted(seen, "foreign", "crowd-2", "the NoExecute taint, in a namespace of its own")


@judges("M-EV-11", reads=eviction_everywhere)
def test_no_disruption_budget_holds_up_an_eviction(seen: Seen) -> Iterator[Violation]:
    if not seen.facts.served(POD_DISRUPTION_BUDGET):
        raise Unsupported("the target serves no PodDisruptionBudgets")
    yield from _evicted(seen, "guarded", "crowd-1", "the NoExecute taint, a PodDisruptionBudget forbidding disruptions")
