"""What must hold all the time, whatever happens in whatever order: pure functions over a whole scenario."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from conformance.judge import conditions, pods
from conformance.judge.seen import Seen
from conformance.record.history import Beat, Object, ObjectEvent, Story
from conformance.verdict import Violation

_GRAIN = 0.001


def overbooked(seen: Seen, resource: str) -> Iterator[Violation]:
    """At no time do the pods of a node ask for more of a whole-numbered resource than it offers."""
    taken: dict[str, tuple[str, int]] = {}
    for event in seen.history.events:
        if event.kind != "Pod":
            continue
        taken.pop(event.name, None)
        node = pods.bound_to(event.after)
        if event.after is None or not node or pods.ended(event.after):
            continue
        taken[event.name] = (node, _asked(event.after, resource))
        asked = sum(amount for where, amount in taken.values() if where == node)
        offered = _offered(seen.history.story("Node", node), resource, event.at, seen.timing.watch_lag)
        if asked > offered:
            want = f"at most {offered} of {resource} asked for on node {node}"
            yield Violation(want=want, got=f"{asked} with pod {event.name}", at=event.at, about=(node, event.name))


def evicted_early(seen: Seen) -> Iterator[Violation]:
    """No pod that nobody deleted is deleted before a taint of its node calls for it, and its toleration has ended.

    Pods of a controller are left out: it may delete what it has too many.
    """
    for story in seen.history.stories("Pod"):
        deletion = pods.deletion(story)
        if deletion is None or _owned(story) or _wanted_away(seen, story.name, deletion.at):
            continue
        state = story.state_at(deletion.at - _GRAIN / 1000) or story.events[-1].before
        node = pods.bound_to(state)
        due = _due(seen.history.story("Node", node), story, state, deletion.at) if node else math.inf
        if deletion.at < due - seen.timing.watch_lag - _GRAIN:
            why = "no taint called for it" if math.isinf(due) else f"its time ended {due - deletion.at:.2f} s later"
            want = f"pod {story.name} left where it is until its toleration ends"
            yield Violation(want=want, got=f"deleted, though {why}", at=deletion.at, about=(story.name, node))


def restamped(seen: Seen) -> Iterator[Violation]:
    """When the master writes a node's conditions, a transition time moves exactly when the status does."""
    for story in seen.history.stories("Node"):
        for event in story.events:
            yield from _restamped(event)


def misjudged(seen: Seen) -> Iterator[Violation]:
    """No node is given up before its grace period is over, and none stays Ready for long after it."""
    for story in seen.history.stories("Node"):
        beats = [beat for beat in seen.history.beats if beat.node == story.name]
        yield from _given_up_early(seen, story, beats)
        yield from _unnoticed(seen, story, beats)


def miscounted(seen: Seen, role: str, replicas: int, since: float) -> Iterator[Violation]:
    """From a moment on, a controller has as many live pods as it should."""
    stories = seen.pods_of(role)
    moments = [since, *(e.at for story in stories for e in story.events if e.at > since)]
    for at in sorted(moments):
        live = [story.name for story in stories if _live(story.state_at(at))]
        if len(live) != replicas:
            got = f"{len(live)}: {', '.join(live) or 'none'}"
            yield Violation(want=f"{replicas} live pods of {role}", got=got, at=at, about=(seen.name(role), *live))
            return


# Pods and what they ask


def _live(state: Object | None) -> bool:
    return state is not None and not pods.terminating(state) and not pods.ended(state)


def _asked(state: Object, resource: str) -> int:
    containers: Iterable[Mapping[str, Any]] = state["spec"].get("containers") or []
    requests = ((container.get("resources") or {}).get("requests") or {} for container in containers)
    return sum(int(each.get(resource, 0)) for each in requests)


def _offered(node: Story, resource: str, at: float, lag: float) -> int:
    """The most that a node may have offered at a moment of another watch, which may be ahead or behind."""
    around = (event.after for event in node.events if at - lag < event.at <= at + lag)
    return max(int(_offers(state, resource)) for state in (node.state_at(at - lag), *around))


def _offers(state: Object | None, resource: str) -> str:
    allocatable = ((state or {}).get("status") or {}).get("allocatable") or {}
    return str(allocatable.get(resource, 0))


# Evictions


def _owned(story: Story) -> bool:
    return any((event.after or {}).get("metadata", {}).get("ownerReferences") for event in story.events)


