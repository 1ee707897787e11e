"""Pods of a silent node lose Ready; nothing else of them changes, and nobody else's pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.clock import parse_time
from conformance.drive.scenarios.master.services import REASON, services
from conformance.judge import conditions, events, pods, windows
from conformance.judge import silence as silences
from conformance.judge.conditions import Change
from conformance.judge.seen import Seen
from conformance.record.history import Object
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

MARKED = ("patient", "brief", "foreign", "leaving")


def _marked(seen: Seen, role: str) -> Change:
    """When a pod of the silent node lost Ready.

    Raises:
        NotExercised: it never was Ready, or stayed so; M-RDY-01 judges that.
    """
    since = silences.flip(seen, "victim").at - seen.timing.watch_lag
    story = seen.pod(role)
    turn = conditions.turned(story.since(since), "Ready", "False")
    if conditions.status(story.state_at(since), "Ready") != "True" or turn is None or turn.before is None:
        raise NotExercised(f"pod {role} was not marked not ready", about=story.name)
    return turn


@judges("M-RDY-01", reads=services)
def test_pods_of_a_silent_node_are_marked_in_time(seen: Seen) -> Iterator[Violation]:
    flip = silences.flip(seen, "victim")
    start = windows.seen_at(flip.at, "its node's Ready=Unknown", seen.timing.watch_lag)
    for role in MARKED:
        story = seen.pod(role)
        if conditions.status(story.state_at(start.sent), "Ready") != "True":
            raise NotExercised(f"pod {role} was not Ready when its node fell silent", about=story.name)
        turn = conditions.turned(story.since(start.sent), "Ready", "False")
        yield from windows.misses(
            f"Ready=False of pod {role}",
            turn.at if turn else None,
            start,
            seen.timing.pods_marked_not_ready(),
            until=seen.mark("victim returns").at,
            about=(story.name, seen.name("victim")),
        )


@judges("M-RDY-01", reads=services)
def test_only_the_status_of_ready_changes(seen: Seen) -> Iterator[Violation]:
    turn = _marked(seen, "patient")
    before, after = turn.before or {}, turn.after or {}
    for field, own in (("reason", REASON), ("message", "written by the node")):
        if before.get(field) == own and after.get(field) != own:
            want = f"{field} of the pod's Ready as the node wrote it: {own}"
            yield Violation(want=want, got=str(after.get(field)), at=turn.at, about=seen.name("patient"))
    probed = [change.get("lastProbeTime") for change in (before, after)]
    if probed[0] != probed[1]:
        want = f"lastProbeTime of the pod's Ready as the node wrote it: {probed[0]}"
        yield Violation(want=want, got=str(probed[1]), at=turn.at, about=seen.name("patient"), level="SHOULD")
    was, now = _rest(turn.event.before), _rest(turn.event.after)
    changed = sorted(key for key in was.keys() | now.keys() if was.get(key) != now.get(key))
    if changed:
        want = "nothing else in the pod's status changed"
        yield Violation(want=want, got=f"changed: {', '.join(changed)}", at=turn.at, about=seen.name("patient"))


def _rest(state: Object | None) -> Mapping[str, Any]:
    """A pod's status, without the Ready condition and without what only says what it was computed from."""
    status = {key: value for key, value in ((state or {}).get("status") or {}).items() if key != "conditions"}
    status.pop("observedGeneration", None)
    for kind, found in conditions.all_conditions(state).items():
        if kind != "Ready":
            status[f"condition {kind}"] = {key: value for key, value in found.items() if key != "observedGeneration"}
    return status


@judges("M-RDY-01", reads=services)
def test_the_transition_has_its_time(seen: Seen) -> None:
    if seen.facts.era == "1.5":
        raise NotExercised("masters of the 1.5 line do not write the time of the transition")
    turn = _marked(seen, "patient")
    stamp = str((turn.after or {}).get("lastTransitionTime") or "")
    off = abs(seen.history.moment(parse_time(stamp)) - turn.at) if stamp else None
    limit = seen.timing.clock_skew + seen.timing.watch_lag + 1
    if off is None or off > limit:
        want = f"lastTransitionTime of the pod's Ready within {limit:g} s of the change"
        raise Violation(want=want, got=stamp or "none", at=turn.at, about=seen.name("patient"))


