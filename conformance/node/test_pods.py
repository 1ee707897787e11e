"""An agent reports on the pods that are bound to its node."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from conformance.drive.scenarios.node.pods import (
    BOUND,
    GATE,
    INIT_NAMES,
    NAMES,
    WEATHER,
    agent_pods,
)
from conformance.judge import agent_pods as pods
from conformance.judge import pod_lives
from conformance.judge.agent import AgentSeen
from conformance.judge.agent_requests import WRITES, since
from conformance.judge.conditions import all_conditions, condition, status, turned
from conformance.record.history import Object, ObjectEvent
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

PATCHED = 6
"""Minor version from which pod statuses are patched."""
HOST_IPS = 30
"""Minor version from which pods tell all addresses of their node, and whether their sandbox is there."""
CONTAINERS_READY = 11
POD_IPS = 16
CONTAINER_ID = re.compile(r"[A-Za-z0-9-]+://.+")


@judges("N-ADM-01", reads=agent_pods)
def test_the_agent_takes_the_pods_of_its_node_alone(seen: AgentSeen) -> Iterator[Violation]:
    mine = f"fieldSelector=spec.nodeName%3D{seen.node_name}"
    asked = seen.requests("GET", "/api/v1/pods")
    if not asked:
        raise NotExercised("the agent never asked for its pods", about=seen.node_name)
    for each in asked:
        if mine not in each.path:
            yield Violation(want=f"pods asked for with {mine}", got=each.path, at=each.sent, about=seen.node_name)
    for each in seen.requests(WRITES, pods.path(seen, "stray") + "(/.*)?"):
        yield Violation(
            want="no write to a pod of another node",
            got=f"{each.method} {each.path}",
            at=each.sent,
            about=seen.naming.name("stray"),
        )


@judges("N-ADM-14", reads=agent_pods)
def test_an_ended_pod_stays_as_it_is(seen: AgentSeen) -> Iterator[Violation]:
    name, story = seen.naming.name("done"), seen.pod("done")
    ended = next((event.at for event in story.events if pods.phase(event.after) == "Succeeded"), None)
    if ended is None:
        raise NotExercised("the pod had not ended before the agent came", about=name)
    for event in story.since(ended).events:
        started = [each["name"] for each in pods.containers(event.after) if not pods.waiting(each)]
        if pods.phase(event.after) != "Succeeded" or any(map(pods.is_running, pods.containers(event.after))):
            got = f"{pods.phase(event.after)}, started: {started}"
            yield Violation(want="a pod that stays Succeeded, nothing of it started", got=got, at=event.at, about=name)
    told = pods.status(pods.last(seen, "plain"))
    if told.get("phase") == "Failed":
        want = "room for another pod, since one that has ended takes none"
        yield Violation(want=want, got=f"Failed, {told.get('reason')}: {told.get('message')}", about=name)


@judges("N-POD-01", reads=agent_pods)
def test_a_bound_pod_is_acknowledged(seen: AgentSeen) -> Iterator[Violation]:
    window, bound = seen.timing.pod_acknowledged(len(BOUND)), seen.mark("pods bound").at
    for role in BOUND:
        written = next(iter(pods.status_writes(seen, role)), None)
        if written is None or written.answered - bound not in window:
            got = "none" if written is None else f"{written.answered - bound:.2f} s"
            about = seen.naming.name(role)
            yield Violation(want=f"a first status {window} after the pod was bound", got=got, at=bound, about=about)
        elif not pods.status(seen.pod(role).state_at(written.answered + seen.timing.slack)).get("startTime"):
            yield Violation(want="startTime in the first status", got="none", about=seen.naming.name(role))


@judges("N-POD-02", reads=agent_pods)
def test_a_status_is_patched_under_the_pods_uid(seen: AgentSeen) -> Iterator[Violation]:
    for role in BOUND:
        pods.first_report(seen, role)
        about, before = seen.naming.name(role), 0.0
        for each in pods.status_writes(seen, role):
            wrong = _form(seen, role, each.method, each.headers.get("content-type", ""), pods.written_uid(each))
            if wrong:
                yield Violation(want="a status written in the proper form", got=wrong, at=each.sent, about=about)
            if seen.facts.minor >= PATCHED and not since(
                seen.requests("GET", pods.path(seen, role)), before, each.sent
            ):
                yield Violation(
                    want="the pod read before its status is written", got="no GET", at=each.sent, about=about
                )
            before = each.answered


def _form(seen: AgentSeen, role: str, method: str, kind: str, uid: str) -> str:
    """What is wrong with a write; empty when nothing is."""
    wanted = "PATCH" if seen.facts.minor >= PATCHED else "PUT"
    own = seen.pod(role).events[0].uid
    if method != wanted:
        return f"a {method}"
    if wanted == "PATCH" and kind.partition(";")[0] != "application/strategic-merge-patch+json":
        return f"a patch of {kind}"
    return "" if uid == own else f"uid {uid or 'missing'} in place of {own}"


@judges("N-POD-03", reads=agent_pods)
def test_the_first_status_is_pending(seen: AgentSeen) -> Iterator[Violation]:
    roles = {"plain": "c1", "several": " ".join(NAMES), "initialized": "c1"}
    told = {role: report for role in roles if not _has_begun(report := pods.first_report(seen, role))}
    if not told:
        raise NotExercised("all pods ran before anything was told of them", about=seen.node_name)
    for role, report in told.items():
        names = roles[role]
        found = dict(_first_facts(report.after, role))
        unready = ("False", "ContainersNotReady", f"containers with unready status: [{names}]")
        want: dict[str, Any] = {
            "phase": "Pending",
            "Ready": unready,
            "PodScheduled": ("True", None, None),
            "Initialized": ("True", None, None),
            "waiting": ["PodInitializing" if role == "initialized" else "ContainerCreating"],
            "ready or restarted": [],
            "hostIP and qosClass": True,
        }
        if seen.facts.minor >= CONTAINERS_READY:
            want["ContainersReady"] = unready
        if seen.facts.minor >= HOST_IPS:
            want |= {"hostIPs": True, "PodReadyToStartContainers": True}
        if role == "initialized":
            incomplete = f"containers with incomplete status: [{' '.join(INIT_NAMES)}]"
            want["Initialized"] = ("False", "ContainersNotInitialized", incomplete)
        for name, value in want.items():
            if found.get(name) != value:
                about = seen.naming.name(role)
                yield Violation(want=f"{name} {value}", got=f"{found.get(name)}", at=report.at, about=about)


def _has_begun(report: ObjectEvent) -> bool:
    """Whether a pod was told of so late that its containers had been started: both is told together then."""
    listed = [*pods.containers(report.after), *(pods.status(report.after).get("initContainerStatuses") or ())]
    return any(pods.is_running(each) or pods.terminated(each) for each in listed)


def _first_facts(state: Object | None, role: str) -> Iterator[tuple[str, Any]]:
    """What the first status says, by name."""
    told, listed = pods.status(state), pods.containers(state)
    yield "phase", pods.phase(state)
    for kind, each in all_conditions(state).items():
        yield kind, (each.get("status"), each.get("reason"), each.get("message"))
    yield "waiting", sorted({str(pods.waiting(each).get("reason")) for each in listed})
    yield "ready or restarted", [each["name"] for each in listed if each.get("ready") or each.get("restartCount")]
    yield "hostIP and qosClass", bool(told.get("hostIP") and told.get("qosClass") == _quality(role))
    yield "PodReadyToStartContainers", "PodReadyToStartContainers" in all_conditions(state)
    yield "hostIPs", [each.get("ip") for each in told.get("hostIPs") or ()][:1] == [told.get("hostIP")]


def _quality(role: str) -> str:
    requested = any("resources" in each for each in BOUND[role]["containers"])
    return "Burstable" if requested else "BestEffort"


@judges("N-POD-04", reads=agent_pods)
def test_a_running_pod_is_ready(seen: AgentSeen) -> Iterator[Violation]:
    window, bound = seen.timing.pod_running(len(BOUND)), seen.mark("pods bound").at
    for role in ("plain", "several", "meddled"):
        about = seen.naming.name(role)
        state = next((e for e in seen.pod(role).events if status(e.after, "Ready") == "True"), None)
        if state is None or state.at - bound > window.latest:
            yield Violation(want=f"a pod that runs and is ready {window}", got="it is not", at=bound, about=about)
            continue
        for wrong in _lacking(seen, state.after or {}):
            yield Violation(want="the whole status of a running pod", got=wrong, at=state.at, about=about)


def _lacking(seen: AgentSeen, state: Object) -> Iterator[str]:
    """What a running pod's status lacks."""
    told = pods.status(state)
    if told.get("phase") != "Running" or not told.get("podIP"):
        yield f"phase {told.get('phase')}, podIP {told.get('podIP')}"
    kubelet = "kubelet" in seen.facts.profiles
    if kubelet and seen.facts.minor >= POD_IPS and {"ip": told.get("podIP")} not in (told.get("podIPs") or ()):
        yield f"podIPs {told.get('podIPs')} without {told.get('podIP')}"
    for kind in ("Ready", "ContainersReady")[: 2 if seen.facts.minor >= CONTAINERS_READY and kubelet else 1]:
        found = condition(state, kind) or {}
        if found.get("status") != "True" or found.get("reason") or found.get("message"):
            yield f"{kind} {dict(found)}"
    for each in pods.containers(state):
        if not each.get("ready") or not ((each.get("state") or {}).get("running") or {}).get("startedAt"):
            yield f"container {each['name']} {each.get('state')}, ready {each.get('ready')}"
        if kubelet and not CONTAINER_ID.fullmatch(str(each.get("containerID"))):
            yield f"containerID {each.get('containerID')}"
        if kubelet and seen.facts.minor >= POD_IPS and each.get("started") is not True:
            yield f"started {each.get('started')}"


