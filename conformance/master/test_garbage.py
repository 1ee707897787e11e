"""Pods and Leases of nodes that were deleted, and pods that never had a node."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.garbage import ORPHANS, garbage
from conformance.judge import conditions, evictions, pods, windows, workloads
from conformance.judge.seen import Seen
from conformance.judge.windows import Start
from conformance.kinds import REPLICA_SET, STATEFUL_SET
from conformance.record.history import Story
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation

FAILED_SINCE = 26
"""From Kubernetes 1.26 on pods are marked as failed before the master removes them."""


def _deleted(seen: Seen) -> Start:
    return evictions.request(seen, "doomed deleted", "the deletion of its node")


def _gone(story: Story) -> float | None:
    return next((event.at for event in story.events if event.after is None), None)


def _there(seen: Seen, role: str, at: float) -> None:
    if seen.pod(role).state_at(at) is None:
        raise NotExercised(f"pod {role} was not there when it mattered", about=seen.name(role))


@judges("M-GC-01", reads=garbage)
def test_pods_of_a_deleted_node_are_collected(seen: Seen) -> Iterator[Violation]:
    deleted = _deleted(seen)
    for role in ORPHANS:
        _there(seen, role, deleted.sent)
    for role in (role for role in ORPHANS if role != "held"):
        yield from windows.misses(
            f"the end of pod {role}",
            _gone(seen.pod(role)),
            deleted,
            seen.timing.orphan_collected(),
            until=seen.history.until,
            about=(seen.name(role), seen.name("doomed")),
        )


@judges("M-GC-01", reads=garbage)
def test_pods_of_a_node_that_came_back_stay(seen: Seen) -> None:
    deleted = evictions.request(seen, "revived deleted", "the deletion of the node")
    _there(seen, "lucky", deleted.sent)
    back = [event.at for event in seen.node("revived").since(deleted.sent).events if event.type == "ADDED"]
    if not back:
        raise NotExercised("the node did not come back", about=seen.name("revived"))
    if seen.history.until - deleted.answered < seen.timing.orphan_collected().latest:
        raise NotExercised("the scenario ended before the pod could have been collected", about=seen.name("lucky"))
    deletion = pods.deletion(seen.pod("lucky").since(deleted.sent))
    if deletion is not None:
        got = f"deleted {deletion.at - deleted.answered:.2f} s after the node, which existed again by then"
        want = "the pod kept: a node of its node's name exists again"
        raise Violation(want=want, got=got, at=deletion.at, about=(seen.name("lucky"), seen.name("revived")))


@judges("M-GC-02", reads=garbage)
def test_a_pod_of_a_node_that_never_was_is_taken_and_collected(seen: Seen) -> Iterator[Violation]:
    created = evictions.request(seen, "stray created", "its creation")
    story = seen.pod("stray")
    if not story.events:
        raise Violation(want="the pod created, although its node does not exist", got="it never was", at=created.sent)
    for event in story.events:
        if event.after is None:
            break
        said = conditions.status(event.after, "PodScheduled")
        if said == "False":
            want = "no scheduler's word on a pod that has a node"
            yield Violation(want=want, got="PodScheduled=False", at=event.at, about=story.name)
            break
    limit, until = seen.timing.orphan_collected(), seen.history.until
    yield from windows.misses("its end", _gone(story), created, limit, until=until, about=story.name)


@judges("M-GC-03", reads=garbage)
def test_an_orphan_is_marked_as_failed_first(seen: Seen) -> Iterator[Violation]:
    deleted = _deleted(seen)
    for role in ("running", "leaving", "held"):
        _there(seen, role, deleted.sent)
        story = seen.pod(role).since(deleted.sent)
        if role != "held" and _gone(story) is None:
            raise NotExercised(f"pod {role} was not collected; M-GC-01 judges that", about=story.name)
        states = [event.after for event in story.events if event.after is not None]
        last = states[-1] if states else seen.pod(role).state_at(deleted.sent)
        found = conditions.condition(last, "DisruptionTarget") or {}
        wanted = ("Failed", "True", "DeletionByPodGC", "PodGC: node no longer exists")
        got = ((last or {}).get("status", {}).get("phase"), *(found.get(f) for f in ("status", "reason", "message")))
        if got != wanted:
            want = f"pod {role} at its end: phase, DisruptionTarget, reason, message {wanted}"
            yield Violation(want=want, got=str(got), about=(story.name, seen.name("doomed")))


@judges("M-GC-03", reads=garbage)
def test_a_finished_orphan_keeps_its_phase(seen: Seen) -> None:
    deleted = _deleted(seen)
    _there(seen, "succeeded", deleted.sent)
    for event in seen.pod("succeeded").since(deleted.sent).events:
        phase = ((event.after or event.before or {}).get("status") or {}).get("phase")
        if phase != "Succeeded":
            want = "phase Succeeded kept to the end"
            raise Violation(want=want, got=str(phase), at=event.at, about=seen.name("succeeded"))


@judges("M-GC-05", reads=garbage)
def test_an_unbound_pod_that_is_held_is_marked_as_failed(seen: Seen) -> Iterator[Violation]:
    deleted = evictions.request(seen, "unbound deleted", "its deletion")
    story = seen.pod("unbound")
    if not pods.terminating(story.state_at(seen.mark("unbound released sent").at)):
        raise NotExercised("the pod was not held", about=story.name)
    states = ((event.at, ((event.after or {}).get("status") or {}).get("phase")) for event in story.events)
    failed = next((at for at, phase in states if phase == "Failed"), None)
    limit, until = seen.timing.garbage_pass(), seen.history.until
    yield from windows.misses("phase Failed", failed, deleted, limit, until=until, about=story.name)


@judges("M-GC-06", reads=garbage)
def test_the_lease_goes_with_its_node(seen: Seen) -> Iterator[Violation]:
    deleted = _deleted(seen)
    story = seen.story("Lease", "doomed")
    if story.state_at(deleted.sent) is None:
        raise NotExercised("the node had no Lease", about=story.name)
    limit, until = seen.timing.lease_collected(), seen.history.until
    yield from windows.misses("the Lease's end", _gone(story), deleted, limit, until=until, about=story.name)


@judges("M-GC-06", reads=garbage)
def test_a_lease_without_owner_stays(seen: Seen) -> None:
    deleted = evictions.request(seen, "loner deleted", "the deletion of its node")
    story = seen.story("Lease", "loner")
    if story.state_at(deleted.sent) is None:
        raise NotExercised("the node had no Lease", about=story.name)
    gone = _gone(story.since(deleted.sent))
    if gone is not None:
        got = f"it was removed {gone - deleted.answered:.2f} s after the node"
        raise Violation(want="a Lease kept that nobody owns", got=got, at=gone, about=story.name)


def _first(seen: Seen, workload: str) -> Story:
    """The pod of a workload that the deleted node had."""
    (story,) = workloads.began_on(seen, workload, "doomed", 1, _deleted(seen).sent)
    return story


@judges("M-XF-09", reads=garbage)
def test_collected_pods_are_replaced(seen: Seen) -> Iterator[Violation]:
    if not seen.facts.served(REPLICA_SET):
        raise Unsupported("the target serves no ReplicaSets")
    first = _first(seen, "set")
    gone = _gone(first)
    if gone is None:
        raise NotExercised("the pod was not collected; M-GC-01 judges that", about=first.name)
    start = windows.seen_at(gone, "the end of the collected pod", seen.timing.watch_lag)
    new = workloads.later(seen, "set", [first])
    born = new[0].events[0].at if new else None
    about = (first.name, seen.name("doomed"))
    limit, until = seen.timing.replacement(), seen.history.until
    if born is None or born > start.sent:
        yield from windows.misses("a new pod", born, start, limit, until=until, about=about)


@judges("M-XF-06", reads=garbage)
def test_a_stateful_pod_is_made_again_when_its_node_is_deleted(seen: Seen) -> Iterator[Violation]:
    if not seen.facts.served(STATEFUL_SET):
        raise Unsupported("the target serves no StatefulSets")
    story = _first(seen, "stateful")
    gone = _gone(story)
    if gone is None:
        raise NotExercised("the pod was not collected; M-GC-01 judges that", about=story.name)
    start = windows.seen_at(gone, "the end of the collected pod", seen.timing.watch_lag)
    born = next((event.at for event in story.events if event.at > gone and event.after is not None), None)
    limit, until = seen.timing.replacement(), seen.history.until
    yield from windows.misses("a pod of the same name", born, start, limit, until=until, about=story.name)
