"""Leases, in which nodes say that they live."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.drive.scenarios.master.lease_rules import RENEWED, lease_rules
from conformance.judge import answers
from conformance.judge.seen import Seen
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


@judges("M-API-07", reads=lease_rules)
def test_leases_are_written_and_read(seen: Seen) -> Iterator[Violation]:
    yield from answers.answered(seen, "namespace of the Leases is read", 200, want="the namespace is there")
    yield from answers.answered(seen, "Lease is posted", 201, want="a Lease is created")
    yield from answers.answered(seen, "Lease is put", 201, want="PUT creates a Lease")
    for name in ("Lease is read", "Lease is replaced", "Lease is patched"):
        yield from answers.answered(seen, name, 200, want="it is done")


@judges("M-API-07", reads=lease_rules)
def test_leases_keep_their_micro_seconds(seen: Seen) -> Iterator[Violation]:
    for name, value in (
        ("Lease is read", RENEWED),
        ("Lease is patched", RENEWED.replace("678901", "678902")),
    ):
        yield from answers.same(seen, name, {"renewTime": value}, _spec(answers.body(seen, name)))


@judges("M-API-07", reads=lease_rules)
def test_senseless_leases_are_refused(seen: Seen) -> Iterator[Violation]:
    want = "a duration of nothing is refused"
    for name in ("Lease of no duration", "Lease of less than no duration"):
        yield from answers.answered(seen, name, 422, want=want, reason="Invalid")
    if answers.status(seen, "Lease is replaced") != 200:
        raise NotExercised("no Lease could be replaced at all")
    yield from answers.answered(seen, "Lease is patched to no duration", 422, want=want, reason="Invalid")
    want = "a write without a resourceVersion is refused"
    yield from answers.answered(seen, "Lease is replaced without version", 422, want=want, reason="Invalid")


@judges("M-API-07", reads=lease_rules)
def test_who_comes_late_does_not_get_the_lease(seen: Seen) -> Iterator[Violation]:
    answers.body(seen, "Lease is patched")
    want = "a Lease is not replaced by who has not seen its last renewal"
    yield from answers.answered(seen, "stale Lease is replaced", 409, want=want, reason="Conflict")


def _spec(item: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = item.get("spec") or {}
    return found
