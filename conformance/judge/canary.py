"""What the canary's fate says of a target's features.

A feature is absent only when nothing at all was seen of it: what works wrongly is there, and for cases to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from conformance.claims import NOT_LOOKED, Presence, Sign
from conformance.judge import conditions, events, taints
from conformance.judge.pods import bound_to, terminating
from conformance.judge.seen import Seen
from conformance.judge.taints import NO_EXECUTE, NO_SCHEDULE
from conformance.naming import RUN_LABEL
from conformance.record.history import Object


def signs(seen: Seen, features: Iterable[str]) -> dict[str, Sign]:
    """What was seen of some features; nothing of those that the canary was not sent for."""
    marks = {mark.name: mark for mark in seen.history.marks}
    found = {}
    for name in features:
        refused = marks.get(f"refused for {name}")
        if refused is not None:
            found[name] = Sign(Presence.UNKNOWN, f"the canary was refused: {refused.facts['why']}")
        else:
            found[name] = _LOOKS[name](seen) if f"sent for {name}" in marks else NOT_LOOKED
    return found


def _scheduler(seen: Seen) -> Sign:
    pod = seen.pod("lone")
    node = bound_to(pod.last) or next((bound_to(event.after) for event in pod.events if bound_to(event.after)), "")
    if node:
        return Sign(Presence.SEEN, "it bound the canary's pod")
    said = conditions.condition(pod.last, "PodScheduled")
    refused = next(events.said(seen, "lone", "FailedScheduling"), None)
    barrier = _barrier(seen)
    if barrier and (said or refused):
        return Sign(Presence.BLOCKED, f"no pod can be scheduled: the canary's node keeps the taint {barrier}")
    if said or refused:
        text = refused.message if refused else said.get("message") if said else ""
        return Sign(Presence.SEEN, f"it refused the canary's pod: {text}")
    return Sign(Presence.ABSENT, f"no sign of a scheduler: {_for(seen)} nobody bound the canary's pod or said why not")


def _replication(seen: Seen) -> Sign:
    return _workload(seen, "ReplicationController", "crew", "replication controller")


def _daemonset(seen: Seen) -> Sign:
    sign = _workload(seen, "DaemonSet", "everywhere", "DaemonSet controller")
    made = seen.pods_of("everywhere")
    if sign.presence is Presence.SEEN and not made and _barrier(seen):
        return Sign(Presence.BLOCKED, f"no daemon pod can come: the canary's node keeps the taint {_barrier(seen)}")
    if made and not any(bound_to(event.after) for story in made for event in story.events):
        return Sign(Presence.BLOCKED, f"the DaemonSet controller makes pods, but {_for(seen)} nobody bound them")
    return sign


def _workload(seen: Seen, kind: str, role: str, who: str) -> Sign:
    if seen.pods_of(role):
        return Sign(Presence.SEEN, "it made the canary's pod")
    state = seen.story(kind, role).last or {}
    if (state.get("status") or {}).get("observedGeneration"):
        return Sign(Presence.SEEN, f"it wrote the status of the canary's {kind}")
    if next(events.said(seen, role), None):
        return Sign(Presence.SEEN, f"it wrote an event on the canary's {kind}")
    return Sign(Presence.ABSENT, f"no sign of a {who}: {_for(seen)} it made no pod for the canary's {kind}")


def _endpoints(seen: Seen) -> Sign:
    front = seen.name("front")
    slices = (story.events[0].after or {} for story in seen.history.stories("EndpointSlice"))
    owners = [(state["metadata"].get("labels") or {}).get("kubernetes.io/service-name") for state in slices if state]
    if seen.story("Endpoints", "front").events or front in owners:
        return Sign(Presence.SEEN, "it made the endpoints of the canary's Service")
    return Sign(
        Presence.ABSENT, f"no sign of a controller of Endpoints: {_for(seen)} none came for the canary's Service"
    )


def _lifecycle(seen: Seen) -> Sign:
    if next(events.said(seen, "perch", "RegisteredNode"), None):
        return Sign(Presence.SEEN, "it announced the canary's node")
    carried = [bool(_foreign(event.after)) for event in seen.node("perch").events]
    if any(carried) and not carried[-1]:
        return Sign(Presence.SEEN, "it took the first taint off the canary's node")
    return Sign(
        Presence.ABSENT, f"no sign of a node lifecycle controller: {_for(seen)} nobody announced the canary's node"
    )


def _eviction(seen: Seen) -> Sign:
    story = seen.pod("guest")
    if story.events and (story.last is None or terminating(story.last)):
        return Sign(Presence.SEEN, "it evicted the canary's pod from a tainted node")
    return Sign(Presence.ABSENT, f"no sign of taint-based eviction: {_for(seen)} the canary's pod stayed")


_LOOKS: Mapping[str, Callable[[Seen], Sign]] = {
    "scheduler": _scheduler,
    "replication": _replication,
    "daemonset": _daemonset,
    "endpoints": _endpoints,
    "lifecycle": _lifecycle,
    "eviction": _eviction,
}


def _barrier(seen: Seen) -> str:
    """A taint on the canary's node that the suite did not put there; empty when there is none."""
    return next(iter(_foreign(seen.node("perch").last)), "")


def _foreign(state: Object | None) -> list[str]:
    return [
        f"{key}:{effect}"
        for key, effect in sorted(taints.taints(state))
        if key != RUN_LABEL and effect in (NO_SCHEDULE, NO_EXECUTE)
    ]


def _for(seen: Seen) -> str:
    began = seen.history.marks[0].at if seen.history.marks else seen.history.until
    return f"for {seen.history.until - began:.0f} s"
