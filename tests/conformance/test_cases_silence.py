"""The cases on a silence say yes to what a real master does, and no to each thing it does not."""

from collections.abc import Callable
from typing import ClassVar

import pytest

from conformance import catalogue
from conformance.drive.scenarios.master.silence import EXTRA, silence
from conformance.judge.seen import Seen
from conformance.judge.taints import NO_EXECUTE, NO_SCHEDULE, UNREACHABLE
from conformance.master import test_condition_taints, test_pods_of_silent_nodes, test_recovery, test_transition
from conformance.runner import judging
from conformance.scenario import case_of
from conformance.timing import Timing
from conformance.verdict import Judgement, Verdict
from tests.conformance.tales import Tale, condition, node, pod

BOOK = catalogue.load()
TIMING = Timing(node_monitor_period=5, node_monitor_grace_period=40, taint_after_flip=True)
LAST, SILENT, FLIP, TAINTED, RETURNS, END = 9.0, 10.0, 52.0, 57.0, 90.0, 180.0
OWN = ("node-contract.dev/run", NO_SCHEDULE)
TEXTS = {"reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}
PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")


class Master:
    """What a right master does to a silent node; a test changes one thing."""

    flip = FLIP
    to = "Unknown"
    texts = TEXTS
    follow = PRESSURES
    beat_at = LAST
    turned_at = FLIP
    other: ClassVar = {**EXTRA}
    rewrite_at: float | None = None
    taints_at: ClassVar = {NO_SCHEDULE: FLIP + 0.1, NO_EXECUTE: TAINTED}
    taints_gone: ClassVar = {NO_SCHEDULE: RETURNS + 0.2, NO_EXECUTE: RETURNS + 3}
    drops_own_taint = False
    pods_not_ready_at: float | None = FLIP + 0.2
    evicts_at: float | None = TAINTED + 10.2
    patient_evicted_at: float | None = None
    replaces_at: float | None = TAINTED + 10.4
    flips_back_at: float | None = None


def tell(master: type[Master]) -> Tale:
    tale = Tale()
    healthy = [
        condition(tale, LAST, "Ready", "True", since=0),
        *(condition(tale, LAST, kind, "False", since=0) for kind in PRESSURES),
        *(condition(tale, LAST, kind, status, since=0) for kind, status in EXTRA.items()),
    ]
    unknown = [
        condition(tale, master.beat_at, "Ready", master.to, since=master.turned_at, **master.texts),
        *(
            condition(tale, master.beat_at, kind, "Unknown", since=master.turned_at, **master.texts)
            if kind in master.follow
            else condition(tale, LAST, kind, "False", since=0)
            for kind in PRESSURES
        ),
        *(condition(tale, LAST, kind, status, since=0) for kind, status in master.other.items()),
    ]
    back = [condition(tale, RETURNS, "Ready", "True"), *(condition(tale, RETURNS, kind, "False") for kind in PRESSURES)]
    moments = [(0.0, healthy), (master.flip, unknown), (RETURNS + 0.05, back)]
    if master.rewrite_at:
        again = [condition(tale, master.rewrite_at, "Ready", "Unknown", since=FLIP, **TEXTS), *unknown[1:]]
        moments.append((master.rewrite_at, again))
    if master.flips_back_at:
        moments.append((master.flips_back_at, unknown))
    changes = {at for at, _ in moments} | {*master.taints_at.values(), *master.taints_gone.values()}
    for at in sorted(changes):
        conditions = [c for moment, c in sorted(moments, key=lambda m: m[0]) if moment <= at][-1]
        there = tuple(
            (UNREACHABLE, effect)
            for effect, since in master.taints_at.items()
            if since <= at < master.taints_gone.get(effect, END)
        )
        own = () if master.drops_own_taint and at > RETURNS else (OWN,)
        tale.object(at, "Node", "victim", node(*conditions, taints=(*own, *there)))
    tale.beat(1, "victim").beat(LAST, "victim").mark(SILENT, "victim silent").mark(RETURNS, "victim returns")
    tale.mark(RETURNS + 0.1, "victim recovered")
    victim = tale.naming.name("victim")
    for role in ("brief", "patient", "workload-1"):
        tale.object(2, "Pod", role, pod(on=victim))
        if master.pods_not_ready_at:
            tale.object(master.pods_not_ready_at, "Pod", role, pod(ready="False", on=victim))
    for role in ("brief", "workload-1"):
        if master.evicts_at:
            gone = tale.stamp(master.evicts_at + 1)
            tale.object(master.evicts_at, "Pod", role, pod(ready="False", on=victim, deleted=gone))
    if master.patient_evicted_at:
        gone = tale.stamp(master.patient_evicted_at + 1)
        tale.object(master.patient_evicted_at, "Pod", "patient", pod(on=victim, deleted=gone))
    if master.replaces_at:
        tale.object(master.replaces_at, "Pod", "workload-2", pod(on=""))
    return tale


def verdict(function: Callable[..., object], master: type[Master]) -> Judgement:
    case = case_of(function)
    assert case is not None
    seen: Seen = tell(master).seen(END, TIMING)
    return judging.judge(function, case, seen, BOOK)  # type: ignore[arg-type]


def wrong(**deviation: object) -> type[Master]:
    return type("Wrong", (Master,), deviation)


CASES = [
    value
    for module in (test_transition, test_condition_taints, test_pods_of_silent_nodes, test_recovery)
    for value in vars(module).values()
    if (case := case_of(value)) is not None and case.scenario is silence
]


@pytest.mark.parametrize("function", CASES, ids=lambda function: function.__name__)
def test_a_right_master_passes(function: Callable[..., object]):
    judgement = verdict(function, Master)
    assert judgement.verdict is Verdict.PASS, judgement.findings


@pytest.mark.parametrize(
    ("function", "deviation"),
    [
        (
            test_transition.test_silence_turns_ready_unknown_in_time_and_not_early,
            {"flip": LAST + 39, "turned_at": LAST + 39},
        ),
        (
            test_transition.test_silence_turns_ready_unknown_in_time_and_not_early,
            {"flip": LAST + 60, "turned_at": LAST + 60},
        ),
        (test_transition.test_silence_turns_ready_unknown_in_time_and_not_early, {"to": "True"}),
        (test_transition.test_pressures_turn_unknown_in_the_same_write, {"follow": ()}),
        (test_transition.test_heartbeat_times_stay_and_transition_times_move, {"beat_at": FLIP}),
        (test_transition.test_heartbeat_times_stay_and_transition_times_move, {"turned_at": 0.0}),
        (test_transition.test_other_conditions_are_left_alone, {"other": dict.fromkeys(EXTRA, "Unknown")}),
        (test_transition.test_other_conditions_are_left_alone, {"other": {}}),
        (test_transition.test_conditions_are_written_once, {"rewrite_at": FLIP + 12}),
        (test_condition_taints.test_unknown_gives_unreachable_noschedule_at_once, {"taints_at": {NO_EXECUTE: TAINTED}}),
        (
            test_condition_taints.test_unknown_gives_unreachable_noschedule_at_once,
            {"taints_at": {NO_SCHEDULE: FLIP + 9, NO_EXECUTE: TAINTED}},
        ),
        (test_condition_taints.test_unknown_gives_unreachable_noexecute, {"taints_at": {NO_SCHEDULE: FLIP}}),
        (
            test_condition_taints.test_unknown_gives_unreachable_noexecute,
            {"taints_at": {NO_SCHEDULE: FLIP, NO_EXECUTE: FLIP + 20}},
        ),
        (test_condition_taints.test_recovery_removes_both_taints, {"taints_gone": {NO_SCHEDULE: RETURNS + 1}}),
        (test_condition_taints.test_recovery_removes_both_taints, {"drops_own_taint": True}),
        (test_pods_of_silent_nodes.test_pods_of_the_silent_node_lose_ready, {"pods_not_ready_at": None}),
        (test_pods_of_silent_nodes.test_pods_of_the_silent_node_lose_ready, {"pods_not_ready_at": FLIP + 8}),
        (test_pods_of_silent_nodes.test_a_pod_is_evicted_when_its_own_toleration_ends, {"evicts_at": TAINTED + 1}),
        (test_pods_of_silent_nodes.test_a_pod_is_evicted_when_its_own_toleration_ends, {"evicts_at": TAINTED + 14}),
        (test_pods_of_silent_nodes.test_a_pod_is_evicted_when_its_own_toleration_ends, {"evicts_at": None}),
        (
            test_pods_of_silent_nodes.test_recovery_within_the_toleration_saves_the_pod,
            {"patient_evicted_at": TAINTED + 5},
        ),
        (
            test_pods_of_silent_nodes.test_the_replacement_is_created_while_the_old_pod_is_terminating,
            {"replaces_at": TAINTED + 30},
        ),
        (
            test_pods_of_silent_nodes.test_the_replacement_is_created_while_the_old_pod_is_terminating,
            {"replaces_at": None},
        ),
        (
            test_pods_of_silent_nodes.test_the_replacement_is_created_while_the_old_pod_is_terminating,
            {"replaces_at": FLIP},
        ),
        (test_recovery.test_a_recovered_node_stays_ready, {"flips_back_at": RETURNS + 10}),
    ],
)
def test_each_deviation_fails_its_case(function: Callable[..., object], deviation: dict[str, object]):
    judgement = verdict(function, wrong(**deviation))
    assert judgement.verdict is Verdict.FAIL, judgement


def test_false_instead_of_unknown_fails():
    tale = tell(Master)
    false = node(condition(tale, LAST, "Ready", "False", since=30), taints=(OWN,))
    tale.object(30, "Node", "victim", false)
    function = test_transition.test_ready_turns_unknown_and_never_false
    case = case_of(function)
    assert case is not None
    assert judging.judge(function, case, tale.seen(END, TIMING), BOOK).verdict is Verdict.FAIL


def test_a_wrong_reason_is_only_a_warning():
    other = wrong(texts={"reason": "NodeGone", "message": "?"})
    assert verdict(test_transition.test_ready_turns_unknown_and_never_false, other).verdict is Verdict.WARNING


def test_without_the_flip_only_the_flip_fails():
    never = wrong(to="True", taints_at={}, evicts_at=None, replaces_at=None)
    verdicts = {function.__name__: verdict(function, never).verdict for function in CASES}
    failed = [name for name, found in verdicts.items() if found is not Verdict.NOT_EXERCISED]
    assert failed == ["test_silence_turns_ready_unknown_in_time_and_not_early"]
