"""ReplicaSets: which pods go first, what the status says, and what counts as a new generation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from conformance.drive.scenarios.master.scaling import BY_AGE, SIZES, STANDINGS, scaling, status
from conformance.judge import pods, windows
from conformance.judge.seen import Seen
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


@judges("M-XF-11", reads=scaling)
def test_the_pods_go_first_that_have_come_least_far(seen: Seen) -> Iterator[Violation]:
    standings, since = seen.mark("the standings").facts, seen.mark("all stand").at
    found = {name: pods.deletion(seen.history.story("Pod", name).since(since)) for name in standings}
    went = sorted((each.at, name) for name, each in found.items() if each is not None)
    if not went:
        raise NotExercised("no pod was deleted, though there were too many", about=seen.name("set"))
    order = [standings[name] for _, name in went]
    due = sorted(standings.values(), key=STANDINGS.index)[: len(order)]
    if order != due:
        got, about = ", then ".join(order), (seen.name("set"), *standings)
        yield Violation(want=", then ".join(due), got=got, at=went[0][0], about=about, level="SHOULD")


@judges("M-XF-12", reads=scaling)
def test_the_status_says_how_far_the_pods_have_come(seen: Seen) -> Iterator[Violation]:
    start = windows.between(seen, "the pods stand sent", "the pods stand answered", "the last news of the pods")
    story, until = seen.story("ReplicaSet", "set"), seen.mark(f"scaled to {SIZES[0]} sent").at
    wanted = {"replicas": len(BY_AGE), "readyReplicas": 1, "availableReplicas": 1}
    for field, number in wanted.items():
        at = next((e.at for e in story.since(start.sent).events if status(e.after, field) == number), None)
        if status(story.state_at(start.sent), field) == number:
            at = start.answered
        limit, about = seen.timing.endpoints_updated(), story.name
        yield from windows.misses(f"status.{field} {number}", at, start, limit, until=until, about=about)


@judges("M-XF-12", reads=scaling)
def test_the_status_says_of_which_generation_it_is(seen: Seen) -> Iterator[Violation]:
    story = seen.story("ReplicaSet", "set")
    for state in (event.after for event in story.events if event.after):
        observed, generation = status(state, "observedGeneration"), state["metadata"].get("generation", 0)
        if observed > generation:
            want = f"status.observedGeneration at most {generation}, the generation there is"
            yield Violation(want=want, got=str(observed), about=story.name)
            return
    start = windows.between(
        seen, f"scaled to {SIZES[0]} sent", f"scaled to {SIZES[0]} answered", "the change of its size"
    )
    before = (story.state_at(start.sent) or {"metadata": {}})["metadata"].get("generation", 0)
    seen_at = (e.at for e in story.since(start.sent).events if status(e.after, "observedGeneration") > before)
    limit, until = seen.timing.endpoints_updated(), seen.history.until
    what = f"status.observedGeneration above {before}"
    yield from windows.misses(what, next(seen_at, None), start, limit, until=until, about=story.name)


@judges("M-API-20", reads=scaling)
def test_a_generation_is_a_change_of_what_is_wanted(seen: Seen) -> Iterator[Violation]:
    story = seen.story("ReplicaSet", "set")
    seen.mark(f"scaled to {SIZES[0]} answered")
    states = [event.after for event in story.events if event.after]
    for before, after in pairwise(states):
        old, new = (state["metadata"].get("generation", 0) for state in (before, after))
        if before["spec"] == after["spec"] and new != old and not pods.terminating(after):
            want = f"generation {old}, as long as the spec does not change"
            yield Violation(want=want, got=str(new), about=story.name)
        if before["spec"] != after["spec"] and new <= old:
            yield Violation(want=f"a generation above {old}, with another spec", got=str(new), about=story.name)
