"""An agent runs, restarts and reports containers as their pods want it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

from conformance.drive.scenarios.node.containers import (
    CODE,
    DEADLINE,
    PODS,
    RESTARTING,
    RESTARTS,
    agent_containers,
)
from conformance.judge import agent_events, pod_lives
from conformance.judge import agent_pods as pods
from conformance.judge.agent import AgentSeen
from conformance.judge.agent_admission import outcome
from conformance.judge.conditions import condition, status, turned
from conformance.record.history import Object
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

ENDS: Mapping[str, str] = {
    "ok-never": "Succeeded",
    "bad-never": "Failed",
    "ok-onfailure": "Succeeded",
    "init-bad": "Failed",
}
CONTAINERS_READY = 11
DEADLINE_WORDS = ("Failed", "DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


def _restarts(state: Object | None) -> int:
    return max((int(each.get("restartCount") or 0) for each in pods.containers(state)), default=0)


@judges("N-POD-07", reads=agent_containers)
def test_the_restart_policy_decides_how_a_pod_ends(seen: AgentSeen) -> Iterator[Violation]:
    at = seen.mark("lives over").at
    for role, want in ENDS.items():
        state, about = seen.pod(role).state_at(at), seen.naming.name(role)
        if pods.phase(state) != want or _restarts(state):
            got = f"{pods.phase(state)}, {_restarts(state)} restarts"
            yield Violation(want=f"{want} without restarts", got=got, at=at, about=about)
    for role in RESTARTING:
        state, about = seen.pod(role).state_at(at), seen.naming.name(role)
        if pods.phase(state) != "Running" or _restarts(state) < RESTARTS:
            got = f"{pods.phase(state)}, {_restarts(state)} restarts"
            yield Violation(want=f"Running, restarted {RESTARTS} times", got=got, at=at, about=about)
    ended = pods.first(seen, "bad-never", "Failed")
    alive = [each["name"] for each in pods.containers(ended.after) if not pods.terminated(each)]
    if alive:
        want = "Failed when all containers have ended"
        yield Violation(want=want, got=f"{alive} had not", at=ended.at, about=seen.naming.name("bad-never"))


@judges("N-POD-08", reads=agent_containers)
def test_the_end_of_a_container_is_told(seen: AgentSeen) -> Iterator[Violation]:
    seen.mark("lives over")
    for role, name, code in (("ok-never", "shell", 0), ("bad-never", "bad", CODE), ("crashing", "shell", CODE)):
        told = list(pods.runs(seen, role, name))
        if not told:
            raise NotExercised(f"no end of {role} was told", about=seen.naming.name(role))
        for at, end in told:
            if _wrong(end, code):
                got = f"{dict(end)}"
                want = f"exitCode {code}, {'Error' if code else 'Completed'}, times in order, a containerID"
                yield Violation(want=want, got=got, at=at, about=seen.naming.name(role))


def _wrong(end: Mapping[str, Any], code: int) -> bool:
    reason = "Error" if code else "Completed"
    if (end.get("exitCode"), end.get("reason")) != (code, reason) or not end.get("containerID"):
        return True
    begun, over = (str(end.get(name) or "") for name in ("startedAt", "finishedAt"))
    return not begun or not over or datetime.fromisoformat(begun) > datetime.fromisoformat(over)


@judges("N-POD-08", reads=agent_containers)
def test_restarts_are_counted(seen: AgentSeen) -> Iterator[Violation]:
    seen.mark("lives over")
    about, highest, since = seen.naming.name("crashing"), 0, 0.0
    for event in seen.pod("crashing").events:
        each = pods.container(event.after, "shell")
        count = int(each.get("restartCount") or 0)
        if count < highest or event.at - since < _least(seen, highest, count):
            got = f"{count} after {highest}"
            yield Violation(want="each restart counted once, for good", got=got, at=event.at, about=about)
        if pods.is_running(each) and count and pods.terminated(each, "lastState") is None:
            want, got = "the end of the run before as lastState", f"{each.get('lastState')}"
            yield Violation(want=want, got=got, at=event.at, about=about)
        highest, since = max(highest, count), event.at
    runs = pods.attempts(seen, "crashing", "shell")
    for run in runs:
        if len(run.ids) > 1:
            want = f"one container of restart {run.number}, its end told as lastState of the next one"
            yield Violation(want=want, got=f"{run.ids}", about=about)
    ids = [each for run in runs for each in run.ids]
    if len({*ids}) != len(ids) or highest < RESTARTS:
        got = f"{ {run.number: run.ids for run in runs} }"
        yield Violation(want=f"{RESTARTS} restarts, each with an id of its own", got=got, about=about)
    untold = [run.number for run in runs[:RESTARTS] if run.ended is None]
    if untold:
        yield Violation(want="the end of each run told, now or as lastState", got=f"none of {untold}", about=about)


def _least(seen: AgentSeen, before: int, after: int) -> float:
    """Seconds that lie between two reports at least, if all restarts from one to the other were told by the second."""
    return sum(seen.timing.restarted(number).earliest for number in range(before + 2, after + 1))


@judges("N-POD-09", reads=agent_containers)
def test_a_crashing_container_waits_longer_each_time(seen: AgentSeen) -> Iterator[Violation]:
    seen.mark("lives over")
    about = seen.naming.name("crashing")
    runs = pods.attempts(seen, "crashing", "shell")
    if not runs or runs[-1].number < RESTARTS:
        yield Violation(want=f"{RESTARTS} restarts", got=f"{len(runs) - 1}", about=about)
    for number, end, pause in pods.pauses(seen, "crashing", "shell"):
        window = seen.timing.restarted(number)
        if number <= RESTARTS and pause not in window:
            at = seen.history.moment(end)
            yield Violation(want=f"restart {number} {window} after the end", got=f"{pause:.0f} s", at=at, about=about)
    told = list(_backing_off(seen))
    if not told:
        yield Violation(want="waiting CrashLoopBackOff at times", got="never", about=about)
    uid = seen.pod("crashing").events[0].uid
    for at, crashes, said in told:
        wait = _go_duration(seen.timing.crash_wait(crashes))
        text = f"back-off {wait} restarting failed container=shell pod={about}_default({uid})"
        if said != text:
            yield Violation(want=f"CrashLoopBackOff: {text}", got=said, at=at, about=about)


def _backing_off(seen: AgentSeen) -> Iterator[tuple[float, int, str]]:
    """Each time the container was told to wait: when, after how many crashes, and in which words.

    An agent that was restarted may have forgotten how often it crashed before.
    """
    for event in seen.pod("crashing").until(seen.mark("lives over").at).events:
        each = pods.container(event.after, "shell")
        if pods.waiting(each).get("reason") == "CrashLoopBackOff":
            yield event.at, int(each.get("restartCount") or 0) + 1, str(pods.waiting(each).get("message"))


def _go_duration(seconds: float) -> str:
    """Seconds as Go prints a duration."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


