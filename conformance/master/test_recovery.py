"""A node comes back."""

from __future__ import annotations

from conformance.drive.scenarios.silence import silence
from conformance.judge import conditions
from conformance.judge import silence as silences
from conformance.judge.seen import Seen
from conformance.scenario import judges
from conformance.verdict import Violation


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
