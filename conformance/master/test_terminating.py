"""What a deletion does to a pod that has a node: it is asked to end, and only its end removes it."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.clock import parse_time
from conformance.drive.scenarios.master.terminating import LONG, MIDDLE, OWN_GRACE, SHORT, terminating
from conformance.judge import pods, windows
from conformance.judge.seen import Seen
from conformance.record.history import Mark
from conformance.scenario import judges
from conformance.timing import Window
from conformance.verdict import NotExercised, Violation


def _answer(seen: Seen, request: str, *, wanted: int = 200) -> Mark:
    """The answer to a deletion.

    Raises:
        Violation: it was refused.
    """
    mark = seen.mark(f"{request} answered")
    if mark.facts["status"] != wanted:
        want = f"the request '{request}' answered {wanted}"
        got = _said(mark)
        raise Violation(want=want, got=got, at=mark.at, about=_pod(seen, request))
    return mark


def _said(answer: Mark) -> str:
    return f"{answer.facts['status']} {answer.facts['reason']}".rstrip()


def _pod(seen: Seen, request: str) -> str:
    return seen.name(request.partition(" ")[0])


def _graced(seen: Seen, request: str, grace: int) -> Iterator[Violation]:
    """The answer must show the grace period, and its end that long after the request."""
    sent, answer = seen.mark(f"{request} sent"), _answer(seen, request)
    if answer.facts["grace"] != grace:
        want = f"deletionGracePeriodSeconds {grace} after '{request}'"
        yield Violation(want=want, got=str(answer.facts["grace"]), at=answer.at, about=_pod(seen, request))
        return
    stamp = seen.history.moment(parse_time(answer.facts["stamp"])) if answer.facts["stamp"] else None
    skew = seen.timing.clock_skew
    if stamp is None or not sent.at + grace - skew - 1 <= stamp <= answer.at + grace + skew:
        got = "none" if stamp is None else f"{stamp - sent.at:.0f} s after the request"
        want = f"deletionTimestamp {grace} s after the request '{request}'"
        yield Violation(want=want, got=got, at=answer.at, about=_pod(seen, request))


@judges("M-TERM-02", reads=terminating)
def test_the_deletion_timestamp_is_the_request_plus_the_grace_period(seen: Seen) -> Iterator[Violation]:
    yield from _graced(seen, "graced deleted", MIDDLE)
    yield from _graced(seen, "own deleted", OWN_GRACE)
    yield from _graced(seen, "pending deleted", OWN_GRACE)


@judges("M-TERM-02", reads=terminating)
def test_a_deletion_with_no_less_grace_changes_nothing(seen: Seen) -> Iterator[Violation]:
    first = _first(seen)
    for request in ("graced deleted plainly", "graced deleted with more"):
        again = _answer(seen, request)
        if (again.facts["stamp"], again.facts["grace"]) != (first.facts["stamp"], first.facts["grace"]):
            want = f"deletionTimestamp {first.facts['stamp']} and {first.facts['grace']} s kept after '{request}'"
            got = f"{again.facts['stamp'] or 'none'} and {again.facts['grace']} s"
            yield Violation(want=want, got=got, at=again.at, about=seen.name("graced"))


def _first(seen: Seen) -> Mark:
    """The first deletion of `graced`.

    Raises:
        NotExercised: it did not make the pod terminating.
    """
    first = seen.mark("graced deleted answered")
    if not first.facts["stamp"]:
        raise NotExercised("the first deletion did not make the pod terminating", about=seen.name("graced"))
    return first


@judges("M-TERM-02", reads=terminating)
def test_a_deletion_with_less_grace_comes_earlier(seen: Seen) -> Iterator[Violation]:
    _first(seen)
    yield from _graced(seen, "graced deleted with less", SHORT)


@judges("M-TERM-02", reads=terminating)
def test_a_deletion_meant_for_another_pod_is_refused(seen: Seen) -> Iterator[Violation]:
    before = _first(seen)
    for request in ("graced taken for another plainly", "graced taken for an old state"):
        _answer(seen, request, wanted=409)
    answer, found = _answer(seen, "graced taken for another", wanted=409), seen.mark("graced read")
    if found.facts["stamp"] != before.facts["stamp"]:
        got = found.facts["stamp"] or _said(found)
        want = f"the pod terminating until {before.facts['stamp']}, as before"
        yield Violation(want=want, got=got, at=answer.at, about=seen.name("graced"))


@judges("M-TERM-07", reads=terminating)
def test_no_write_undoes_a_deletion(seen: Seen) -> Iterator[Violation]:
    first = _answer(seen, "own deleted")
    writes = [seen.mark(f"own {how}") for how in ("patched", "replaced", "reported")]
    if not first.facts["stamp"] or not any(mark.facts["status"] == 200 for mark in writes):
        raise NotExercised("the pod was not terminating, or could not be written", about=seen.name("own"))
    for mark in (*writes, seen.mark("own read")):
        if mark.facts["status"] == 200 and mark.facts["stamp"] != first.facts["stamp"]:
            want = f"deletionTimestamp {first.facts['stamp']}, as before, in the answer to '{mark.name}'"
            yield Violation(want=want, got=mark.facts["stamp"] or "none", at=mark.at, about=seen.name("own"))


@judges("M-TERM-07", reads=terminating)
def test_what_is_terminating_gets_no_new_finalizer(seen: Seen) -> Iterator[Violation]:
    if not _answer(seen, "own deleted").facts["stamp"]:
        raise NotExercised("the pod was not terminating", about=seen.name("own"))
    mark = seen.mark("own held late")
    if mark.facts["status"] == 200 and not mark.facts["stamp"]:
        raise NotExercised("the pod was not terminating any more", about=seen.name("own"))
    if mark.facts["status"] != 422:
        want = "422 to a new finalizer on a pod that is terminating"
        yield Violation(want=want, got=str(mark.facts["status"]), at=mark.at, about=seen.name("own"))


def _gone(seen: Seen, role: str, request: str) -> Iterator[Violation]:
    """A pod must be gone soon after a request."""
    _answer(seen, request)
    start = windows.between(seen, f"{request} sent", f"{request} answered", f"the request '{request}'")
    events = seen.pod(role).since(start.sent).events
    at = next((event.at for event in events if event.after is None), None)
    limit = Window(0, seen.timing.slack)
    until = seen.history.until
    yield from windows.misses(f"the end of pod {role}", at, start, limit, until=until, about=seen.name(role))


@judges("M-TERM-03", reads=terminating)
def test_a_deletion_without_grace_removes_the_pod(seen: Seen) -> Iterator[Violation]:
    yield from _gone(seen, "forced", "forced deleted")
    yield from _gone(seen, "hurried", "hurried forced")


@judges("M-TERM-03", reads=terminating)
def test_a_finalizer_keeps_the_pod_until_it_is_taken_off(seen: Seen) -> Iterator[Violation]:
    forced, released = _answer(seen, "held forced").at, seen.mark("held released sent").at
    story = seen.pod("held")
    for event in story.since(forced).until(released).events:
        if event.after is None:
            want = "the pod kept by its finalizer"
            yield Violation(want=want, got="it was removed", at=event.at, about=story.name)
            return
    if not pods.terminating(story.state_at(released)):
        yield Violation(want="the held pod terminating", got="it is not", at=released, about=story.name)
        return
    start = windows.between(seen, "held released sent", "held released answered", "the end of its finalizer")
    at = next((event.at for event in story.since(released).events if event.after is None), None)
    limit, until = Window(0, seen.timing.slack), seen.history.until
    yield from windows.misses("the end of the pod", at, start, limit, until=until, about=story.name)


@judges("M-TERM-04", reads=terminating)
def test_a_pod_that_needs_no_end_vanishes_at_once(seen: Seen) -> Iterator[Violation]:
    for role in ("unbound", "failed", "succeeded"):
        sent = seen.mark(f"{role} deleted sent").at
        state = seen.pod(role).state_at(sent)
        phase = ((state or {}).get("status") or {}).get("phase")
        wanted = {"unbound": "Pending", "failed": "Failed", "succeeded": "Succeeded"}[role]
        if phase != wanted or (role == "unbound" and pods.bound_to(state)):
            raise NotExercised(f"pod {role} was not as it should have been before", about=seen.name(role))
        yield from _gone(seen, role, f"{role} deleted")


@judges("M-TERM-06", reads=terminating)
def test_the_name_stays_taken(seen: Seen) -> Iterator[Violation]:
    deleted, forced = _answer(seen, "named deleted"), _answer(seen, "named forced")
    if deleted.facts["grace"] != LONG:
        raise NotExercised("the pod was not terminating", about=seen.name("named"))
    early, late = seen.mark("named made too early"), seen.mark("named made again")
    if (early.facts["status"], early.facts["reason"]) != (409, "AlreadyExists"):
        got = _said(early)
        want = "409 AlreadyExists while the terminating pod exists"
        yield Violation(want=want, got=got, at=early.at, about=seen.name("named"))
    prefixed = seen.mark("named made too early with a prefix")
    if prefixed.facts["status"] < 400:
        got = f"{prefixed.facts['status']}, another pod"
        want = "no other name for a pod that has a generateName beside the name"
        yield Violation(want=want, got=got, at=prefixed.at, about=seen.name("named"))
    gone = seen.pod("named").since(forced.at - seen.timing.slack).events
    if not any(event.after is None for event in gone):
        raise NotExercised("the pod was not removed by force; M-TERM-03 judges that", about=seen.name("named"))
    if late.facts["status"] != 201:
        got = _said(late)
        yield Violation(want="201 once it is gone", got=got, at=late.at, about=seen.name("named"))
    elif late.facts["uid"] == deleted.facts["uid"]:
        yield Violation(want="a new uid", got="that of the old pod", at=late.at, about=seen.name("named"))
