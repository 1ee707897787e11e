"""Pods of a silent node: not ready, evicted when their toleration ends, replaced elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.silence import short_toleration, silence
from conformance.judge import conditions, pods
from conformance.judge import silence as silences
from conformance.judge.seen import Seen
from conformance.judge.taints import UNREACHABLE
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


@judges("M-RDY-01", reads=silence)
def test_pods_of_the_silent_node_lose_ready(seen: Seen) -> Iterator[Violation]:
    flip = silences.flip(seen, "victim")
    limit = seen.timing.pods_marked_not_ready().latest
    for role in ("brief", "patient"):
        story = seen.pod(role)
        flipping = flip.at - seen.timing.watch_lag
        before = story.state_at(flipping)
        if conditions.status(before, "Ready") != "True":
            raise NotExercised(f"pod {role} was not Ready when its node fell silent", about=story.name)
        turn = conditions.turned(story.since(flipping), "Ready", "False")
        want = f"pod {role} Ready=False within {limit:g} s of its node's Ready=Unknown"
        if turn is None:
            yield Violation(want=want, got="its Ready condition stayed True", about=(story.name, seen.name("victim")))
        elif turn.at - flip.at > limit:
            got = f"after {turn.at - flip.at:.2f} s"
            yield Violation(want=want, got=got, at=turn.at, about=(story.name, seen.name("victim")))


@judges("M-EV-15", reads=silence)
def test_a_pod_is_evicted_when_its_own_toleration_ends(seen: Seen) -> Iterator[Violation]:
    span = silences.tainted(seen, "victim")
    story = seen.pod("brief")
    window = seen.timing.eviction(short_toleration(seen.timing))
    want = f"deletion requested {window} after the NoExecute taint"
    about = (story.name, seen.name("victim"))
    deletion = pods.deletion(story)
    if deletion is None:
        got = f"nobody asked for it within {seen.history.until - span.since:.1f} s"
        yield Violation(want=want, got=got, about=about)
    elif deletion.at - span.since < window.earliest - seen.timing.watch_lag:
        yield Violation(want=want, got=f"already after {deletion.at - span.since:.2f} s", at=deletion.at, about=about)
    elif deletion.at - span.since > window.latest:
        yield Violation(want=want, got=f"after {deletion.at - span.since:.2f} s", at=deletion.at, about=about)


@judges("M-EV-15", reads=silence)
def test_recovery_within_the_toleration_saves_the_pod(seen: Seen) -> None:
    silences.tainted(seen, "victim")
    recovered = seen.mark("victim recovered")
    story = seen.pod("patient")
    deletion = pods.deletion(story)
    if deletion is not None:
        want = f"a pod that tolerates unreachable for {_toleration(story.events[0].after)} s untouched"
        got = f"deletion requested {deletion.at - recovered.at:+.2f} s from the recovery"
        raise Violation(want=want, got=got, at=deletion.at, about=(story.name, seen.name("victim")))


@judges("M-XF-01", reads=silence)
def test_the_replacement_is_created_while_the_old_pod_is_terminating(seen: Seen) -> None:
    family = seen.pods_of("workload")
    if not family or pods.bound_to(family[0].state_at(seen.mark("victim silent").at)) != seen.name("victim"):
        raise NotExercised("the workload's pod never came up on the victim", about=seen.name("workload"))
    deletion = pods.deletion(family[0])
    if deletion is None:
        raise NotExercised("the workload's pod was never evicted", about=(family[0].name, seen.name("victim")))
    limit = seen.timing.replacement().latest
    want = f"a second pod within {limit:g} s of the eviction, the first still there"
    about = tuple(story.name for story in family)
    if len(family) < 2:
        raise Violation(want=want, got="no second pod", at=deletion.at, about=about)
    late = family[1].events[0].at - deletion.at
    if not -seen.timing.watch_lag <= late <= limit:
        raise Violation(want=want, got=f"{late:+.2f} s from it", at=family[1].events[0].at, about=about)
    if family[0].state_at(family[1].events[0].at) is None:
        raise Violation(want=want, got="the first was gone already", at=family[1].events[0].at, about=about)


def _toleration(state: object) -> object:
    found = state["spec"]["tolerations"] if isinstance(state, dict) else []
    seconds = [entry.get("tolerationSeconds") for entry in found if entry.get("key") == UNREACHABLE]
    return seconds[0] if seconds else "ever"