@judges("N-POD-05", reads=agent_pods)
def test_times_of_a_pod_stay(seen: AgentSeen) -> Iterator[Violation]:
    for role in BOUND:
        yield from pod_lives.moved(seen, role)


@judges("N-POD-06", reads=agent_pods)
def test_a_phase_never_goes_back(seen: AgentSeen) -> Iterator[Violation]:
    for role in ("done", *(role for role in BOUND if role != "meddled")):
        yield from pod_lives.gone_back(seen, role)


@judges("N-POD-12", reads=agent_pods)
def test_a_readiness_gate_holds_back(seen: AgentSeen) -> Iterator[Violation]:
    opened, about = seen.mark("gate opened").at, seen.naming.name("gated")
    shut = seen.pod("gated").state_at(opened)
    if status(shut, "ContainersReady") != "True":
        raise NotExercised("the containers were not ready before the gate was opened", about=about)
    got = condition(shut, "Ready") or {}
    if (got.get("status"), got.get("reason")) != ("False", "ReadinessGatesNotReady"):
        yield Violation(want="Ready False/ReadinessGatesNotReady", got=f"{dict(got)}", at=opened, about=about)
    window = seen.timing.pod_acknowledged()
    ready = turned(seen.pod("gated").since(opened), "Ready", "True")
    if ready is None or ready.at - opened not in window:
        got_ = "never" if ready is None else f"{ready.at - opened:.2f} s"
        yield Violation(want=f"Ready True {window} after {GATE} is", got=got_, at=opened, about=about)


