"""What a target claims: declared, seen by a canary, and what follows from both."""

from __future__ import annotations

import pytest

from conformance import catalogue
from conformance.claims import Claim, Presence, Sign
from conformance.collect import collect
from conformance.drive.scenarios.master.feasibility import feasibility
from conformance.drive.scenarios.master.silence import silence
from conformance.features import FEATURES, needed
from conformance.given.declared import Declared
from conformance.judge import canary, contradictions
from conformance.report.results import Report
from conformance.runner.run import run
from conformance.verdict import NotExercised, Unsupported, Verdict
from fixtures.reference import ReferenceTarget
from refimpl.cluster import ClusterConfig
from refimpl.controllers.initializers import ControllerManagerConfig
from tests.conformance.tales import TIMING, Tale, condition

SEEN, ABSENT, BLOCKED, UNSERVED, UNKNOWN = (
    Sign(each, "as seen")
    for each in (Presence.SEEN, Presence.ABSENT, Presence.BLOCKED, Presence.UNSERVED, Presence.UNKNOWN)
)
SCHEDULING = [entry for entry in collect() if entry.case.scenario is feasibility]
SILENCE = [entry for entry in collect() if entry.case.scenario is silence]


def claim(sign: Sign, declared: bool | None = None, name: str = "scheduler", *, needed: bool = True) -> Claim:
    return Claim(FEATURES[name], sign, declared, "t.toml", needed)


# What follows


@pytest.mark.parametrize(
    ("made", "objection"),
    [
        (claim(SEEN), None),
        (claim(UNKNOWN), None),
        (claim(ABSENT), Unsupported),
        (claim(BLOCKED), NotExercised),
        (claim(UNSERVED), Unsupported),
        (claim(SEEN, False), Unsupported),
        (claim(ABSENT, True), None),
        (claim(ABSENT, None, "eviction"), None),
    ],
)
def test_what_becomes_of_cases(made: Claim, objection: type | None):
    assert type(made.objection()) is (objection or type(None))


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (claim(SEEN, False), "scheduler is declared absent (t.toml), but is there: as seen"),
        (claim(ABSENT, True), "scheduler is declared present (t.toml), but is not there: as seen"),
        (claim(UNSERVED, True), "scheduler is declared present (t.toml), but is not there: as seen"),
        (claim(SEEN, True), ""),
        (claim(ABSENT, False), ""),
        (claim(ABSENT), ""),
        (claim(UNKNOWN, True), ""),
    ],
)
def test_declared_and_seen_may_contradict_each_other(made: Claim, text: str):
    assert made.contradiction() == text


@pytest.mark.parametrize(
    ("made", "green"),
    [
        (claim(ABSENT), False),
        (claim(ABSENT, needed=False), True),
        (claim(ABSENT, False), True),
        (claim(UNSERVED), True),
        (claim(ABSENT, None, "authorization"), True),
    ],
)
def test_what_every_kubernetes_has_may_only_be_missing_when_somebody_says_so(made: Claim, green: bool):
    assert (made.undeclared() == "") is green


def test_every_feature_is_needed_by_some_requirement_or_is_a_kind():
    book = catalogue.load()
    chosen = needed(book.requirements.values())
    assert [f.name for f in FEATURES.values() if f not in chosen and not f.kinds] == []


# What the canary's fate says


def fate(*sought: str) -> Tale:
    tale = Tale("canary").mark(0, "perch registers")
    for name in sought:
        tale.mark(1, f"sent for {name}", pod=tale.naming.name("lone"))
    return tale.mark(12, "the end")


def node(tale: Tale, *taints: str) -> dict[str, object]:
    parts = [taint.rpartition(":") for taint in taints]
    return {
        "metadata": {"name": tale.naming.name("perch"), "resourceVersion": "1"},
        "spec": {"taints": [{"key": key, "effect": effect} for key, _, effect in parts]},
    }


def pod(node_name: str = "", **more: object) -> dict[str, object]:
    return {"metadata": {"name": "x"}, "spec": {"nodeName": node_name}, "status": dict(more)}


def scheduler(tale: Tale) -> Sign:
    return canary.signs(tale.seen(12), ["scheduler"])["scheduler"]