@judges("M-RDY-01", reads=services)
def test_the_pod_is_told_that_its_node_is_not_ready(seen: Seen) -> None:
    if seen.facts.era == "1.5":
        raise NotExercised("masters of the 1.5 line write no Event about the pod")
    _marked(seen, "patient")
    said = list(events.said(seen, "patient", "NodeNotReady"))
    if not any(event.type == "Warning" for event in said):
        got = "; ".join(f"{event.type}: {event.message}" for event in said) or "none"
        want = "a Warning Event NodeNotReady about the pod"
        raise Violation(want=want, got=got, about=seen.name("patient"), level="SHOULD")


@judges("M-RDY-02", reads=services)
def test_other_pods_are_left_alone(seen: Seen) -> Iterator[Violation]:
    """Pods of another node, and pods that say nothing of Ready."""
    silences.flip(seen, "victim")
    returns = seen.mark("victim returns").at
    for role, wanted in (("neighbour", "True"), ("mute", None)):
        story = seen.pod(role)
        began = next((e.at for e in story.events if e.after and conditions.status(e.after, "Ready") == wanted), None)
        if began is None:
            raise NotExercised(f"Ready of pod {role} never was {wanted or 'absent'}", about=story.name)
        for event in story.since(began).until(returns).events:
            found = conditions.status(event.after, "Ready")
            if found != wanted:
                got = f"Ready={found}" if event.after else "it was removed"
                want = f"Ready of pod {role} left {wanted or 'absent'}"
                yield Violation(want=want, got=got, at=event.at, about=(story.name, seen.name("victim")))
                break


@judges("M-RDY-03", reads=services)
def test_only_the_returning_node_makes_its_pods_ready(seen: Seen) -> Iterator[Violation]:
    _marked(seen, "patient")
    recovered, attended = seen.mark("victim recovered").at, seen.mark("victim looks after its pods").at
    story = seen.pod("patient")
    if conditions.status(story.state_at(recovered), "Ready") != "False":
        raise NotExercised("the pod was not marked not ready when its node came back", about=story.name)
    turn = conditions.turned(story.since(recovered), "Ready", "True")
    about = (story.name, seen.name("victim"))
    if turn is None:
        want = "Ready=True kept that the returning node writes"
        yield Violation(want=want, got="Ready=False to the end", about=about)
    elif turn.at < attended:
        got = f"Ready=True {turn.at - recovered:.2f} s after the node's recovery, and the node did not write it"
        yield Violation(want="Ready=False until the node writes the pod's status", got=got, at=turn.at, about=about)


@judges("M-RDY-07", reads=services)
def test_a_ready_pod_that_comes_to_a_lost_node_is_marked_once(seen: Seen) -> Iterator[Violation]:
    bound = windows.between(seen, "latecomer bound sent", "latecomer bound answered", "it was bound to the lost node")
    story = seen.pod("latecomer")
    if conditions.status(story.state_at(bound.sent), "Ready") != "True":
        raise NotExercised("the pod was not Ready when it was bound", about=story.name)
    returns = seen.mark("victim returns").at
    turn = conditions.turned(story.since(bound.sent), "Ready", "False")
    limit = seen.timing.pods_marked_not_ready()
    about = (story.name, seen.name("victim"))
    at = turn.at if turn else None
    yield from windows.misses("Ready=False of the pod", at, bound, limit, until=returns, about=about)
    if turn is not None:
        again = conditions.turned(story.since(turn.at), "Ready", "True")
        late = again and conditions.turned(story.since(again.at).until(returns), "Ready", "False")
        if late:
            want = "Ready=True kept, which was written after that"
            yield Violation(want=want, got="it was set False once more", at=late.at, about=about)


@judges("M-RDY-01", reads=services)
def test_a_pod_that_is_evicted_is_marked_before(seen: Seen) -> None:
    """Readiness does not wait for the eviction: clients stop using the pod long before it goes."""
    turn = _marked(seen, "brief")
    deletion = pods.deletion(seen.pod("brief"))
    if deletion is None:
        raise NotExercised("the pod was not evicted", about=seen.name("brief"))
    if deletion.at < turn.at:
        want = "Ready=False before the deletion"
        raise Violation(want=want, got="the deletion came first", at=deletion.at, about=seen.name("brief"))
