"""Many pods at once: no room is given away twice, and none is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from conformance.drive.scenarios.master.crowd import EACH, NODES, PODS, crowd
from conformance.judge import placing
from conformance.judge.pods import bound_to
from conformance.judge.seen import Seen
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


@judges("M-SCHED-23", reads=crowd)
def test_no_node_gets_more_than_it_has(seen: Seen) -> Iterator[Violation]:
    taken: Counter[str] = Counter()
    for event in sorted(filter(None, map(placing.binding, map(seen.pod, PODS))), key=lambda event: event.at):
        node = bound_to(event.after)
        taken[node] += 1
        if taken[node] > EACH:
            got = f"{taken[node]} pods of one device each on {node}"
            yield Violation(want=f"at most {EACH} on a node", got=got, at=event.at, about=(node, event.name))


@judges("M-SCHED-23", reads=crowd)
def test_all_room_is_given_away(seen: Seen) -> Iterator[Violation]:
    missing = [role for role in PODS if not seen.pod(role).events]
    if missing:
        raise NotExercised(f"{len(missing)} pods were never there")
    bound = [story for story in map(seen.pod, PODS) if placing.binding(story)]
    if len(bound) != len(NODES) * EACH:
        yield Violation(want=f"{len(NODES) * EACH} of {len(PODS)} pods bound", got=f"{len(bound)} bound")
    for role in PODS:
        story = seen.pod(role)
        if not any(placing.answered(event.after) for event in story.events):
            yield Violation(want="PodScheduled=False for who finds no room", got="no word", about=story.name)
