"""What cases on pods of an agent rely on: runs of containers, lives of pods, events counted, and their windows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from conformance.agent_timing import AgentTiming
from conformance.driver import AgentFacts
from conformance.judge import agent_admission, agent_events, pod_lives
from conformance.judge import agent_pods as pods
from conformance.judge.agent import AgentSeen
from conformance.naming import Naming
from conformance.record.history import AGENT, Exchange, History, Mark, ObjectEvent
from conformance.verdict import NotExercised

NAMING = Naming("abc123", "scene")
NAME = NAMING.name("web")
FACTS = AgentFacts("v1.36.2", 36, frozenset({"core", "kubelet", "rt"}), frozenset())


def running(name: str, started: str = "2018-07-02T00:00:00Z", restarts: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "name": "c1",
        "containerID": name,
        "restartCount": restarts,
        "state": {"running": {"startedAt": started}},
        **more,
    }


def ended(name: str, started: str, finished: str, code: int = 0) -> dict[str, Any]:
    return {"terminated": {"containerID": name, "startedAt": started, "finishedAt": finished, "exitCode": code}}


def pod(phase: str, *containers: dict[str, Any], ready: str = "False", **status: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready, "lastTransitionTime": status.pop("turned", "t0")}]
    told = {
        "phase": phase,
        "startTime": "s0",
        "conditions": conditions,
        "containerStatuses": list(containers),
        **status,
    }
    return {"metadata": {"name": NAME, "uid": "u1"}, "status": told}


def seen(
    *states: dict[str, Any] | None, exchanges: tuple[Exchange, ...] = (), events: tuple[Any, ...] = ()
) -> AgentSeen:
    told = [
        ObjectEvent(float(at), "MODIFIED", "Pod", "default", NAME, "u1", str(at), before, after)
        for at, (before, after) in enumerate(zip((None, *states), states, strict=False), 1)
    ]
    told += [
        ObjectEvent(float(at), "ADDED", "Event", "default", f"e{at}", f"e{at}", str(at), None, event)
        for at, event in enumerate(events, 1)
    ]
    history = History(datetime(2018, 7, 2, tzinfo=UTC), 100.0, tuple(told), (Mark(0, "scene", "x"),), (), exchanges)
    return AgentSeen(NAMING, history, AgentTiming(), FACTS)


def asked(method: str, path: str, body: Any, status: int = 200) -> Exchange:
    return Exchange(1, 1, AGENT, method, path, status, json.dumps(body))


def test_each_run_of_a_container_is_told_once_in_state_or_as_the_last_one() -> None:
    first = ended("a", "2018-07-02T00:00:00Z", "2018-07-02T00:00:05Z", 3)
    story = seen(
        pod("Running", running("a")),
        pod("Running", {"name": "c1", "containerID": "a", "state": first}),
        pod("Running", running("b", "2018-07-02T00:00:06Z", 1, lastState=first)),
    )
    assert [(at, end["exitCode"]) for at, end in pods.runs(story, "web", "c1")] == [(2.0, 3)]
    assert [(run.number, run.ids) for run in pods.attempts(story, "web", "c1")] == [(0, ("a",)), (1, ("b",))]
    assert [(number, pause) for number, _, pause in pods.pauses(story, "web", "c1")] == [(1, 1.0)]


def test_a_run_that_was_missed_is_known_from_its_successor() -> None:
    first = ended("a", "2018-07-02T00:00:01Z", "2018-07-02T00:00:05Z")
    story = seen(pod("Running", running("b", "2018-07-02T00:00:06Z", 1, lastState=first)))
    assert [run.begun and run.begun.second for run in pods.attempts(story, "web", "c1")] == [1, 6]
    assert len(list(pods.runs(story, "web", "c1"))) == 1


def test_a_run_of_which_nothing_was_told_leaves_no_pause_to_judge() -> None:
    story = seen(
        pod("Running", running("a", "2018-07-02T00:00:01Z")), pod("Running", running("c", "2018-07-02T00:00:30Z", 2))
    )
    assert [run.number for run in pods.attempts(story, "web", "c1")] == [0, 2]
    assert pods.pauses(story, "web", "c1") == []


def test_while_a_container_waits_its_last_state_is_that_of_the_current_run() -> None:
    first = ended("a", "2018-07-02T00:00:01Z", "2018-07-02T00:00:05Z")
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    story = seen(pod("Running", {"name": "c1", "restartCount": 1, "state": waiting, "lastState": first}))
    (run,) = pods.attempts(story, "web", "c1")
    assert (run.number, run.ids, run.ended and run.ended.second) == (1, ("a",), 5)


@pytest.mark.parametrize(("changed", "wrong"), [({"restartCount": 1}, 0), ({}, 1), ({"containerID": "b"}, 0)])
def test_readiness_may_turn_twice_between_two_reports_when_a_container_was_restarted(
    changed: dict[str, Any], wrong: int
) -> None:
    before, after = pod("Running", running("a")), pod("Running", {**running("a"), **changed})
    for state, time in ((before, "2018-07-02T00:00:01Z"), (after, "2018-07-02T00:00:09Z")):
        state["status"]["conditions"] = [{"type": "Ready", "status": "False", "lastTransitionTime": time}]
    assert len(list(pod_lives.moved(seen(before, after), "web"))) == wrong


def test_the_first_report_is_the_first_state_with_a_start_time() -> None:
    bound = {"metadata": {"name": NAME, "uid": "u1"}, "status": {"phase": "Pending"}}
    assert pods.first_report(seen(bound, pod("Pending")), "web").at == 2.0
    with pytest.raises(NotExercised):
        pods.first_report(seen(bound), "web")


@pytest.mark.parametrize(
    ("phases", "wrong"),
    [
        (("Pending", "Running", "Succeeded"), []),
        (("Pending", "Failed"), []),
        (("Running", "Pending"), ["Pending"]),
        (("Succeeded", "Failed"), ["Failed"]),
        (("Failed", "Running"), ["Running"]),
    ],
)
def test_phases_that_go_back_are_found(phases: tuple[str, ...], wrong: list[str]) -> None:
    story = seen(*(pod(phase) for phase in phases))
    assert [violation.got for violation in pod_lives.gone_back(story, "web")] == wrong


def test_times_may_move_only_with_what_they_are_about() -> None:
    assert not list(pod_lives.moved(seen(pod("Running"), pod("Running", ready="True", turned="t1")), "web"))
    moved = pod_lives.moved(seen(pod("Running"), pod("Running", turned="t1", startTime="s1")), "web")
    assert [violation.want for violation in moved] == ["startTime s0 for good", "lastTransitionTime of Ready kept"]


@pytest.mark.parametrize(
    ("state", "count"),
    [
        (pod("Succeeded"), 0),
        (pod("Succeeded", running("a")), 1),
        (pod("Failed", ready="True"), 1),
        (pod("Running", running("a"), ready="True"), 0),
    ],
)
def test_an_ended_pod_with_something_that_runs_is_found(state: dict[str, Any], count: int) -> None:
    assert len(list(pod_lives.half_ended(seen(state), "web"))) == count


def test_a_pod_that_ran_was_taken_whatever_came_later() -> None:
    assert not list(agent_admission.taken(seen(pod("Running"), pod("Failed", reason="Preempting")), "web", "it fits"))
    assert list(agent_admission.taken(seen(pod("Failed", reason="OutOfcpu")), "web", "it fits"))
    with pytest.raises(NotExercised):
        list(agent_admission.taken(seen(pod("Pending")), "web", "it fits"))


def test_a_refusal_needs_reason_text_and_nothing_that_ran() -> None:
    refused = pod("Failed", reason="OutOfcpu", message="no cpu")
    assert not list(agent_admission.refused(seen(refused), "web", "OutOfcpu", "cpu"))
    assert len(list(agent_admission.refused(seen(refused), "web", "OutOfmemory"))) == 1
    assert len(list(agent_admission.refused(seen(pod("Pending", running("a")), refused), "web", "OutOfcpu"))) == 1


def test_requests_about_pods_are_sorted_by_name_and_purpose() -> None:
    path = f"/api/v1/namespaces/default/pods/{NAME}"
    options = {"gracePeriodSeconds": 0, "preconditions": {"uid": "u1"}}
    story = seen(
        exchanges=(
            asked("PATCH", f"{path}/status", {"metadata": {"uid": "u1"}}),
            asked("PATCH", f"{path}-other/status", {}),
            asked("PATCH", f"{path}/status", {}, status=409),
            asked("DELETE", path, options),
        )
    )
    (write,) = pods.status_writes(story, "web")
    assert (pods.pod_name(write), pods.written_uid(write)) == (NAME, "u1")
    (removal,) = pods.removals(story, "web")
    assert pods.delete_options(removal) == options
    assert len(pods.all_status_writes(story)) == 3


def test_repetitions_of_an_event_count() -> None:
    about = {"kind": "Node", "name": "n"}
    told = [
        {"involvedObject": about, "reason": "NodeReady", "count": 3},
        {"involvedObject": about, "reason": "NodeReady"},
    ]
    other = {"involvedObject": {"kind": "Pod", "name": "n"}, "reason": "NodeReady"}
    assert agent_events.times(seen(events=(*told, other)), "Node", "n", "NodeReady") == 4


def test_waits_after_crashes_double_up_to_the_longest() -> None:
    timing = AgentTiming(max_container_restart_period=60)
    assert 0 in timing.restarted(1)
    assert 10 not in timing.restarted(1)
    due = [(2, 10), (3, 20), (4, 40), (5, 60), (9, 60)]
    assert all(pause in timing.restarted(number) for number, pause in due)
    assert all(pause / 2 not in timing.restarted(number) for number, pause in due)
    assert timing.crashes_to_the_longest_wait() == 5
    assert AgentTiming().crashes_to_the_longest_wait() == 7


def test_a_container_is_killed_when_its_grace_is_over_and_never_within_two_seconds() -> None:
    timing = AgentTiming()
    assert 5 in timing.container_killed(5)
    assert 4 not in timing.container_killed(5)
    assert 1 not in timing.container_killed(0)
    assert 40 not in timing.container_killed(5)
