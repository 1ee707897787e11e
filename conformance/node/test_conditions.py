"""An agent says how its node is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from conformance.drive.scenarios.node.foreign_edits import WEATHER, agent_foreign_edits
from conformance.drive.scenarios.node.start import agent_start
from conformance.drive.scenarios.node.unhealthy import agent_pressed
from conformance.judge import agent_requests as wire
from conformance.judge.agent import AgentSeen
from conformance.judge.conditions import all_conditions, changes, condition
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

OWNED = ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
FIELDS = ("reason", "message", "lastHeartbeatTime", "lastTransitionTime")
HEALTHY = {
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    "OutOfDisk": ("False", "KubeletHasSufficientDisk", "kubelet has sufficient disk space available"),
    "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
}


def _owned(seen: AgentSeen) -> tuple[str, ...]:
    """Condition types of an agent of that version, in order."""
    if seen.facts.minor >= 13:
        return OWNED
    return ("OutOfDisk", "MemoryPressure", "DiskPressure", "Ready")


@judges("N-CND-01", reads=agent_start)
def test_readiness_is_reported(seen: AgentSeen) -> Iterator[Violation]:
    wire.registration(seen)
    for event in seen.node.events:
        ready = condition(event.after, "Ready") or {}
        lacking = [field for field in FIELDS if not ready.get(field)]
        if lacking or ready.get("status") not in ("True", "False", "Unknown"):
            yield Violation(want="a whole Ready condition", got=f"{dict(ready)}", at=event.at, about=seen.node_name)


@judges("N-CND-02", reads=agent_start)
def test_a_new_node_has_its_conditions_in_order(seen: AgentSeen) -> None:
    got = [each["type"] for each in wire.registration(seen)["status"].get("conditions") or []]
    if got != list(_owned(seen)):
        raise Violation(want=f"conditions {list(_owned(seen))}", got=f"{got}", about=seen.node_name)


@judges("N-CND-03", reads=agent_start)
def test_a_healthy_node_has_the_known_words(seen: AgentSeen) -> Iterator[Violation]:
    found = all_conditions(seen.node.last)
    if found.get("Ready", {}).get("status") != "True":
        raise NotExercised("the node did not become Ready", about=seen.node_name)
    for kind in _owned(seen):
        status, reason, message = HEALTHY[kind]
        got = found.get(kind, {})
        if (got.get("status"), got.get("reason")) != (status, reason) or not got["message"].startswith(message):
            yield Violation(
                want=f"{kind} {status}/{reason}: {message}",
                got=f"{got.get('status')}/{got.get('reason')}: {got.get('message')}",
                about=seen.node_name,
            )


@judges("N-CND-05", reads=agent_foreign_edits)
def test_the_transition_time_moves_with_the_status_alone(seen: AgentSeen) -> Iterator[Violation]:
    seen.mark("conditions taken over")
    yield from _moved_alone(seen)


@judges("N-CND-05", reads=agent_pressed)
def test_one_condition_turns_without_the_others(seen: AgentSeen) -> Iterator[Violation]:
    seen.mark("memory free")
    yield from _moved_alone(seen)


def _moved_alone(seen: AgentSeen) -> Iterator[Violation]:
    """Transition times that moved without a turn, or did not move with one."""
    for event in seen.node.events:
        before, after = all_conditions(event.before), all_conditions(event.after)
        for kind in before.keys() & after.keys():
            turned = before[kind]["status"] != after[kind]["status"]
            moved = before[kind].get("lastTransitionTime") != after[kind].get("lastTransitionTime")
            # Timestamps have whole seconds: a second turn within one shows no difference.
            fresh = after[kind].get("lastTransitionTime") == after[kind].get("lastHeartbeatTime")
            if turned != moved and not (turned and fresh):
                yield Violation(
                    want=f"lastTransitionTime of {kind} {'moved' if turned else 'kept'}",
                    got=f"{before[kind]} became {after[kind]}",
                    at=event.at,
                    about=seen.node_name,
                )


@judges("N-CND-06", reads=agent_pressed)
def test_a_turn_is_told_with_its_own_time(seen: AgentSeen) -> Iterator[Violation]:
    wire.registration(seen)
    for kind in _owned(seen):
        for change in changes(seen.node, kind):
            after = change.after or {}
            if after and after.get("lastTransitionTime") != after.get("lastHeartbeatTime"):
                want = f"{kind} turned at the time of the heartbeat that tells it"
                yield Violation(want=want, got=f"{dict(after)}", at=change.at, about=seen.node_name)


@judges("N-CND-06", reads=agent_start)
def test_a_new_condition_turned_when_it_was_first_told(seen: AgentSeen) -> Iterator[Violation]:
    for each in wire.registration(seen)["status"].get("conditions") or ():
        if each.get("lastTransitionTime") != each.get("lastHeartbeatTime"):
            want = f"{each['type']} with lastTransitionTime and lastHeartbeatTime alike"
            yield Violation(want=want, got=f"{each}", about=seen.node_name)


@judges("N-CND-06", reads=agent_foreign_edits)
def test_all_heartbeats_are_of_one_instant(seen: AgentSeen) -> Iterator[Violation]:
    wire.registration(seen)
    for event in seen.node.events:
        before, after = all_conditions(event.before), all_conditions(event.after)
        beats = {kind: after[kind].get("lastHeartbeatTime") for kind in _owned(seen) if kind in after}
        if all(before.get(kind, {}).get("lastHeartbeatTime") == beat for kind, beat in beats.items()):
            continue
        if len(set(beats.values())) > 1:
            yield Violation(want="one heartbeat time", got=f"{beats}", at=event.at, about=seen.node_name)
        for kind, beat in beats.items():
            earlier = before.get(kind, {}).get("lastHeartbeatTime")
            if earlier and str(beat) < earlier:
                yield Violation(
                    want="no heartbeat going back", got=f"{earlier}, then {beat}", at=event.at, about=seen.node_name
                )
            skew = abs(seen.history.moment(datetime.fromisoformat(str(beat))) - event.at)
            if skew > seen.timing.clock_skew:
                yield Violation(
                    want="the time of the write", got=f"{kind} {skew:.1f} s off", at=event.at, about=seen.node_name
                )


@judges("N-CND-07", reads=agent_foreign_edits)
def test_a_live_node_is_not_unknown(seen: AgentSeen) -> Iterator[Violation]:
    taken = seen.mark("conditions taken over")
    by = taken.at + seen.timing.status_tick().latest
    overwritten = next((event for event in seen.node.since(taken.at).events), None)
    if overwritten is None or (condition(overwritten.after, "Ready") or {}).get("status") != "Unknown":
        raise NotExercised("the conditions were not taken over", about=seen.node_name)
    now, then = all_conditions(seen.node.state_at(by)), all_conditions(overwritten.after)
    for kind in _owned(seen):
        got, was = now.get(kind, {}), then.get(kind, {})
        kept = [field for field in ("status", "reason", "lastTransitionTime") if got.get(field) == was.get(field)]
        if kept:
            yield Violation(
                want=f"{kind} told by the agent again within {seen.timing.status_tick()}",
                got=f"{', '.join(kept)} as the controller wrote: {dict(got)}",
                at=by,
                about=seen.node_name,
            )


@judges("N-CND-08", reads=agent_foreign_edits)
def test_conditions_of_others_stay(seen: AgentSeen) -> None:
    taken = seen.mark("conditions taken over").at
    written = next((condition(e.after, WEATHER) for e in seen.node.since(taken).events), None)
    if written is None:
        raise NotExercised("no condition was added", about=seen.node_name)
    for event in seen.node.since(taken).events:
        got = condition(event.after, WEATHER)
        if got != written:
            raise Violation(want=f"{dict(written)}", got=f"{got}", at=event.at, about=seen.node_name)
