"""Jobs replace pods that are being deleted."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.jobs import jobs
from conformance.judge import pods, windows, workloads
from conformance.judge.seen import Seen
from conformance.record.history import Story
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation

POLICY_SINCE = 28
"""From Kubernetes 1.28 on a Job can say when its pods are replaced."""


def _evicted(seen: Seen, role: str) -> tuple[Story, float]:
    """The Job's first pod, and when its deletion was seen to be requested."""
    tainted = seen.mark("home tainted sent").at
    (story,) = workloads.began_on(seen, role, "home", 1, tainted)
    return story, workloads.evictions([story], tainted)[0]


def _replaced(seen: Seen, role: str, first: Story) -> float | None:
    new = workloads.later(seen, role, [first])
    return new[0].events[0].at if new else None


@judges("M-XF-07", reads=jobs)
def test_a_job_replaces_a_terminating_pod(seen: Seen) -> Iterator[Violation]:
    first, deleted = _evicted(seen, "hasty")
    start = windows.seen_at(deleted, "the deletion of its pod", seen.timing.watch_lag)
    about = (first.name, seen.name("hasty"))
    until = seen.mark("hasty ended sent").at
    limit = seen.timing.job_replacement()
    yield from windows.misses("a new pod", _replaced(seen, "hasty", first), start, limit, until=until, about=about)


@judges("M-XF-07", reads=jobs)
def test_a_job_may_wait_for_the_end_of_its_pod(seen: Seen) -> Iterator[Violation]:
    if seen.facts.minor < POLICY_SINCE:
        raise Unsupported(f"podReplacementPolicy is known from 1.{POLICY_SINCE} on; the target is 1.{seen.facts.minor}")
    first, deleted = _evicted(seen, "careful")
    ended = windows.between(seen, "careful ended sent", "careful ended answered", "the end of its pod")
    replaced = _replaced(seen, "careful", first)
    about = (first.name, seen.name("careful"))
    if not pods.terminating(first.state_at(ended.sent)):
        raise NotExercised("the pod was gone before its end was written", about=about)
    if replaced is not None and replaced < ended.sent:
        got = f"a new pod {replaced - deleted:.2f} s after the deletion"
        yield Violation(want="no new pod while the old one has not ended", got=got, at=replaced, about=about)
        return
    limit, until = seen.timing.job_replacement(), seen.history.until
    yield from windows.misses("a new pod", replaced, ended, limit, until=until, about=about)
