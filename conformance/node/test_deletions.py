"""An agent ends pods that are deleted, and lets go of them in the proper order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.drive.scenarios.node.deletions import (
    FORGOTTEN,
    GRACES,
    HOOK,
    KEPT,
    LEFT,
    PATIENCE,
    ROLES,
    SHORT,
    SPEC_GRACE,
    agent_deletions,
)
from conformance.judge import agent_pods as pods
from conformance.judge import pod_lives
from conformance.judge.agent import AgentSeen
from conformance.judge.agent_requests import WRITES, since
from conformance.judge.pods import TERMINAL
from conformance.record.history import Object, ObjectEvent
from conformance.scenario import judges
from conformance.timing import Window
from conformance.verdict import NotExercised, Violation

KILLED: Mapping[str, int] = {"stubborn": 5, "hurried": 1, "hooked": 10, "together": 5, "by-its-spec": SPEC_GRACE}
"""Pods that do not end by themselves, and what they get."""
BY_KILL = 137
BEFORE = "before the absence"
GOING = (*(role for role in GRACES if role != "held"), LEFT)


def _deleted(seen: AgentSeen, role: str) -> float:
    """When a pod's deletion was asked for.

    Raises:
        NotExercised: it was not there, or not deleted.
    """
    if role not in seen.mark("pods run").facts["pods"]:
        raise NotExercised(f"{role} did not come up", about=seen.naming.name(role))
    return seen.mark(f"{role} deleted").at


def _went(seen: AgentSeen, role: str) -> ObjectEvent | None:
    """The end of a pod's object."""
    return next((event for event in seen.pod(role).events if event.after is None), None)


@judges("N-DEL-01", reads=agent_deletions)
def test_a_deleted_pod_is_removed(seen: AgentSeen) -> Iterator[Violation]:
    window = seen.timing.pod_removed(PATIENCE, len(ROLES))
    for role in GOING:
        asked, about = _deleted(seen, role), seen.naming.name(role)
        start = seen.mark("pods can be read").at if role == LEFT else asked
        latest = window.latest + (seen.timing.rewatched().latest if role == LEFT else 0)
        gone, removal = _went(seen, role), next(iter(pods.removals(seen, role)), None)
        if gone is None or gone.at - start > latest:
            got = "it is there" if gone is None else f"{gone.at - start:.2f} s"
            yield Violation(want=f"the object removed within {latest:.1f} s", got=got, at=asked, about=about)
        if removal is None:
            yield Violation(want="a DELETE from the agent", got="none", at=asked, about=about)
            continue
        options = pods.delete_options(removal)
        if options.get("gracePeriodSeconds") != 0:
            yield Violation(want="gracePeriodSeconds 0", got=f"{options}", at=removal.sent, about=about)
        if "kubelet" in seen.facts.profiles and (options.get("preconditions") or {}).get("uid") != _uid(seen, role):
            yield Violation(want="a precondition on the uid", got=f"{options}", at=removal.sent, about=about)


def _uid(seen: AgentSeen, role: str) -> str:
    return seen.pod(role).events[0].uid


