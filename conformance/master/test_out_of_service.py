"""An operator declares a node out of service."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.garbage import garbage
from conformance.judge import conditions, evictions, pods, windows
from conformance.judge.seen import Seen
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


def _phase(state: object) -> str:
    return str((state.get("status") or {}).get("phase") or "") if isinstance(state, dict) else ""


@judges("M-GC-04", reads=garbage)
def test_terminating_pods_of_a_lost_node_are_removed(seen: Seen) -> Iterator[Violation]:
    yield from _removed(seen, "stuck", "dead")


@judges("M-GC-04", reads=garbage)
def test_so_are_those_of_a_node_that_says_it_is_not_ready_whatever_the_effect(seen: Seen) -> Iterator[Violation]:
    yield from _removed(seen, "locked", "shut")


def _removed(seen: Seen, role: str, node: str) -> Iterator[Violation]:
    """A terminating pod that a finalizer holds is marked, and deleted without grace."""
    declared = evictions.request(seen, f"{node} written off", "the out-of-service taint")
    story = seen.pod(role)
    if not pods.terminating(story.state_at(declared.sent)):
        raise NotExercised("the pod was not terminating", about=story.name)
    failed = next((e.at for e in story.since(declared.sent).events if _phase(e.after) == "Failed"), None)
    about = (story.name, seen.name(node))
    until = seen.history.until
    yield from windows.misses("phase Failed", failed, declared, seen.timing.garbage_pass(), until=until, about=about)
    grace = ((story.last or story.events[-1].before or {}).get("metadata") or {}).get("deletionGracePeriodSeconds")
    if failed is not None and grace:
        want = "the pod deleted without grace, so that only its finalizer holds it"
        yield Violation(want=want, got=f"deletionGracePeriodSeconds {grace}", at=failed, about=about)


@judges("M-GC-04", reads=garbage)
def test_other_pods_of_a_lost_node_are_left_alone(seen: Seen) -> Iterator[Violation]:
    declared = evictions.request(seen, "dead written off", "the out-of-service taint")
    until = seen.mark("nodes were written off for long").at
    evictions.require(seen, ["bystander"], declared.sent)
    why = "it is not being deleted, and tolerates the taint"
    yield from evictions.spared(seen, "bystander", declared.sent, until, why, "dead")


@judges("M-GC-04", reads=garbage)
def test_pods_of_a_ready_node_are_left_alone(seen: Seen) -> None:
    declared = evictions.request(seen, "sound written off", "the out-of-service taint")
    until = seen.mark("nodes were written off for long").at
    story = seen.pod("safe")
    before = story.state_at(declared.sent)
    if not pods.terminating(before):
        raise NotExercised("the pod was not terminating", about=story.name)
    for event in seen.node("sound").since(declared.sent).until(until).events:
        if conditions.status(event.after, "Ready") != "True":
            raise NotExercised("the node was not Ready all the time", about=seen.name("sound"))
    for event in story.since(declared.sent).until(until).events:
        grace = ((event.after or {}).get("metadata") or {}).get("deletionGracePeriodSeconds")
        if event.after is None or not grace or _phase(event.after) == "Failed":
            got = "removed" if event.after is None else f"phase {_phase(event.after)}, grace {grace} s"
            want = "the terminating pod left to its node, which is Ready"
            raise Violation(want=want, got=got, at=event.at, about=(story.name, seen.name("sound")))
