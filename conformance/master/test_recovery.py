"""A node comes back."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.drive.scenarios.silence import silence
from conformance.drive.scenarios.transitions import transitions
from conformance.judge import conditions, windows
from conformance.judge import silence as silences
from conformance.judge.seen import Seen
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation


@judges("M-NR-08", reads=silence)
def test_a_recovered_node_stays_ready(seen: Seen) -> None:
    silences.flip(seen, "victim")
    recovered = seen.mark("victim recovered")
    story = seen.node("victim")
    state = story.state_at(seen.history.until)
    want = "Ready=True from the recovery on, as long as the node beats"
    for turn in conditions.changes(story.since(recovered.at), "Ready"):
        if turn.after is None or turn.after["status"] != "True":
            got = f"Ready={turn.after['status'] if turn.after else 'absent'}"
            raise Violation(want=want, got=got, at=turn.at, about=story.name)
    if conditions.status(state, "Ready") != "True":
        raise Violation(want=want, got=f"Ready={conditions.status(state, 'Ready')}", about=story.name)


@judges("M-NR-09", reads=transitions)
def test_an_old_post_repeated_is_no_recovery(seen: Seen) -> Iterator[Violation]:
    name = seen.name("echo")
    turns = list(conditions.changes(seen.node("echo").since(silences.flip(seen, "echo").at), "Ready"))
    back = next((turn for turn in turns if turn.after and turn.after["status"] == "True"), None)
    if back is None:
        raise NotExercised("the old post never arrived", about=name)
    again = next((turn for turn in turns if turn.at > back.at), None)
    start = windows.Start(back.at, back.at, "the old post")
    window = seen.timing.unknown_again()
    at = again.at if again else None
    yield from windows.misses("Ready=Unknown again", at, start, window, until=seen.history.until, about=name)
