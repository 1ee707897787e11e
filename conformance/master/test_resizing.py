"""What a pod counts while it is resized."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.resizing import SINCE, WAITING, resizing
from conformance.judge import placing, windows
from conformance.judge.seen import Seen
from conformance.scenario import judges
from conformance.verdict import Unsupported, Violation


def _resized(seen: Seen) -> None:
    """The pod was resized, and nobody else is on its node.

    Raises:
        Unsupported: the target does not resize pods.
        NotExercised: somebody else's pods make the sums another.
    """
    if seen.facts.minor < SINCE:
        raise Unsupported(f"pods can be resized from 1.{SINCE} on")
    status = seen.mark("grown").facts["status"]
    if status != 200:
        raise Unsupported(f"the target does not resize pods: pods/resize answered {status}")
    placing.alone(seen, "elastic")


@judges("M-SCHED-26", reads=resizing)
def test_a_pod_counts_the_largest_of_wanted_allocated_and_actual(seen: Seen) -> Iterator[Violation]:
    _resized(seen)
    for role, why in WAITING.items():
        yield from placing.kept_out(seen, role, why=why, until=seen.mark("room made sent").at)


@judges("M-SCHED-26", reads=resizing)
def test_what_a_pod_no_longer_has_is_free(seen: Seen) -> Iterator[Violation]:
    _resized(seen)
    made = windows.between(seen, "room made sent", "room made answered", "the pod's having half a cpu")
    bound = [event.at for role in WAITING if (event := placing.binding(seen.pod(role)))]
    about = (seen.name("elastic"), *(seen.name(role) for role in WAITING))
    limit, until = seen.timing.scheduled(), seen.history.until
    first = min(bound, default=None)
    if first is None or first >= made.sent:
        yield from windows.misses("one of the pods bound", first, made, limit, until=until, about=about)
