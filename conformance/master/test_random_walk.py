"""Invariants over a random walk; the seed of the run repeats it."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.master.random_walk import random_walk
from conformance.drive.walk import QUIET, REPLICAS, SEATS
from conformance.judge import conditions, invariants, pods
from conformance.judge.seen import Seen
from conformance.kinds import REPLICATION_CONTROLLER
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation


@judges("M-SCHED-23", reads=random_walk)
def test_no_node_ever_has_more_than_it_offers(seen: Seen) -> Iterator[Violation]:
    if not any(pods.bound_to(story.last) for story in seen.history.stories("Pod")):
        raise NotExercised("no pod was ever bound")
    yield from invariants.overbooked(seen, SEATS)


@judges("M-EV-03", reads=random_walk)
def test_no_pod_is_evicted_before_its_toleration_ends(seen: Seen) -> Iterator[Violation]:
    if not any(pods.deletion(story) for story in seen.history.stories("Pod")):
        raise NotExercised("no pod was ever deleted")
    yield from invariants.evicted_early(seen)


@judges("M-NR-03", reads=random_walk)
def test_transition_times_move_exactly_when_statuses_do(seen: Seen) -> Iterator[Violation]:
    _given_up(seen)
    yield from invariants.restamped(seen)


@judges("M-HB-03", reads=random_walk)
def test_no_node_is_ready_without_heartbeats_or_given_up_with_them(seen: Seen) -> Iterator[Violation]:
    yield from invariants.misjudged(seen)


@judges("M-XF-04", reads=random_walk)
def test_in_the_end_there_is_one_live_pod_for_every_replica(seen: Seen) -> Iterator[Violation]:
    if not seen.facts.served(REPLICATION_CONTROLLER):
        raise Unsupported("the target does not serve ReplicationControllers")
    if not seen.pods_of("crew"):
        raise NotExercised("the controller never made a pod")
    yield from invariants.miscounted(seen, "crew", REPLICAS, seen.mark(QUIET).at)


def _given_up(seen: Seen) -> None:
    """The master must have written conditions of its own."""
    for story in seen.history.stories("Node"):
        if any(change.after and change.after["status"] == "Unknown" for change in conditions.changes(story, "Ready")):
            return
    raise NotExercised("no silent node ever became Unknown")
