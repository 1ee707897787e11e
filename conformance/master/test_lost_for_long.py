"""A node is lost for long: its pods go when their patience ends, and nobody removes what only the node can end."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.long_silence import LOST, long_silence
from conformance.judge import conditions, evictions, pods, taints, windows
from conformance.judge.seen import Seen
from conformance.judge.taints import NO_EXECUTE
from conformance.judge.windows import Start
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation


def _tainted(seen: Seen, node: str) -> Start:
    """When a lost node got the NoExecute taint of its condition."""
    key = LOST[node]
    span = taints.first(seen.node(node), key, NO_EXECUTE)
    if span is None:
        raise NotExercised(f"node {node} never got {key}:NoExecute", about=seen.name(node))
    return windows.seen_at(span.since, f"the taint {key}:NoExecute", seen.timing.watch_lag)


@judges("M-EV-15", reads=long_silence)
def test_a_pod_without_tolerations_of_its_own_goes_after_the_default_time(seen: Seen) -> Iterator[Violation]:
    for node, key in LOST.items():
        role = f"{node}-plain"
        seconds = pods.toleration_seconds(seen.pod(role).events[0].after if seen.pod(role).events else None, key)
        if seconds is None:
            raise Unsupported("the target gives pods no time limit for lost nodes by default")
        taint = _tainted(seen, node)
        evictions.require(seen, [role], taint.sent)
        yield from evictions.due(seen, role, taint, seconds, node)


@judges("M-EV-16", reads=long_silence)
def test_a_toleration_counts_for_its_own_key_only(seen: Seen) -> Iterator[Violation]:
    for node, other in (("silent", "not-ready"), ("unready", "unreachable")):
        taint = _tainted(seen, node)
        role = f"{node}-knows-{other}"
        evictions.require(seen, [role], taint.sent)
        yield from evictions.due(seen, role, taint, seen.timing.step, node)


@judges("M-EV-16", reads=long_silence)
def test_a_toleration_of_the_other_key_does_not_drive_a_pod_away(seen: Seen) -> Iterator[Violation]:
    for node, own in (("silent", "unreachable"), ("unready", "not-ready")):
        taint = _tainted(seen, node)
        role = f"{node}-knows-{own}"
        evictions.require(seen, [role], taint.sent)
        why = f"it tolerates {LOST[node]} for ever"
        yield from evictions.spared(seen, role, taint.sent, seen.history.until, why, node)


def _lost(seen: Seen) -> pods.Deletion:
    """When the pod `lost` was evicted; its node then stayed silent for long."""
    deletion = pods.deletion(seen.pod("lost"))
    if deletion is None or deletion.vanished:
        raise NotExercised("the pod of the silent node was not evicted gracefully", about=seen.name("lost"))
    return deletion


@judges("M-TERM-01", reads=long_silence)
def test_a_terminating_pod_of_a_silent_node_stays(seen: Seen) -> None:
    deletion = _lost(seen)
    returns = seen.mark("silent returns").at
    gone = next((event.at for event in seen.pod("lost").until(returns).events if event.after is None), None)
    if gone is not None:
        want = "the terminating pod kept for as long as its node is silent"
        got = f"it was removed {gone - deletion.at:.2f} s after its deletion was requested"
        raise Violation(want=want, got=got, at=gone, about=(seen.name("lost"), seen.name("silent")))
    if returns - deletion.at < seen.timing.abandoned():
        raise NotExercised("the node did not stay silent for long enough", about=seen.name("silent"))


@judges("M-TERM-01", reads=long_silence)
def test_an_evicted_pod_has_its_own_grace_period(seen: Seen) -> None:
    deletion = _lost(seen)
    state = seen.pod("lost").state_at(deletion.at) or {}
    own = state["spec"].get("terminationGracePeriodSeconds")
    given = state["metadata"].get("deletionGracePeriodSeconds")
    if given != own:
        want = f"deletionGracePeriodSeconds {own}, as the pod's spec says"
        raise Violation(want=want, got=str(given), at=deletion.at, about=seen.name("lost"))


@judges("M-TERM-05", reads=long_silence)
def test_recovery_does_not_undo_a_deletion(seen: Seen) -> None:
    _lost(seen)
    recovered, attended = seen.mark("silent recovered").at, seen.mark("silent looks after its pods").at
    story = seen.pod("lost")
    stamp = (story.state_at(seen.mark("silent returns").at) or {}).get("metadata", {}).get("deletionTimestamp")
    if stamp is None:
        raise NotExercised("the pod was gone before its node came back", about=story.name)
    for event in story.since(recovered).until(attended).events:
        found = None if event.after is None else event.after["metadata"].get("deletionTimestamp")
        if found != stamp:
            got = "it was removed" if event.after is None else f"deletionTimestamp {found or 'absent'}"
            want = "the pod terminating until its node has ended it"
            raise Violation(want=want, got=got, at=event.at, about=(story.name, seen.name("silent")))


@judges("M-RDY-02", reads=long_silence)
def test_a_node_that_calls_itself_not_ready_speaks_for_its_pods_itself(seen: Seen) -> None:
    posted = seen.mark("unready posted Ready=False").at
    _tainted(seen, "unready")
    role = "unready-knows-not-ready"
    story = seen.pod(role)
    if conditions.status(story.state_at(posted), "Ready") != "True":
        raise NotExercised(f"pod {role} was not Ready", about=story.name)
    turn = conditions.turned(story.since(posted), "Ready", "False")
    if turn is not None:
        want = "the pod's Ready left to its node, which posts status"
        about = (story.name, seen.name("unready"))
        raise Violation(want=want, got="the master wrote Ready=False", at=turn.at, about=about, level="SHOULD")


@judges("M-RDY-03", reads=long_silence)
def test_recovery_of_the_node_does_not_make_its_pods_ready(seen: Seen) -> None:
    recovered, attended = seen.mark("silent recovered").at, seen.mark("silent looks after its pods").at
    story = seen.pod("silent-knows-unreachable")
    if conditions.status(story.state_at(recovered), "Ready") != "False":
        raise NotExercised("the pod was not marked not ready while its node was silent", about=story.name)
    turn = conditions.turned(story.since(recovered).until(attended), "Ready", "True")
    if turn is not None:
        got = f"Ready=True {turn.at - recovered:.2f} s after the node's recovery, and the node did not write it"
        raise Violation(
            want="Ready=False until the node writes the pod's status", got=got, at=turn.at, about=story.name
        )
