"""A namespace goes with everything in it."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.namespaces import namespaces
from conformance.judge import answers, evictions, pods, windows
from conformance.judge.seen import Seen
from conformance.scenario import judges
from conformance.verdict import Violation


@judges("M-API-10", reads=namespaces)
def test_nothing_is_created_in_a_namespace_that_is_going(seen: Seen) -> Iterator[Violation]:
    want = "a pod for a namespace that is being deleted is refused"
    yield from answers.answered(seen, "a pod comes late", 403, want=want, reason="Forbidden")


@judges("M-API-10", reads=namespaces)
def test_what_is_in_the_namespace_is_deleted(seen: Seen) -> Iterator[Violation]:
    start = evictions.request(seen, "namespace deleted", "the deletion of their namespace")
    limit, until = seen.timing.namespace_emptied(), seen.history.until
    for role in ("free", "held"):
        deletion = pods.deletion(seen.pod(role).since(start.sent))
        at = deletion.at if deletion else None
        yield from windows.misses(f"the deletion of pod {role}", at, start, limit, until=until, about=seen.name(role))


@judges("M-API-10", reads=namespaces)
def test_the_namespace_goes_last(seen: Seen) -> Iterator[Violation]:
    want = "the namespace still there, with what a finalizer keeps in it"
    yield from answers.answered(seen, "namespace with a held pod", 200, want=want)
    phase = (answers.body(seen, "namespace with a held pod").get("status") or {}).get("phase")
    if phase != "Terminating":
        yield Violation(want="phase Terminating", got=str(phase), about=seen.name("doomed"))
    yield from answers.answered(seen, "namespace in the end", 404, want="the namespace gone, once it is empty")