def test_a_pod_that_is_bound_shows_a_scheduler():
    assert scheduler(fate("scheduler").object(2, "Pod", "lone", pod("n"))).presence is Presence.SEEN


def test_a_pod_that_is_refused_shows_a_scheduler_too():
    tale = fate("scheduler")
    refused = pod(conditions=[condition(tale, 2, "PodScheduled", "False", message="no room")])
    sign = scheduler(tale.object(2, "Pod", "lone", refused))
    assert (sign.presence, sign.why) == (Presence.SEEN, "it refused the canary's pod: no room")


def test_a_taint_that_stays_keeps_a_scheduler_from_its_work():
    tale = fate("scheduler")
    refused = pod(conditions=[condition(tale, 2, "PodScheduled", "False")])
    tale.object(1, "Node", "perch", node(tale, "example.com/uninitialized:NoSchedule"))
    sign = scheduler(tale.object(2, "Pod", "lone", refused))
    assert sign.presence is Presence.BLOCKED
    assert "keeps the taint example.com/uninitialized:NoSchedule" in sign.why


def test_silence_is_no_scheduler():
    sign = scheduler(fate("scheduler").object(2, "Pod", "lone", pod()))
    assert sign == Sign(
        Presence.ABSENT, "no sign of a scheduler: for 12 s nobody bound the canary's pod or said why not"
    )


def test_nothing_is_said_of_what_the_canary_was_not_sent_for():
    assert scheduler(fate("replication")).presence is Presence.UNKNOWN


def test_nothing_is_said_of_what_was_refused():
    sign = scheduler(fate("scheduler").mark(2, "refused for scheduler", why="403 by quota"))
    assert sign == Sign(Presence.UNKNOWN, "the canary was refused: 403 by quota")


@pytest.mark.parametrize(
    ("feature", "kind", "role", "state"),
    [
        ("replication", "ReplicationController", "crew", {"status": {"observedGeneration": 1}}),
        ("replication", "Pod", "crew-abcde", pod()),
        ("daemonset", "DaemonSet", "everywhere", {"status": {"observedGeneration": 1}}),
        ("daemonset", "Pod", "everywhere-abcde", pod("n")),
        ("endpoints", "Endpoints", "front", {"subsets": []}),
        ("eviction", "Pod", "guest", {"metadata": {"deletionTimestamp": "2018-07-02T02:11:27Z"}}),
    ],
)
def test_any_sign_of_life_counts(feature: str, kind: str, role: str, state: dict[str, object]):
    tale = fate(feature)
    assert canary.signs(tale.seen(12), [feature])[feature].presence is Presence.ABSENT
    tale.object(2, kind, role, {"metadata": {}, "spec": {}, **state})
    assert canary.signs(tale.seen(12), [feature])[feature].presence is Presence.SEEN


def test_daemons_that_nobody_binds_are_blocked():
    tale = fate("daemonset").object(2, "Pod", "everywhere-abcde", pod())
    assert canary.signs(tale.seen(12), ["daemonset"])["daemonset"].presence is Presence.BLOCKED


def test_a_first_taint_that_goes_shows_a_lifecycle_controller():
    tale = fate("lifecycle")
    tale.object(1, "Node", "perch", node(tale, "node.kubernetes.io/not-ready:NoSchedule"))
    assert canary.signs(tale.seen(12), ["lifecycle"])["lifecycle"].presence is Presence.ABSENT
    tale.object(2, "Node", "perch", node(tale))
    assert canary.signs(tale.seen(12), ["lifecycle"])["lifecycle"].presence is Presence.SEEN


# Against a master


def presence(report: Report) -> dict[str, Presence]:
    return {claim.feature.name: claim.sign.presence for claim in report.claims}


def test_a_master_with_everything_claims_everything():
    names = ("scheduler", "replication", "endpoints", "daemonset", "eviction", "lifecycle", "lease")
    report = run(ReferenceTarget(), entries=SCHEDULING[:1], declared=Declared(features=dict.fromkeys(names, True)))
    assert presence(report) == dict.fromkeys(names, Presence.SEEN)
    assert (report.contradictions, report.exit_code()) == ((), 0)


