"""What the API makes of new pods and nodes: tolerations, taints, priorities, classes of service, defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.drive.scenarios.master import defaulting as table
from conformance.drive.scenarios.master.defaulting import defaulting
from conformance.judge import answers
from conformance.judge.seen import Seen
from conformance.judge.taints import NO_SCHEDULE, NOT_READY, UNREACHABLE
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


@judges("M-ADM-01", reads=defaulting)
def test_new_pods_tolerate_failing_nodes_for_a_while(seen: Seen) -> Iterator[Violation]:
    want = {
        NOT_READY: seen.timing.default_not_ready_toleration_seconds,
        UNREACHABLE: seen.timing.default_unreachable_toleration_seconds,
    }
    got = _added(seen, "plain")
    for key, seconds in want.items():
        due = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
        if got.get(key) != due:
            yield Violation(want=f"a toleration {due}", got=str(got.get(key)), about=seen.name("plain"))


@judges("M-ADM-02", reads=defaulting)
def test_pods_that_speak_for_themselves_are_left_alone(seen: Seen) -> Iterator[Violation]:
    if not _added(seen, "plain"):
        raise NotExercised("the target adds no tolerations at all", about=seen.name("plain"))
    for role, (own, keys) in table.TOLERATING.items():
        got = set(_added(seen, role))
        if got != keys:
            want = f"with {[dict(one) for one in own]}, tolerations added for {sorted(keys)}"
            yield Violation(want=want, got=f"added for {sorted(got)}", about=seen.name(role))


@judges("M-ADM-03", reads=defaulting)
def test_new_nodes_are_not_ready_yet(seen: Seen) -> Iterator[Violation]:
    for role in ("ready", "ready-tainted"):
        taints = answers.body(seen, role)["spec"].get("taints") or []
        found = [taint for taint in taints if taint["key"] == NOT_READY and taint["effect"] == NO_SCHEDULE]
        if len(found) != 1:
            want = f"{NOT_READY}:{NO_SCHEDULE} once in the answer"
            yield Violation(want=want, got=f"{len(found)} times: {taints}", about=seen.name(role))


@judges("M-ADM-04", reads=defaulting)
def test_priorities_come_from_classes(seen: Seen) -> Iterator[Violation]:
    spec = answers.body(seen, "plain")["spec"]
    want = {"priority": seen.mark("default priority").facts["value"], "preemptionPolicy": "PreemptLowerPriority"}
    yield from answers.same(seen, "plain", want, spec)
    yield from answers.answered(seen, "own-priority", 403, want="a priority without its class is refused")
    yield from answers.answered(seen, "unknown-class", 403, want="an unknown class is refused")


@judges("M-ADM-05", reads=defaulting)
def test_the_class_of_service_follows_from_all_containers(seen: Seen) -> Iterator[Violation]:
    for role, (_, _, quality) in table.QUALITY.items():
        yield from answers.same(seen, role, {"qosClass": quality}, answers.body(seen, role)["status"])


@judges("M-ADM-06", reads=defaulting)
def test_new_pods_are_pending_whatever_they_say(seen: Seen) -> Iterator[Violation]:
    status = answers.body(seen, "boasting")["status"]
    yield from answers.same(seen, "boasting", {"phase": "Pending", "podIP": None}, status)
    ready = [one for one in status.get("conditions") or [] if one["type"] == "Ready"]
    if ready:
        yield Violation(want="no condition Ready", got=str(ready), about=seen.name("boasting"))


@judges("M-ADM-06", reads=defaulting)
def test_new_pods_get_defaults(seen: Seen) -> Iterator[Violation]:
    want = {"schedulerName": "default-scheduler", "terminationGracePeriodSeconds": 30, "restartPolicy": "Always"}
    yield from answers.same(seen, "boasting", want, answers.body(seen, "boasting")["spec"])


@judges("M-ADM-07", reads=defaulting)
def test_tolerations_are_added_and_never_taken_away(seen: Seen) -> Iterator[Violation]:
    for name, (_, status) in table.CHANGES.items():
        want = "it is accepted" if status == 200 else "it is refused"
        yield from answers.answered(seen, name, status, want=want, reason="" if status == 200 else "Invalid")
    yield from answers.answered(seen, "all tolerations are removed", 422, want="it is refused", reason="Invalid")


@judges("M-ADM-07", reads=defaulting)
def test_seconds_belong_to_no_execute(seen: Seen) -> Iterator[Violation]:
    want = "tolerationSeconds with NoSchedule is refused"
    yield from answers.answered(seen, "senseless", 422, want=want, reason="Invalid")


def _added(seen: Seen, role: str) -> dict[str, Mapping[str, Any]]:
    """Tolerations of not-ready and unreachable that a pod did not bring along, by key."""
    own = [_told(toleration) for toleration in table.TOLERATING[role][0]]
    given = answers.body(seen, role)["spec"].get("tolerations") or []
    return {one["key"]: one for one in given if one.get("key") in (NOT_READY, UNREACHABLE) and _told(one) not in own}


def _told(toleration: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in toleration.items() if value}
