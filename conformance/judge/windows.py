"""Whether something came in its window: neither too early nor too late, nor not at all."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from conformance.judge.seen import Seen
from conformance.record.history import Beat
from conformance.timing import Window
from conformance.verdict import Violation


@attrs.frozen
class Start:
    """From when a window is measured: something happened at some instant between two moments.

    Attributes:
        sent: the earlier; "too early" is measured from here.
        answered: the later; "too late" is measured from here.
        name: what happened, as a phrase: `the last heartbeat`.
    """

    sent: float
    answered: float
    name: str


def beat(last: Beat) -> Start:
    """From a heartbeat on."""
    return Start(last.sent, last.answered, "the last heartbeat")


def seen_at(at: float, name: str, lag: float) -> Start:
    """From something that a watch told; another watch may run ahead or behind by `lag` seconds."""
    return Start(at - lag, at + lag, name)


def between(seen: Seen, before: str, after: str, name: str) -> Start:
    """From something that happened between two marks.

    Raises:
        NotExercised: the scenario did not pass them.
    """
    return Start(seen.mark(before).at, seen.mark(after).at, name)


def misses(
    what: str,
    at: float | None,
    start: Start,
    window: Window,
    *,
    until: float,
    about: tuple[str, ...] | str,
    level: str | None = None,
) -> Iterator[Violation]:
    """Yields a violation when something did not come in its window.

    Args:
        what: what should have come, as a phrase: `Ready=Unknown`.
        at: when it came; None when it did not.
        start: from when the window is measured.
        window: how long afterwards it is due.
        until: when watching ended.
        about: names of the objects concerned.
        level: for a part of a sentence that is weaker than the rest.
    """
    span = f"within {window.latest:g} s of" if window.earliest <= 0 else f"{window} after"
    want = f"{what} {span} {start.name}"
    if at is None:
        got = f"it had not come {until - start.answered:.2f} s after it"
        yield Violation(want=want, got=got, about=about, level=level)
    elif at - start.sent < window.earliest:
        yield Violation(want=want, got=_came(at - start.sent), at=at, about=about, level=level)
    elif at - start.answered > window.latest:
        yield Violation(want=want, got=_came(at - start.answered), at=at, about=about, level=level)


def _came(later: float) -> str:
    return f"it came {later:.2f} s after it" if later >= 0 else f"it came {-later:.2f} s before it"
