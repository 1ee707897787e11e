"""What the API answered to requests that a scenario asked for their own sake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.judge.seen import Seen
from conformance.verdict import NotExercised, Violation

_BUSY = (429, 500, 502, 503, 504)


def status(seen: Seen, name: str) -> int:
    """The HTTP status of an answer.

    Raises:
        NotExercised: the request was never sent, or the API was not able to answer it.
    """
    found = int(seen.mark(name).facts["status"])
    if found in _BUSY:
        raise NotExercised(f"'{name}' was answered {found}")
    return found


def body(seen: Seen, name: str) -> Mapping[str, Any]:
    """The object that was answered.

    Raises:
        NotExercised: the request was refused or never sent.
    """
    found = status(seen, name)
    if found >= 300:
        raise NotExercised(f"'{name}' was answered {found}: {_message(seen, name)}")
    answer: Mapping[str, Any] = seen.mark(name).facts["body"]
    return answer


def answered(seen: Seen, name: str, *wanted: int, want: str, reason: str = "") -> Iterator[Violation]:
    """The request must have been answered with one of the statuses.

    Args:
        seen: the scenario.
        name: of the request.
        wanted: HTTP statuses.
        want: what is due, as a phrase.
        reason: of the Status object, where one is due.
    """
    found = status(seen, name)
    said = (seen.mark(name).facts["body"] or {}).get("reason", "") if reason else ""
    if found not in wanted or said != reason:
        numbers = " or ".join(str(one) for one in wanted)
        text = f"{want}: {numbers}{' ' + reason if reason else ''}"
        got = f"'{name}' was answered {found} {_message(seen, name)}".rstrip()
        yield Violation(want=text, got=got, at=seen.mark(name).at)


def same(seen: Seen, name: str, want: Mapping[str, Any], got: Mapping[str, Any]) -> Iterator[Violation]:
    """Fields of an answer must be what they should be."""
    for field, value in want.items():
        if got.get(field) != value:
            text = f"{field} {value!r} in the answer to '{name}'"
            yield Violation(want=text, got=repr(got.get(field)), at=seen.mark(name).at)


def _message(seen: Seen, name: str) -> str:
    answer = seen.mark(name).facts["body"]
    return str(answer.get("message", "")) if isinstance(answer, Mapping) else ""
