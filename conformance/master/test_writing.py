"""What a write may say besides what changes: that it is for show, what is unknown, and how lists are merged."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.writing import ADDRESSES, CPU, OWN, RIVALS, STEP, TAINTS, UNKNOWN, writing
from conformance.judge import answers, conditions
from conformance.judge.seen import Seen
from conformance.naming import DOMAIN
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


@judges("M-API-17", reads=writing)
def test_a_rehearsal_is_answered_as_the_request_itself(seen: Seen) -> Iterator[Violation]:
    for name, status in (
        ("a pod is rehearsed", 201),
        ("a change is rehearsed", 200),
        ("a status is rehearsed", 200),
        ("an eviction is rehearsed", 201),
        ("a deletion is rehearsed", 200),
        ("an end is rehearsed", 200),
    ):
        yield from answers.answered(seen, name, status, want="with dryRun it is answered as without")
    labels = answers.body(seen, "a change is rehearsed")["metadata"].get("labels") or {}
    yield from answers.same(seen, "a change is rehearsed", {STEP: "1"}, labels)


@judges("M-API-17", reads=writing)
def test_a_rehearsal_changes_nothing(seen: Seen) -> Iterator[Violation]:
    name, about = "the real pod is read", seen.name("real")
    yield from answers.answered(seen, "the rehearsed pod is read", 404, want="no pod was created", reason="NotFound")
    yield from answers.answered(seen, name, 200, want="the pod is still there")
    pod = answers.body(seen, name)
    yield from answers.same(seen, name, {"deletionTimestamp": None}, pod["metadata"])
    yield from answers.same(seen, name, {STEP: None}, pod["metadata"]["labels"])
    if pod["status"].get("phase") != "Pending":
        want = "the pod Pending, as before the status was rehearsed"
        yield Violation(want=want, got=str(pod["status"].get("phase")), at=seen.mark(name).at, about=about)


@judges("M-API-21", reads=writing)
def test_no_patch_is_lost(seen: Seen) -> Iterator[Violation]:
    answered = seen.mark("patched at once").facts["answered"]
    if 200 not in answered:
        raise NotExercised(f"no patch was accepted: {answered}", about=seen.name("wanted"))
    kept = answers.body(seen, "the wanted pod is read")["metadata"].get("annotations") or {}
    lost = [number for number, status in enumerate(answered) if status == 200 and f"{STEP}-{number}" not in kept]
    if lost:
        at = seen.mark("the wanted pod is read").at
        want = f"what each of {answered.count(200)} accepted patches wrote"
        yield Violation(want=want, got=f"{len(lost)} of them are lost", at=at, about=seen.name("wanted"))


@judges("M-API-21", reads=writing)
def test_one_of_many_rivals_wins(seen: Seen) -> Iterator[Violation]:
    """None, if somebody else wrote in between."""
    mark = seen.mark("replaced at once")
    winners = [number for number, status in enumerate(mark.facts["answered"]) if status == 200]
    if not winners:
        raise NotExercised("nobody won", about=seen.name("wanted"))
    if len(winners) > 1:
        want = f"one of {RIVALS} that replace a pod from the same version"
        yield Violation(want=want, got=f"{len(winners)} did", at=mark.at, about=seen.name("wanted"))
        return
    labels = answers.body(seen, "the wanted pod is read again")["metadata"]["labels"]
    yield from answers.same(seen, "the wanted pod is read again", {STEP: str(winners[0])}, labels)


@judges("M-API-18", reads=writing)
def test_a_patch_says_which_items_go(seen: Seen) -> Iterator[Violation]:
    if OWN not in conditions.all_conditions(answers.body(seen, "a condition is added")):
        name = "a condition is added"
        want = f"the condition {OWN}, added by a patch that says in which order the conditions are"
        yield Violation(want=want, got="it is not there", at=seen.mark(name).at, about=seen.name("future"))
        return
    found = sorted(conditions.all_conditions(answers.body(seen, "a condition is taken")))
    if OWN in found or "Ready" not in found:
        want, got = f"Ready, and no {OWN} any more", ", ".join(found) or "none"
        yield Violation(want=want, got=got, at=seen.mark("a condition is taken").at, about=seen.name("future"))


@judges("M-API-18", reads=writing)
def test_a_patch_may_replace_a_list_that_is_merged(seen: Seen) -> Iterator[Violation]:
    name = "addresses are replaced"
    yield from answers.same(seen, name, {"addresses": ADDRESSES}, answers.body(seen, name)["status"])


@judges("M-API-18", reads=writing)
def test_taints_are_one_list(seen: Seen) -> Iterator[Violation]:
    old, new = (f"{DOMAIN}/{name}" for name in TAINTS)
    answers.body(seen, f"taints with the {TAINTS[0]}")
    name = f"taints with the {TAINTS[1]}"
    keys = [taint["key"] for taint in answers.body(seen, name)["spec"].get("taints") or []]
    if new not in keys or old in keys:
        want = f"{new} among the taints, and {old} no more, which the patch did not name"
        yield Violation(want=want, got=", ".join(keys) or "none", at=seen.mark(name).at, about=seen.name("future"))


@judges("M-API-19", reads=writing)
def test_agents_of_the_future_are_understood(seen: Seen) -> Iterator[Violation]:
    name = "a node of the future is posted"
    yield from answers.answered(seen, name, 201, want="a node with fields that nobody knows is created")
    for part in ("spec", "status"):
        yield from answers.same(seen, name, {UNKNOWN: None}, answers.body(seen, name)[part])
    name = "a status of the future is patched"
    yield from answers.answered(seen, name, 200, want="a status with a field that nobody knows is written")
    status = answers.body(seen, name)["status"]
    yield from answers.same(seen, name, {UNKNOWN: None}, status)
    yield from answers.same(seen, name, {"cpu": CPU}, status.get("capacity") or {})
