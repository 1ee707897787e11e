"""Whose task it is to find a node for a pod, and that a pod gets only one."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.handing_over import handing_over
from conformance.judge import answers, conditions, events, placing
from conformance.judge.seen import Seen
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation


@judges("M-SCHED-21", reads=handing_over)
def test_a_pod_is_bound_once(seen: Seen) -> Iterator[Violation]:
    yield from answers.answered(seen, "pod is bound", 201, want="the binding is accepted")
    answers.body(seen, "pod is bound")
    yield from answers.answered(seen, "pod is bound again", 409, want="another binding is refused")
    yield from answers.answered(seen, "nodeName is changed", 422, want="a change of nodeName is refused")
    spec = answers.body(seen, "pod is read")["spec"]
    yield from answers.same(seen, "pod is read", {"nodeName": seen.name("here")}, spec)


@judges("M-SCHED-21", reads=handing_over)
def test_a_terminating_pod_is_not_bound(seen: Seen) -> Iterator[Violation]:
    yield from answers.answered(seen, "leaving pod is bound", 409, want="the binding is refused")


@judges("M-SCHED-27", reads=handing_over)
def test_a_gated_pod_is_not_bound(seen: Seen) -> Iterator[Violation]:
    _gates(seen)
    yield from answers.answered(seen, "gated pod is bound", 409, want="the binding is refused")


@judges("M-SCHED-22", reads=handing_over)
def test_pods_of_another_scheduler_are_left_alone(seen: Seen) -> Iterator[Violation]:
    story = seen.pod("foreign")
    if not story.events or placing.binding(seen.pod("own")) is None:
        raise NotExercised("the scheduler was not seen at work", about=story.name)
    for event in story.events:
        if conditions.condition(event.after, "PodScheduled") or placing.bound(event.after):
            got = "it was bound" if placing.bound(event.after) else "PodScheduled in its status"
            yield Violation(want="the pod untouched", got=got, at=event.at, about=story.name)
            return
    for said in events.said(seen, "foreign"):
        if said.reason in ("Scheduled", "FailedScheduling"):
            yield Violation(want="no word about the pod", got=f"an event {said.reason}", at=said.at, about=story.name)


@judges("M-SCHED-27", reads=handing_over)
def test_gated_pods_wait_at_their_gate(seen: Seen) -> Iterator[Violation]:
    _gates(seen)
    story = seen.pod("gated")
    opened = seen.mark("the gate opens").at
    state = story.state_at(opened)
    found = conditions.condition(state, "PodScheduled") or {}
    got = (found.get("status"), found.get("reason"))
    if got != ("False", "SchedulingGated"):
        want = "PodScheduled=False, reason SchedulingGated"
        yield Violation(want=want, got=f"{got[0]}, reason {got[1]}", at=opened, about=story.name)
    if placing.bound(state):
        yield Violation(want="no node before the gate opens", got="it was bound", at=opened, about=story.name)
    yield from placing.placed(seen, "gated", "here", why="its gate was opened")


def _gates(seen: Seen) -> None:
    story = seen.pod("gated")
    if story.events and "schedulingGates" not in (story.events[0].after or {})["spec"]:
        raise Unsupported("the target drops scheduling gates")