@judges("N-DEL-02", reads=agent_deletions)
def test_a_container_gets_its_grace_and_no_more(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("runs_containers")
    for role, grace in KILLED.items():
        yield from _killed(seen, role, _deleted(seen, role), seen.timing.container_killed(grace))
    patient = _ended(seen, "patient")
    if patient is None or patient - _deleted(seen, "patient") > seen.timing.container_killed(0).latest:
        want = "a container that ends when it is told to, well before its grace is over"
        yield Violation(want=want, got="it was not told", about=seen.naming.name("patient"))


def _killed(seen: AgentSeen, role: str, asked: float, window: Window) -> Iterator[Violation]:
    ended = _ended(seen, role)
    if ended is None or ended - asked not in window:
        got = "never" if ended is None else f"{ended - asked:.2f} s"
        yield Violation(want=f"containers killed {window}", got=got, at=asked, about=seen.naming.name(role))


def _ended(seen: AgentSeen, role: str) -> float | None:
    """When a pod was first told to have no running container, or removed."""
    for event in seen.pod(role).events:
        listed = pods.containers(event.after)
        if event.after is None or (listed and all(map(pods.terminated, listed))):
            return event.at
    return None


@judges("N-DEL-02", reads=agent_deletions)
def test_a_container_is_told_to_end_when_its_hook_has_run(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("runs_containers")
    window = Window(HOOK * 0.95, HOOK + seen.timing.container_killed(0).latest)
    yield from _killed(seen, "hook-first", _deleted(seen, "hook-first"), window)


@judges("N-POD-08", reads=agent_deletions)
def test_a_killed_container_is_told_to_have_been(seen: AgentSeen) -> None:
    seen.needs("runs_containers")
    _deleted(seen, "stubborn")
    gone, about = _went(seen, "stubborn"), seen.naming.name("stubborn")
    ends = [pods.terminated(each) for each in pods.containers(gone.before if gone else None)]
    if gone is None or not ends or None in ends:
        raise NotExercised("its end was not told", about=about)
    codes = [(end or {}).get("exitCode") for end in ends]
    if codes != [BY_KILL]:
        raise Violation(
            want=f"exit code {BY_KILL}: 128 and the signal's number", got=f"{codes}", at=gone.at, about=about
        )


@judges("N-DEL-03", reads=agent_deletions)
def test_a_pod_is_removed_after_its_containers_ended(seen: AgentSeen) -> Iterator[Violation]:
    for role in (*GOING, "shortened"):
        _deleted(seen, role)
        gone = _went(seen, role)
        state = gone.before if gone is not None and pods.removals(seen, role) else None
        alive = [x["name"] for x in pods.containers(state) if not pods.terminated(x) and not pods.waiting(x)]
        if gone is not None and alive:
            want = "all containers told to have ended before the DELETE"
            yield Violation(want=want, got=f"{alive} not", at=gone.at, about=seen.naming.name(role))


@judges("N-DEL-04", reads=agent_deletions)
def test_a_pod_has_ended_before_it_is_removed(seen: AgentSeen) -> Iterator[Violation]:
    for role in GOING:
        _deleted(seen, role)
        gone = _went(seen, role)
        phase = pods.phase(gone.before) if gone else ""
        if gone is not None and phase not in TERMINAL:
            want = "Succeeded or Failed in the last status"
            yield Violation(want=want, got=phase, at=gone.at, about=seen.naming.name(role))


@judges("N-DEL-05", reads=agent_deletions)
def test_nothing_is_removed_that_nobody_deleted(seen: AgentSeen) -> Iterator[Violation]:
    seen.mark("pods run")
    for removal in pods.all_removals(seen):
        name = pods.pod_name(removal)
        state = seen.history.story("Pod", name).state_at(removal.sent)
        if state is not None and "deletionTimestamp" not in state["metadata"]:
            want = "no DELETE of a pod that nobody asked to delete"
            yield Violation(want=want, got="one", at=removal.sent, about=name)
        precondition = (pods.delete_options(removal).get("preconditions") or {}).get("uid")
        if "kubelet" in seen.facts.profiles and not precondition:
            yield Violation(want="a DELETE with a precondition on the uid", got="none", at=removal.sent, about=name)


@judges("N-DEL-06", reads=agent_deletions)
def test_a_pod_that_never_started_goes_at_once(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("runs_containers")
    asked, gone = _deleted(seen, "unstarted"), _went(seen, "unstarted")
    latest = seen.timing.pod_removed(0, len(ROLES)).latest
    if gone is None or gone.at - asked > latest:
        got = "it is there" if gone is None else f"{gone.at - asked:.2f} s"
        about = seen.naming.name("unstarted")
        yield Violation(want=f"the object removed within {latest:.1f} s", got=got, at=asked, about=about)


@judges("N-DEL-07", reads=agent_deletions)
def test_a_pod_that_vanished_is_ended_in_silence(seen: AgentSeen) -> Iterator[Violation]:
    for role in ("vanishing", FORGOTTEN):
        after = _deleted(seen, role)
        about = seen.naming.name(role)
        for each in since(seen.requests(WRITES, pods.path(seen, role) + "(/.*)?"), after):
            yield Violation(want="no write to a pod that is gone", got=each.method, at=each.sent, about=about)
        for each in since(seen.requests("POST", pods.PODS), after):
            if about in each.request:
                yield Violation(want="a pod that is gone not made again", got="a POST", at=each.sent, about=about)
        yield from _nothing_left(seen, role, _uid(seen, role), "containers" if role == FORGOTTEN else BEFORE)


def _nothing_left(seen: AgentSeen, role: str, uid: str, mark: str) -> Iterator[Violation]:
    """Containers of a pod that the API does not have, where the driver can list them."""
    if "lists_containers" in seen.facts.abilities:
        left = [each["name"] for each in pods.on_node(seen.mark(mark).facts["listed"], uid)]
        if left:
            yield Violation(want="its containers ended", got=f"{left} run", about=seen.naming.name(role))


@judges("N-DEL-08", reads=agent_deletions)
def test_a_successor_of_the_same_name_is_another_pod(seen: AgentSeen) -> Iterator[Violation]:
    asked, about = _deleted(seen, "reborn"), seen.naming.name("reborn")
    old = seen.mark("pods run").facts["pods"]["reborn"]
    new = next((e.uid for e in seen.pod("reborn").events if e.uid != old["metadata"]["uid"]), None)
    if new is None:
        raise NotExercised("there was no successor", about=about)
    for each in since(pods.status_writes(seen, "reborn"), asked + seen.timing.slack):
        if pods.written_uid(each) not in (new, ""):
            yield Violation(want="writes to the successor alone", got=each.request, at=each.sent, about=about)
    life = pods.of_uid(seen.pod("reborn"), new)
    first = next((e for e in life.events if pods.status(e.after).get("startTime")), None)
    if first is None or pods.phase(life.last) != "Running":
        yield Violation(want="a successor that runs", got=pods.phase(life.last), at=asked, about=about)
    for event in life.events:
        inherited = _inherited(old, event.after)
        if inherited:
            want = "nothing of the predecessor in the successor's status"
            yield Violation(want=want, got=inherited, at=event.at, about=about)
    yield from _nothing_left(seen, "reborn", old["metadata"]["uid"], BEFORE)


def _inherited(old: Object, new: Object | None) -> str:
    before, after = pods.status(old), pods.status(new)
    ids = {each.get("containerID") for each in pods.containers(old)} - {None}
    if any(each.get("containerID") in ids for each in pods.containers(new)):
        return "the predecessor's containers"
    return "its startTime" if before.get("startTime") == after.get("startTime") else ""


@judges("N-DEL-09", reads=agent_deletions)
def test_after_an_absence_each_pod_meets_its_fate(seen: AgentSeen) -> Iterator[Violation]:
    for role in (KEPT, LEFT, FORGOTTEN):
        if role not in seen.mark("pods run").facts["pods"]:
            raise NotExercised(f"{role} did not come up", about=seen.naming.name(role))
    read = seen.mark("pods can be read").at
    gone = _went(seen, LEFT)
    if gone is None:
        yield Violation(want="what was deleted meanwhile removed", got="it is there", at=read, about=LEFT)
    yield from _nothing_left(seen, FORGOTTEN, _uid(seen, FORGOTTEN), "containers")
    if "runs_containers" in seen.facts.abilities:
        before, now = seen.mark("pods run").facts["pods"][KEPT], pods.last(seen, KEPT)
        yield from _untouched(seen, before, now)


def _untouched(seen: AgentSeen, before: Object, now: Object) -> Iterator[Violation]:
    facts: list[list[Any]] = [
        [pods.phase(state), [(x.get("containerID"), x.get("restartCount")) for x in pods.containers(state)]]
        for state in (before, now)
    ]
    if facts[0] != facts[1]:
        yield Violation(want=f"a pod that runs on: {facts[0]}", got=f"{facts[1]}", about=seen.naming.name(KEPT))


@judges("N-DEL-09", reads=agent_deletions)
def test_nothing_is_ended_before_the_pods_were_read(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("lists_containers")
    for role in (KEPT, FORGOTTEN):
        if role not in seen.mark("pods run").facts["pods"]:
            raise NotExercised(f"{role} did not come up", about=seen.naming.name(role))
        if not pods.on_node(seen.mark("unread").facts["listed"], _uid(seen, role)):
            want = "containers that run on while the agent cannot know its pods"
            at = seen.mark("unread").at
            yield Violation(want=want, got="they were ended", at=at, about=seen.naming.name(role))


@judges("N-POD-05", reads=agent_deletions)
def test_times_outlive_a_restart(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("runs_containers")
    seen.mark("pods can be read")
    for role in (KEPT, LEFT):
        yield from pod_lives.moved(seen, role)


@judges("N-POD-06", reads=agent_deletions)
def test_phases_outlive_a_restart(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("runs_containers")
    seen.mark("pods can be read")
    for role in (KEPT, LEFT, *GRACES):
        yield from pod_lives.gone_back(seen, role)


@judges("N-X-22", reads=agent_deletions)
def test_a_pod_under_a_finalizer_is_left_in_peace(seen: AgentSeen) -> Iterator[Violation]:
    held, released, about = seen.mark("held").at, seen.mark("released").at, seen.naming.name("held")
    if not pods.removals(seen, "held"):
        raise NotExercised("the agent never tried to remove the pod", about=about)
    begin = pods.removals(seen, "held")[0].sent
    tries = since(pods.removals(seen, "held"), begin, released)
    most = 2 + int((released - begin) / seen.timing.pod_sync())
    if len(tries) > most:
        got = f"{len(tries)} in {released - begin:.0f} s"
        yield Violation(want=f"at most {most} tries to remove it", got=got, at=held, about=about)
    for event in seen.pod("held").since(held).events:
        alive = [each["name"] for each in pods.containers(event.after) if pods.is_running(each)]
        if alive:
            yield Violation(want="no container started again", got=f"{alive} run", at=event.at, about=about)


@judges("N-X-23", reads=agent_deletions)
def test_a_shorter_grace_takes_effect(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("runs_containers")
    _deleted(seen, "shortened")
    again = seen.mark("shortened again").at
    yield from _killed(seen, "shortened", again, seen.timing.container_killed(SHORT))
