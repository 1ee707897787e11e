"""Facts about silences: when a node's last heartbeat landed, and what its Ready condition did afterwards."""

from __future__ import annotations

import attrs

from conformance.judge import conditions, taints
from conformance.judge.conditions import Change
from conformance.judge.seen import Seen
from conformance.judge.taints import NO_EXECUTE, UNREACHABLE
from conformance.record.history import Beat, History
from conformance.verdict import NotExercised


@attrs.frozen
class Silence:
    """One silence of a node.

    Attributes:
        node: the node's name.
        last: its last heartbeat before.
        until: when it ended: just before its return, or the end of the history.
    """

    node: str
    last: Beat
    until: float


def last_beat(history: History, node: str, before: float) -> Beat | None:
    """A node's last accepted heartbeat that was answered before a moment."""
    beats = [beat for beat in history.beats if beat.node == node and beat.ok and beat.answered <= before]
    return beats[-1] if beats else None


def silence(seen: Seen, role: str) -> Silence:
    """The first silence of a node.

    Raises:
        NotExercised: it never fell silent, or never beat before.
    """
    seen.mark(f"{role} silent")
    return silences(seen, role)[0]


def silences(seen: Seen, role: str) -> list[Silence]:
    """All silences of a node.

    Raises:
        NotExercised: it never beat before one of them.
    """
    node = seen.name(role)
    found = []
    for mark in seen.history.marks:
        if mark.name != f"{role} silent":
            continue
        beat = last_beat(seen.history, node, mark.at)
        if beat is None:
            raise NotExercised(f"{role} was never seen beating before its silence", about=node)
        ends = [m.at for m in seen.history.marks if m.at > mark.at and m.name == f"{role} returns"]
        found.append(Silence(node, beat, ends[0] if ends else seen.history.until))
    return found


def turn(seen: Seen, role: str) -> Change | None:
    """The turn of Ready to Unknown in a node's first silence; None when it did not turn.

    Raises:
        NotExercised: it never fell silent, or never beat before.
    """
    quiet = silence(seen, role)
    return conditions.turned(seen.node(role).since(quiet.last.sent).until(quiet.until), "Ready", "Unknown")


def noticed(seen: Seen, role: str) -> None:
    """Makes sure that a plain silence is noticed in time: where it is not, nothing particular can be judged.

    Raises:
        NotExercised: it is not; M-HB-03 judges that.
    """
    found = turn(seen, role)
    last = silence(seen, role).last
    window = seen.timing.unknown_after_silence()
    if found is None or found.at - last.sent < window.earliest or found.at - last.answered > window.latest:
        raise NotExercised(
            f"even a node that simply fell silent was not given up {window} later", about=seen.name(role)
        )


def flip(seen: Seen, role: str) -> Change:
    """The turn of Ready to Unknown in a node's first silence.

    Raises:
        NotExercised: Ready did not turn; M-HB-03 judges that.
    """
    found = turn(seen, role)
    if found is None:
        quiet = silence(seen, role)
        waited = quiet.until - quiet.last.answered
        raise NotExercised(f"Ready of the silent node never became Unknown within {waited:.1f} s", about=quiet.node)
    return found


def tainted(seen: Seen, role: str) -> taints.Span:
    """The NoExecute taint that a node got for its silence.

    Raises:
        NotExercised: its Ready condition never turned, or it never got the taint.
    """
    flip(seen, role)
    span = taints.first(seen.node(role), UNREACHABLE, NO_EXECUTE)
    if span is None:
        raise NotExercised("the silent node never got the NoExecute taint", about=seen.name(role))
    return span
