"""Who has to go for whom, and how."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.preemption import nominated, preemption
from conformance.judge import conditions, placing
from conformance.judge.pods import deletion, terminating
from conformance.judge.seen import Seen
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


@judges("M-SCHED-24", reads=preemption)
def test_lower_rank_makes_room(seen: Seen) -> Iterator[Violation]:
    comes = seen.mark("the preemptor comes").at
    victim = seen.pod("victim")
    if not placing.bound(victim.state_at(comes)):
        raise NotExercised("the node was not full", about=victim.name)
    released = seen.mark("victim is removed").at
    if not terminating(victim.state_at(released)):
        gone = victim.state_at(released) is None
        got = "it vanished at once" if gone else "nobody asked it to go"
        want = "the pod of lower priority asked to go, with its grace period"
        yield Violation(want=want, got=got, at=released, about=(victim.name, seen.name("preemptor")))
    preemptor = seen.pod("preemptor")
    names = {nominated(event.after) for event in preemptor.events} - {""}
    if names != {seen.name("full")}:
        want = f"nominatedNodeName {seen.name('full')}"
        yield Violation(want=want, got=str(sorted(names)), about=preemptor.name)
    yield from placing.placed(seen, "preemptor", "full", why="room was made for it")


@judges("M-SCHED-24", reads=preemption)
def test_room_is_taken_when_it_is_free(seen: Seen) -> Iterator[Violation]:
    released = seen.mark("victim is removed").at
    preemptor = seen.pod("preemptor")
    early = placing.binding(preemptor.until(released))
    if not terminating(seen.pod("victim").state_at(released)):
        raise NotExercised("no pod was on its way out", about=seen.name("victim"))
    if early:
        want = "no binding while the pod that has to go is still there"
        yield Violation(want=want, got="it was bound", at=early.at, about=(preemptor.name, seen.name("victim")))


@judges("M-SCHED-24", reads=preemption)
def test_equals_and_the_meek_preempt_nobody(seen: Seen) -> Iterator[Violation]:
    comes = seen.mark("the preemptor comes").at
    for role in ("equal", "polite"):
        if placing.refusal(seen.pod(role).until(comes)) is None:
            raise NotExercised("the pod was not refused", about=seen.name(role))
    asked = deletion(seen.pod("victim").until(comes))
    if asked:
        want = "the pod left alone by its equal, and by one whose preemptionPolicy is Never"
        yield Violation(want=want, got="it was deleted", at=asked.at, about=seen.name("victim"))


@judges("M-SCHED-24", reads=preemption)
def test_nobody_goes_who_is_in_nobodys_way(seen: Seen) -> None:
    comes = seen.mark("the preemptor comes").at
    if deletion(seen.pod("victim")) is None or not placing.bound(seen.pod("bystander").state_at(comes)):
        raise NotExercised("no room was made where the bystander was", about=seen.name("bystander"))
    asked = deletion(seen.pod("bystander"))
    if asked:
        want = "the pod left alone that holds nothing the other one needs"
        raise Violation(want=want, got="it was deleted", at=asked.at, about=seen.name("bystander"))


@judges("M-SCHED-28", reads=preemption)
def test_the_preempted_are_told(seen: Seen) -> Iterator[Violation]:
    leaving = [event.after for event in seen.pod("victim").events if terminating(event.after)]
    if not leaving:
        raise NotExercised("no pod was on its way out", about=seen.name("victim"))
    found = conditions.condition(leaving[-1], "DisruptionTarget") or {}
    got = (found.get("status"), found.get("reason"))
    if got != ("True", "PreemptionByScheduler"):
        want = "DisruptionTarget=True, reason PreemptionByScheduler"
        yield Violation(want=want, got=f"{got[0]}, reason {got[1]}", about=seen.name("victim"))