@judges("N-POD-10", reads=agent_containers)
def test_init_containers_run_one_by_one_before_the_others(seen: AgentSeen) -> Iterator[Violation]:
    seen.mark("lives over")
    about = seen.naming.name("initialized")
    for event in seen.pod("initialized").events:
        first, second, app = (pods.container(event.after, name) for name in ("z-first", "a-second", "app"))
        for each, earlier in ((second, (first,)), (app, (first, second))):
            done = all((pods.terminated(x) or {}).get("exitCode") == 0 for x in earlier)
            if (pods.is_running(each) or pods.terminated(each)) and not done:
                want = f"{each['name']} started after {[x.get('name') for x in earlier]} succeeded"
                yield Violation(want=want, got="earlier", at=event.at, about=about)
    if pods.phase(seen.pod("initialized").last) != "Running":
        got = pods.phase(seen.pod("initialized").last)
        yield Violation(want="Running when all init containers have succeeded", got=got, about=about)
    failed = pods.last(seen, "init-bad")
    if pods.phase(failed) != "Failed" or not pods.waiting(pods.container(failed, "app")):
        got = f"{pods.phase(failed)}, app {pods.container(failed, 'app').get('state')}"
        want = "Failed by a failed init container, nothing else started"
        yield Violation(want=want, got=got, about=seen.naming.name("init-bad"))


@judges("N-POD-11", reads=agent_containers)
def test_readiness_follows_its_probe(seen: AgentSeen) -> Iterator[Violation]:
    seen.mark("lives over")
    about, ready = seen.naming.name("ready"), turned(seen.pod("ready"), "Ready", "True")
    if ready is None:
        raise NotExercised("the pod was never ready", about=about)
    turns = [status(e.after, "Ready") for e in seen.pod("ready").since(ready.at).events]
    changes = [turns[0], *(after for before, after in pairwise(turns) if before != after)]
    if changes[:3] != ["True", "False", "True"]:
        yield Violation(want="Ready True, False, True, as the probe found", got=f"{changes}", about=about)
    for event in seen.pod("ready").events:
        each = pods.container(event.after, "shell")
        if bool(each.get("ready")) != (status(event.after, "Ready") == "True"):
            got = f"ready {each.get('ready')}, Ready {status(event.after, 'Ready')}"
            yield Violation(want="Ready as its container is", got=got, at=event.at, about=about)
    if any(pods.phase(e.after) != "Running" for e in seen.pod("ready").since(ready.at).events):
        yield Violation(want="Running all the time", got="another phase", about=about)