def _wanted_away(seen: Seen, name: str, at: float) -> bool:
    """Whether the scenario itself asked for a pod's deletion before it was seen."""
    asked = (mark.at for mark in seen.history.marks if seen.name(mark.name.removesuffix(" deletion sent")) == name)
    return any(moment <= at + seen.timing.watch_lag for moment in asked)


def _due(node: Story, pod: Story, state: Object | None, at: float) -> float:
    """When a pod's time ends: the earliest end that any taint of the stretch before a moment sets."""
    bound = next((event.at for event in pod.events if pods.bound_to(event.after)), at)
    ends = [
        max(since, bound) + seconds
        for taint, since in _stretch(node, at)
        if (seconds := _tolerated(state, taint)) is not None
    ]
    return min(ends, default=math.inf)


def _stretch(node: Story, at: float) -> list[tuple[Mapping[str, Any], float]]:
    """The NoExecute taints a node has had, with their beginnings, since it last had none."""
    found: list[tuple[Mapping[str, Any], float]] = []
    present: list[tuple[str, str]] = []
    for event in node.until(at).events:
        taints = [t for t in ((event.after or {}).get("spec") or {}).get("taints") or [] if t["effect"] == "NoExecute"]
        keys = [(taint["key"], taint.get("value") or "") for taint in taints]
        if not keys:
            found = []
        found += [(taint, event.at) for taint, key in zip(taints, keys, strict=True) if key not in present]
        present = keys
    return found


def _tolerated(state: Object | None, taint: Mapping[str, Any]) -> float | None:
    """Seconds that a pod tolerates a taint: 0 when it does not, None for ever."""
    entries = [entry for entry in ((state or {}).get("spec") or {}).get("tolerations") or [] if _matches(entry, taint)]
    if not entries:
        return 0
    limits = [max(float(e["tolerationSeconds"]), 0) for e in entries if e.get("tolerationSeconds") is not None]
    return min(limits) if limits else None


def _matches(entry: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if entry.get("effect") not in (None, "", taint["effect"]):
        return False
    if entry.get("operator") == "Exists":
        return entry.get("key") in (None, "", taint["key"])
    return entry.get("key") == taint["key"] and (entry.get("value") or "") == (taint.get("value") or "")


# Conditions and heartbeats


def _restamped(event: ObjectEvent) -> Iterator[Violation]:
    old, new = conditions.all_conditions(event.before), conditions.all_conditions(event.after)
    for kind in [kind for kind in new if kind in old]:
        was, now = old[kind], new[kind]
        if was.get("lastHeartbeatTime") != now.get("lastHeartbeatTime"):
            continue  # the node's own write
        moved = was["status"] != now["status"]
        stamped = was.get("lastTransitionTime") != now.get("lastTransitionTime")
        if moved != stamped:
            what = f"{kind} {was['status']} to {now['status']}" if moved else f"{kind} {now['status']} as before"
            got = f"lastTransitionTime {was.get('lastTransitionTime')} to {now.get('lastTransitionTime')}"
            want = "a transition time that moves when the status does, and only then"
            yield Violation(want=want, got=f"{what}, {got}", at=event.at, about=event.name)


def _given_up_early(seen: Seen, story: Story, beats: list[Beat]) -> Iterator[Violation]:
    grace = seen.timing.unknown_after_silence().earliest
    for turn in _turns(story):
        landed = [beat for beat in beats if beat.ok and beat.answered <= turn]
        if landed and turn - landed[-1].sent < grace:
            got = f"Ready=Unknown {turn - landed[-1].sent:.2f} s after a heartbeat"
            yield Violation(want=f"no Ready=Unknown within {grace:g} s", got=got, at=turn, about=story.name)


def _unnoticed(seen: Seen, story: Story, beats: list[Beat]) -> Iterator[Violation]:
    limit = seen.timing.unknown_after_silence().latest
    for last, following in zip(beats, [*beats[1:], None], strict=True):
        until = following.sent if following else seen.history.until
        heard = conditions.status(story.state_at(last.answered), "Ready") not in ("Unknown", None)
        if not last.ok or not heard or until - last.answered <= limit:
            continue
        if not any(last.sent < turn <= last.answered + limit for turn in _turns(story)):
            got = "still Ready"
            want = f"Ready=Unknown within {limit:g} s of the last heartbeat"
            yield Violation(want=want, got=got, at=last.answered + limit, about=story.name)


def _turns(story: Story) -> list[float]:
    """The moments at which Ready became Unknown."""
    turned = (c for c in conditions.changes(story, "Ready") if c.after and c.after["status"] == "Unknown")
    return [change.at for change in turned]
