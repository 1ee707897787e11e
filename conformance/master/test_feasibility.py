"""Which nodes a pod may go to: what it selects, what it tolerates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from conformance.drive.scenarios.master import feasibility_table as table
from conformance.drive.scenarios.master.feasibility import feasibility
from conformance.drive.scenarios.master.feasibility_table import Tolerating
from conformance.judge import placing, taints
from conformance.judge.pods import terminating
from conformance.judge.seen import Seen
from conformance.judge.taints import BY_CONDITION, NO_SCHEDULE, UNSCHEDULABLE
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


@judges("M-SCHED-01", reads=feasibility)
def test_pods_go_where_they_select(seen: Seen) -> Iterator[Violation]:
    for pod in table.SELECTING:
        if pod.node:
            yield from placing.placed(seen, pod.role, pod.node, why=pod.why)
        else:
            yield from placing.kept_out(seen, pod.role, why=f"it demands {pod.why}")


@judges("M-SCHED-01", reads=feasibility)
def test_pods_stay_when_labels_go(seen: Seen) -> Iterator[Violation]:
    relabelled = seen.mark("cat without labels").at
    roles = [pod.role for pod in table.SELECTING if pod.node == "cat"]
    stories = [story for story in map(seen.pod, roles) if placing.bound(story.state_at(relabelled))]
    if not stories:
        raise NotExercised("no pod was bound by a label", about=seen.name("cat"))
    for story in stories:
        gone = [event for event in story.events if event.after is None or terminating(event.after)]
        if gone:
            got = "it was deleted"
            yield Violation(want="the pod stays where it is", got=got, at=gone[0].at, about=story.name)


@judges("M-SCHED-02", reads=feasibility)
def test_taints_keep_away_who_does_not_tolerate_them(seen: Seen) -> Iterator[Violation]:
    yield from _decided(seen, table.CLOSED)


@judges("M-SCHED-03", reads=feasibility)
def test_a_cordon_keeps_away_who_does_not_tolerate_it(seen: Seen) -> Iterator[Violation]:
    if not taints.has(seen.node("cordoned").last, UNSCHEDULABLE, NO_SCHEDULE):
        raise NotExercised("the cordoned node got no taint", about=seen.name("cordoned"))
    yield from _decided(seen, table.CORDONED)


@judges("M-SCHED-04", reads=feasibility)
def test_taints_decide_and_not_conditions(seen: Seen) -> Iterator[Violation]:
    if not taints.has(seen.node("unready").last, taints.NOT_READY, NO_SCHEDULE):
        raise NotExercised("the unready node got no taint", about=seen.name("unready"))
    yield from _decided(seen, table.UNREADY)


@judges("M-SCHED-25", reads=feasibility)
def test_troubled_nodes_take_who_tolerates_exactly_that(seen: Seen) -> Iterator[Violation]:
    for role, conditions in table.TROUBLES.items():
        for condition in conditions:
            if not taints.has(seen.node(role).last, BY_CONDITION[condition], NO_SCHEDULE):
                raise NotExercised(f"{condition} called for no taint", about=seen.name(role))
    yield from _decided(seen, table.TROUBLED)


@judges("M-ADM-08", reads=feasibility)
def test_memory_pressure_counts_for_guaranteed_pods_unless_they_tolerate_it(seen: Seen) -> Iterator[Violation]:
    key = BY_CONDITION["MemoryPressure"]
    story = seen.pod("memory-guaranteed")
    if not story.events or not taints.has(seen.node("memory").last, key, NO_SCHEDULE):
        raise NotExercised("no pod was offered to a node under memory pressure", about=story.name)
    given = (story.events[0].after or {})["spec"].get("tolerations") or []
    if any(toleration.get("key") == key for toleration in given):
        yield from placing.placed(seen, "memory-guaranteed", "memory", why="its class of service tolerates it")
    else:
        yield from placing.kept_out(seen, "memory-guaranteed", why="MemoryPressure is True and it tolerates nothing")


def _decided(seen: Seen, pods: Iterable[Tolerating]) -> Iterator[Violation]:
    for pod in pods:
        if pod.fits:
            yield from placing.placed(seen, pod.role, pod.node, why=pod.why)
        else:
            yield from placing.kept_out(seen, pod.role, why=pod.why)