@judges("N-POD-11", reads=agent_containers)
def test_a_pod_is_ready_when_all_its_containers_are(seen: AgentSeen) -> Iterator[Violation]:
    at, about = seen.mark("lives over").at, seen.naming.name("half-ready")
    state = seen.pod("half-ready").state_at(at)
    if not all(pods.is_running(pods.container(state, name)) for name in ("fine", "never")):
        raise NotExercised("the pod did not run", about=about)
    ready = [pods.container(state, name).get("ready") for name in ("fine", "never")]
    if ready != [True, False]:
        yield Violation(want="one container ready, the other not", got=f"{ready}", at=at, about=about)
    for kind in ("Ready", "ContainersReady") if seen.facts.minor >= CONTAINERS_READY else ("Ready",):
        found = condition(state, kind) or {}
        want = ("False", "ContainersNotReady", "containers with unready status: [never]")
        if tuple(found.get(field) for field in ("status", "reason", "message")) != want:
            yield Violation(want=f"{kind} {want}", got=f"{dict(found)}", at=at, about=about)


@judges("N-POD-11", reads=agent_containers)
def test_a_container_that_does_not_live_is_restarted(seen: AgentSeen) -> Iterator[Violation]:
    at, about = seen.mark("lives over").at, seen.naming.name("live")
    state = seen.pod("live").state_at(at)
    if not _restarts(state) or pods.phase(state) != "Running":
        got = f"{pods.phase(state)}, {_restarts(state)} restarts"
        yield Violation(want="Running and restarted, since its liveness probe fails", got=got, at=at, about=about)


@judges("N-POD-11", reads=agent_containers)
def test_a_container_that_is_well_again_lives_on(seen: AgentSeen) -> None:
    at, about = seen.mark("lives over").at, seen.naming.name("flickering")
    state = seen.pod("flickering").state_at(at)
    if pods.phase(state) != "Running" or _restarts(state):
        got = f"{pods.phase(state)}, {_restarts(state)} restarts"
        want = "Running without a restart, since its probe failed less often than its threshold"
        raise Violation(want=want, got=got, at=at, about=about)


@judges("N-POD-15", reads=agent_containers)
def test_a_pod_ends_at_its_deadline(seen: AgentSeen) -> Iterator[Violation]:
    bound = seen.mark("pods bound").at
    about, begun = seen.naming.name("late"), pods.first_report(seen, "late").at
    if outcome(seen, "late") != DEADLINE_WORDS:
        yield Violation(want=f"{DEADLINE_WORDS}", got=f"{outcome(seen, 'late')}", about=about)
        return
    ended = pods.first(seen, "late", "Failed").at
    latest = DEADLINE + seen.timing.pod_sync() + seen.timing.container_killed(0).latest
    # A start time of whole seconds may lie up to one before the start.
    if ended - bound < DEADLINE - seen.timing.apart or ended - begun > latest:
        want = f"ended {DEADLINE} to {latest:.0f} s after its start"
        yield Violation(want=want, got=f"{ended - begun:.1f} s", at=ended, about=about)
    for removal in pods.removals(seen, "late"):
        yield Violation(want="the object of the pod kept", got="DELETE", at=removal.sent, about=about)


@judges("N-POD-17", reads=agent_containers)
def test_an_ended_pod_has_nothing_that_runs(seen: AgentSeen) -> Iterator[Violation]:
    seen.mark("lives over")
    for role in PODS:
        yield from pod_lives.half_ended(seen, role)


@judges("N-POD-05", reads=agent_containers)
def test_times_stay_through_restarts(seen: AgentSeen) -> Iterator[Violation]:
    seen.mark("lives over")
    for role in PODS:
        yield from pod_lives.moved(seen, role)


@judges("N-POD-06", reads=agent_containers)
def test_phases_go_forward_through_restarts(seen: AgentSeen) -> Iterator[Violation]:
    seen.mark("lives over")
    for role in PODS:
        yield from pod_lives.gone_back(seen, role)


@judges("N-X-19", reads=agent_containers)
def test_a_pod_without_image_waits(seen: AgentSeen) -> Iterator[Violation]:
    seen.mark("lives over")
    wanted = {
        "no-image": ["ErrImagePull", "ImagePullBackOff"],
        "never-pulled": ["ErrImageNeverPull"],
        "misnamed": ["InvalidImageName"],
    }
    for role, words in wanted.items():
        about = seen.naming.name(role)
        states = [event.after for event in seen.pod(role).events]
        reasons = [str(pods.waiting(each).get("reason")) for state in states for each in pods.containers(state)]
        told = list(dict.fromkeys(reason for reason in reasons if reason in {*words}))
        # What passes soon may be told together with what follows it; then an Event may still tell of it.
        due = words[-1:] if words[0] not in told and _pull_failure_told(seen, role) else words
        if told != due:
            got = f"{list(dict.fromkeys(reasons))}"
            yield Violation(want=f"waiting for {', then '.join(words)}", got=got, about=about)
        if {pods.phase(state) for state in states} != {"Pending"}:
            yield Violation(want="Pending", got=f"{sorted({pods.phase(state) for state in states})}", about=about)


def _pull_failure_told(seen: AgentSeen, role: str) -> bool:
    messages = [each.message for each in agent_events.of_pod(seen, role, "Failed")]
    return any("ErrImagePull" in each or "ailed to pull image" in each for each in messages)