@judges("N-POD-13", reads=agent_pods)
def test_an_overwritten_status_is_repaired(seen: AgentSeen) -> Iterator[Violation]:
    mark, about = seen.mark("status overwritten"), seen.naming.name("meddled")
    before, window = pods.status(mark.facts["pod"]), seen.timing.pod_repaired(len(BOUND))
    by = mark.at + window.latest
    now = seen.pod("meddled").state_at(by)
    if before.get("phase") != "Running":
        raise NotExercised("the pod did not run before its status was overwritten", about=about)
    for field in ("phase", "podIP", "containerStatuses"):
        if pods.status(now).get(field) != before.get(field):
            got = f"{pods.status(now).get(field)}"
            yield Violation(want=f"{field} {before.get(field)} again {window}", got=got, at=by, about=about)
    if status(seen.pod("meddled").last, WEATHER) != "True":
        yield Violation(want=f"the condition {WEATHER} of somebody else kept", got="it is gone", about=about)


@judges("N-POD-14", reads=agent_pods)
def test_an_idle_pod_is_not_written(seen: AgentSeen) -> Iterator[Violation]:
    for each in since(pods.all_status_writes(seen), seen.mark("left alone").at):
        yield Violation(
            want="no write while nothing happens to a pod", got=each.request, at=each.sent, about=pods.pod_name(each)
        )


@judges("N-DEL-06", reads=agent_pods)
def test_a_dying_pod_is_never_started(seen: AgentSeen) -> Iterator[Violation]:
    begin, window = seen.mark("agent started").at, seen.timing.pod_removed(pods=2)
    for role in ("dying", "dying-giant"):
        about = seen.naming.name(role)
        for event in seen.pod(role).events:
            begun = [each["name"] for each in pods.containers(event.after) if pods.is_running(each)]
            if begun:
                yield Violation(want="no container started", got=f"{begun} started", at=event.at, about=about)
        latest = seen.timing.registered().latest + window.latest
        removal = next((x for x in pods.removals(seen, role) if x.status == 200), None)
        if removal is None or removal.sent - begin > latest:
            got = "none" if removal is None else f"{removal.sent - begin:.2f} s"
            yield Violation(want=f"a final DELETE within {latest:.1f} s", got=got, at=begin, about=about)


@judges("N-X-20", reads=agent_pods)
def test_container_statuses_are_in_order(seen: AgentSeen) -> Iterator[Violation]:
    for role, field, want in (
        ("several", "containerStatuses", sorted(NAMES)),
        ("initialized", "initContainerStatuses", list(INIT_NAMES)),
    ):
        for event in seen.pod(role).since(pods.first_report(seen, role).at).events:
            got = [each["name"] for each in pods.status(event.after).get(field) or ()]
            if got != want:
                about = seen.naming.name(role)
                yield Violation(want=f"{field} of {want}", got=f"{got}", at=event.at, about=about)


@judges("N-X-21", reads=agent_pods)
def test_a_pod_on_the_hosts_network_has_its_address(seen: AgentSeen) -> None:
    seen.needs("runs_containers")
    told = pods.status(pods.first(seen, "host", "Running").after)
    addresses = [each["address"] for each in pods.status(seen.node.last).get("addresses") or ()]
    if told.get("podIP") != told.get("hostIP") or told.get("podIP") not in addresses:
        raise Violation(
            want=f"podIP and hostIP the node's own, of {addresses}",
            got=f"podIP {told.get('podIP')}, hostIP {told.get('hostIP')}",
            about=seen.naming.name("host"),
        )