def test_without_a_scheduler_its_requirements_are_unsupported_and_the_run_is_not_green():
    report = run(ReferenceTarget(config=ClusterConfig(scheduler=None)), entries=SCHEDULING)
    assert set(report.counts()) <= {Verdict.UNSUPPORTED, Verdict.NOT_EXERCISED}
    assert report.results[0].judgement.findings[0].got.startswith("no sign of a scheduler")
    assert report.undeclared[0].endswith("say so: --without scheduler")
    assert report.exit_code() == 6


def test_a_scheduler_that_is_declared_absent_may_be_absent():
    target = ReferenceTarget(config=ClusterConfig(scheduler=None))
    entries = [*SCHEDULING[:1], *(entry for entry in SILENCE if "M-HB-03" in entry.case.ids)]
    report = run(target, entries=entries, declared=Declared(features={"scheduler": False}))
    assert report.counts() == {Verdict.PASS: 1, Verdict.UNSUPPORTED: 1}
    assert (report.contradictions, report.exit_code()) == ((), 0)


def test_a_scheduler_that_is_declared_absent_and_works_is_a_contradiction():
    report = run(ReferenceTarget(), entries=SCHEDULING[:1], declared=Declared(features={"scheduler": False}))
    assert report.contradictions == ("scheduler is declared absent (), but is there: it bound the canary's pod",)


def test_what_is_declared_present_and_is_not_there_is_asked_for_and_named():
    target = ReferenceTarget(config=ClusterConfig(scheduler=None))
    report = run(target, entries=SCHEDULING, declared=Declared(features={"scheduler": True}))
    assert Verdict.UNSUPPORTED not in report.counts()
    assert report.contradictions[0].startswith("scheduler is declared present (), but is not there: no sign")


def test_a_node_that_is_never_admitted_is_not_blamed_on_the_scheduler():
    config = ClusterConfig(controllers=ControllerManagerConfig(controllers=("*", "-node-lifecycle-controller")))
    report = run(ReferenceTarget(config=config), entries=SCHEDULING)
    assert set(report.counts()) == {Verdict.NOT_EXERCISED}
    assert "keeps the taint node.kubernetes.io/not-ready:NoSchedule" in report.results[0].judgement.findings[0].got


def test_what_is_declared_absent_is_not_used():
    report = run(ReferenceTarget(), ["M-HB-03"], entries=SILENCE, declared=Declared(features={"lease": False}))
    assert report.exit_code() == 0


# Settings that the target does not go by


def given_up(tale: Tale, role: str, at: float, after: float) -> None:
    states = [condition(tale, at - 20, "Ready", "True"), condition(tale, at + after, "Ready", "Unknown")]
    name = tale.naming.name(role)
    tale.beat(at, role).mark(at + 1, f"{role} silent", node=name)
    for moment, state in zip((at - 20, at + after), states, strict=True):
        tale.object(moment, "Node", role, {"metadata": {"name": name}, "status": {"conditions": [state]}})


@pytest.mark.parametrize(("after", "lines"), [(8.0, 1), (45.0, 0), (90.0, 1)])
def test_nodes_that_are_all_given_up_at_another_time_contradict_the_grace_period(after: float, lines: int):
    tale = Tale()
    for role in ("a", "b"):
        given_up(tale, role, 100, after)
    found = list(contradictions.of_timing(tale.history(300), TIMING, {"node_monitor_grace_period": 40}))
    assert len(found) == lines
    if lines:
        assert found[0] == (
            f"node-monitor-grace-period is declared as 40 s, but all 2 nodes that were given up were so "
            f"{after:.1f} s to {after:.1f} s after their last heartbeat"
        )


def test_a_single_node_contradicts_nothing():
    tale = Tale()
    given_up(tale, "a", 100, 8)
    assert list(contradictions.of_timing(tale.history(300), TIMING, ())) == []


def test_other_default_tolerations_than_declared_are_told():
    target = ReferenceTarget()
    settings = {"default_not_ready_toleration_seconds": 60.0}
    report = run(target, entries=SCHEDULING[:1], settings=settings)
    assert report.contradictions == (
        "default-not-ready-toleration-seconds is declared as 60 s, but a pod that says nothing itself got 300 s",
    )
