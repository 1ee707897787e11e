"""What the workload controllers share: claims, expectations, predicates, batches, revisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.errors import Object, internal
from refimpl.api.selectors import from_object
from refimpl.clock import Clock
from refimpl.controllers.workloads import conditions, hashing, pods
from refimpl.controllers.workloads.backoff import Backoff
from refimpl.controllers.workloads.expectations import TIMEOUT_SECONDS, Expectations
from refimpl.controllers.workloads.numbers import scaled
from refimpl.controllers.workloads.owners import by_controller, claim, orphans_of
from refimpl.controllers.workloads.podcontrol import slow_start
from tests.controllers.objects import NOW, ago, at, pod, workload

OWNER = workload()
OTHER = workload(name="other")
SELECTOR = from_object(OWNER["spec"]["selector"])


def claimed(candidate: Object, owner: Object = OWNER) -> str:
    filed = by_controller(candidate)
    held = [candidate] if owner["metadata"]["uid"] in filed else []
    orphans = [candidate] if orphans_of(owner["metadata"]["namespace"]) in filed else []
    claims = claim(owner, SELECTOR, held, orphans)
    for verdict in ("mine", "adopt", "release"):
        if getattr(claims, verdict):
            return verdict
    return "ignored"


@pytest.mark.parametrize(
    ("candidate", "verdict"),
    [
        (pod(owner=OWNER), "mine"),
        (pod(owner=OWNER, deleting=True), "mine"),
        (pod(owner=OWNER, labels={"app": "db"}), "release"),
        (pod(), "adopt"),
        (pod(deleting=True), "ignored"),
        (pod(labels={}), "ignored"),
        (pod(owner=OTHER), "ignored"),
    ],
)
def test_claims(candidate: Object, verdict: str):
    assert claimed(candidate) == verdict


@pytest.mark.parametrize(
    ("candidate", "verdict"),
    [(pod(owner=OWNER), "mine"), (pod(owner=OWNER, labels={}), "ignored"), (pod(), "ignored")],
)
def test_an_owner_that_is_going_neither_adopts_nor_releases(candidate: Object, verdict: str):
    going = {**OWNER, "metadata": {**OWNER["metadata"], "deletionTimestamp": ago(1)}}
    assert claimed(candidate, going) == verdict


@pytest.mark.parametrize(
    ("candidate", "active"),
    [
        (pod(), True),
        (pod(phase="Pending", ready_for=None), True),
        (pod(phase="Unknown"), True),
        (pod(deleting=True), False),
        (pod(phase="Failed"), False),
        (pod(phase="Succeeded"), False),
    ],
)
def test_a_pod_is_active_unless_it_is_finished_or_terminating(candidate: Object, active: bool):
    assert pods.is_active(candidate) is active


def test_a_pod_is_available_once_it_was_ready_for_long_enough():
    candidate = pod(ready_for=10)
    assert pods.is_available(candidate, 0, NOW)
    assert pods.is_available(candidate, 10, NOW)
    assert not pods.is_available(candidate, 11, NOW)
    assert pods.is_available(candidate, 11, at(1))
    assert not pods.is_available(pod(ready_for=None), 0, NOW)


async def test_expectations_hold_decisions_back_until_all_changes_were_seen(clock: Clock):
    expectations = Expectations(clock)
    expectations.expect("rs", creations=2, deletions=["a"])
    expectations.created("rs")
    expectations.deleted("rs", "a")
    expectations.deleted("rs", "a")
    assert not expectations.met("rs")
    expectations.created("rs")
    assert expectations.met("rs")


async def test_expectations_of_one_owner_do_not_hold_back_another(clock: Clock):
    expectations = Expectations(clock)
    expectations.expect("rs", creations=1)
    assert expectations.met("other")


async def test_expectations_time_out_when_an_event_was_lost(clock: Clock):
    expectations = Expectations(clock)
    expectations.expect("rs", creations=1)
    await clock.sleep(TIMEOUT_SECONDS)
    assert not expectations.met("rs")
    await clock.sleep(1)
    assert expectations.met("rs")


async def test_slow_start_doubles_its_batches_and_stops_after_the_first_that_fails():
    tried: list[int] = []

    async def attempt(number: int) -> None:
        tried.append(number)
        if number >= 2:
            raise internal("quota")

    done, failure = await slow_start(100, attempt)
    assert (len(tried), done) == (3, 2)
    assert failure is not None


async def test_slow_start_makes_every_attempt_when_none_fails():
    tried: list[int] = []

    async def attempt(number: int) -> None:
        tried.append(number)

    assert await slow_start(10, attempt) == (10, None)
    assert tried == list(range(10))


@pytest.mark.parametrize(
    ("value", "total", "up", "down"),
    [(3, 10, 3, 3), ("25%", 10, 3, 2), ("0%", 10, 0, 0), ("100%", 7, 7, 7), (None, 5, 0, 0), ("1%", 1, 1, 0)],
)
def test_percentages_are_rounded_as_asked(value, total, up, down):
    assert (scaled(value, total, round_up=True), scaled(value, total, round_up=False)) == (up, down)


def test_a_hash_does_not_depend_on_the_order_of_keys_but_on_content_and_collisions():
    assert hashing.content_hash({"a": 1, "b": 2}) == hashing.content_hash({"b": 2, "a": 1})
    assert hashing.content_hash({"a": 1}) != hashing.content_hash({"a": 2})
    assert hashing.content_hash({"a": 1}) != hashing.content_hash({"a": 1}, collisions=1)


@given(st.binary(max_size=20))
def test_fnv_stays_within_32_bits(data: bytes):
    assert 0 <= hashing.fnv32a(data) < 2**32


def test_fnv_of_known_texts():
    assert (hashing.fnv32a(b""), hashing.fnv32a(b"a"), hashing.fnv32a(b"foobar")) == (
        0x811C9DC5,
        0xE40C292C,
        0xBF9CF968,
    )


def test_a_condition_changes_only_when_its_status_or_reason_does():
    old = {"type": "Available", "status": "True", "reason": "A", "lastTransitionTime": "t0"}
    same = conditions.with_condition([old], {**old, "lastTransitionTime": "t1", "message": "other"})
    other_reason = conditions.with_condition([old], {**old, "reason": "B", "lastTransitionTime": "t1"})
    other_status = conditions.with_condition([old], {**old, "status": "False", "lastTransitionTime": "t1"})
    assert same == [old]
    assert other_reason == [{**old, "reason": "B"}]
    assert other_status == [{**old, "status": "False", "lastTransitionTime": "t1"}]


def test_backoff_doubles_and_forgets_what_was_quiet_for_long():
    backoff = Backoff(first=1, longest=8)
    assert backoff.remaining("a", NOW) == 0
    backoff.failed("a", NOW)
    backoff.failed("a", at(1))
    assert backoff.remaining("a", at(1)) == 2
    assert backoff.remaining("a", at(2.5)) == 0.5
    backoff.failed("a", at(100))
    assert backoff.remaining("a", at(100)) == 1
    backoff.forget("a")
    assert backoff.remaining("a", at(100)) == 0
