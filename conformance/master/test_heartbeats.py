"""What counts as a heartbeat, and what does not."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.heartbeats import heartbeats
from conformance.judge import conditions, taints, windows
from conformance.judge import silence as silences
from conformance.judge.seen import Seen
from conformance.judge.taints import NO_EXECUTE, NO_SCHEDULE, UNREACHABLE
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


@judges("M-HB-01", reads=heartbeats)
def test_lease_renewals_alone_keep_a_node_ready(seen: Seen) -> Iterator[Violation]:
    yield from _stays_ready(seen, "by-lease")


@judges("M-HB-01", reads=heartbeats)
def test_lease_renewals_keep_an_unready_node_from_being_given_up(seen: Seen) -> Iterator[Violation]:
    yield from _stays(seen, "unwell", "False")


@judges("M-HB-02", reads=heartbeats)
def test_status_writes_alone_keep_a_node_ready(seen: Seen) -> Iterator[Violation]:
    yield from _stays_ready(seen, "by-status")


@judges("M-HB-03", reads=heartbeats)
def test_a_node_without_lease_is_given_up_within_two_passes(seen: Seen) -> Iterator[Violation]:
    quiet = silences.silence(seen, "quiet")
    turn = silences.turn(seen, "quiet")
    at = turn.at if turn else None
    window = seen.timing.unknown_after_one_signal()
    start = windows.beat(quiet.last)
    yield from windows.misses("Ready=Unknown", at, start, window, until=quiet.until, about=quiet.node)


@judges("M-HB-04", reads=heartbeats)
def test_a_heartbeat_time_that_goes_backwards_counts(seen: Seen) -> Iterator[Violation]:
    yield from _stays_ready(seen, "backwards")


@judges("M-HB-04", reads=heartbeats)
def test_other_changes_of_the_node_are_no_heartbeat(seen: Seen) -> Iterator[Violation]:
    yield from _turns_unknown(seen, "touched")


@judges("M-HB-05", reads=heartbeats)
def test_a_lease_written_without_later_renewal_is_no_heartbeat(seen: Seen) -> Iterator[Violation]:
    yield from _turns_unknown(seen, "unrenewed")


@judges("M-HB-05", reads=heartbeats)
def test_a_lease_renewed_by_micro_seconds_counts(seen: Seen) -> Iterator[Violation]:
    yield from _stays_ready(seen, "creeping")


@judges("M-HB-06", reads=heartbeats)
def test_a_renewed_lease_counts_whatever_else_it_says(seen: Seen) -> Iterator[Violation]:
    yield from _stays_ready(seen, "odd-lease")


@judges("M-HB-06", reads=heartbeats)
def test_a_long_lease_duration_does_not_prolong_the_grace(seen: Seen) -> Iterator[Violation]:
    yield from _turns_unknown(seen, "long-lease")


@judges("M-HB-07", reads=heartbeats)
def test_nodes_whose_clocks_are_off_stay_ready(seen: Seen) -> Iterator[Violation]:
    for role in ("behind", "ahead"):
        yield from _stays_ready(seen, role)


@judges("M-HB-07", reads=heartbeats)
def test_a_renewal_in_the_future_does_not_prolong_the_grace(seen: Seen) -> Iterator[Violation]:
    yield from _turns_unknown(seen, "stopped-clock")


@judges("M-HB-08", reads=heartbeats)
def test_beats_of_others_are_no_heartbeat(seen: Seen) -> Iterator[Violation]:
    yield from _turns_unknown(seen, "namesake")


@judges("M-HB-08", reads=heartbeats)
def test_a_lease_makes_no_node(seen: Seen) -> None:
    name = seen.name("orphan")
    answers = [x for x in seen.history.exchanges if x.method == "GET" and x.path.endswith(f"/nodes/{name}")]
    if not answers:
        raise NotExercised("nobody asked for the node that has only a Lease", about=name)
    if answers[-1].status != 404:
        raise Violation(want=f"no Node {name}", got=f"GET answered {answers[-1].status}", about=name)


@judges("M-HB-09", reads=heartbeats)
def test_lease_renewals_do_not_make_a_node_ready_again(seen: Seen) -> Iterator[Violation]:
    name = seen.name("half-back")
    story = seen.node("half-back").since(silences.flip(seen, "half-back").at)
    renews = seen.mark("half-back renews").at
    for turn in conditions.changes(story, "Ready"):
        if turn.at > renews:
            got = f"Ready={(turn.after or {}).get('status')} {turn.at - renews:.2f} s after renewals began"
            yield Violation(want="Ready=Unknown until the node posts its status", got=got, at=turn.at, about=name)
    for effect in (NO_SCHEDULE, NO_EXECUTE):
        span = taints.first(story, UNREACHABLE, effect)
        if span is not None and span.until is not None:
            got = f"gone {span.until - renews:.2f} s after renewals began"
            yield Violation(want=f"{UNREACHABLE}:{effect} still there", got=got, at=span.until, about=name)


def _stays_ready(seen: Seen, role: str) -> Iterator[Violation]:
    """The node was never anything but Ready, for three grace periods."""
    yield from _stays(seen, role, "True")


def _stays(seen: Seen, role: str, status: str) -> Iterator[Violation]:
    """Ready stayed what the node had posted, for three grace periods."""
    began = seen.mark(f"{role} registered").at
    needed = 3 * seen.timing.node_monitor_grace_period
    watched = seen.history.until - began
    if watched < needed:
        raise NotExercised(f"{role} was watched for {watched:.0f} s only, not for {needed:g} s", about=seen.name(role))
    for turn in conditions.changes(seen.node(role).since(began), "Ready"):
        if turn.after is None or turn.after["status"] != status:
            got = f"Ready={(turn.after or {}).get('status')} after {turn.at - began:.2f} s"
            yield Violation(want=f"Ready={status} as long as it beats", got=got, at=turn.at, about=seen.name(role))


def _turns_unknown(seen: Seen, role: str) -> Iterator[Violation]:
    """The node was given up in time, counted from its last heartbeat proper."""
    quiet = silences.silence(seen, role)
    turn = silences.turn(seen, role)
    yield from windows.misses(
        "Ready=Unknown",
        turn.at if turn else None,
        windows.beat(quiet.last),
        seen.timing.unknown_after_silence(),
        until=quiet.until,
        about=quiet.node,
    )
