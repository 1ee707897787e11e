"""A history on disk: JSON lines, one fact a line, so that it can be judged again without a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from conformance.record.history import Beat, Exchange, Gap, History, Mark, ObjectEvent

_FORMAT = 1
_TYPES: dict[str, Any] = {"event": ObjectEvent, "mark": Mark, "beat": Beat, "exchange": Exchange, "gap": Gap}


class HistoryFileError(Exception):
    """The file is no history, or a truncated one; the text says where."""


def save(history: History, path: Path, about: Mapping[str, Any] | None = None) -> None:
    """Writes a history; the same history always gives the same bytes.

    Args:
        history: what was seen.
        path: of the file.
        about: what is known of the run, as JSON values; needed to judge the history again.
    """
    with path.open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines(history, about))


def lines(history: History, about: Mapping[str, Any] | None = None) -> Iterator[str]:
    """The lines of the file: a head, the facts, and a foot that proves the file is whole."""
    head = {"format": _FORMAT, "epoch": history.epoch.isoformat(), "until": history.until, "about": about or {}}
    yield _line("head", head)
    count = 0
    for name, facts in _facts(history):
        for fact in facts:
            yield _line(name, attrs.asdict(fact, recurse=False))
            count += 1
    yield _line("foot", {"facts": count})


def load(path: Path) -> tuple[History, dict[str, Any]]:
    """Reads a history, and what the file says of its run.

    Raises:
        HistoryFileError: not a history, or cut off.
    """
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").removesuffix("\n").split("\n")]
        head, foot = rows[0], rows[-1]
        if head["is"] != "head" or foot["is"] != "foot" or foot["facts"] != len(rows) - 2:
            raise HistoryFileError(f"{path}: truncated")
        found: dict[str, list[Any]] = {name: [] for name in _TYPES}
        for row in rows[1:-1]:
            name = row.pop("is")
            found[name].append(_TYPES[name](**row))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise HistoryFileError(f"{path}: not a history: {error}") from error
    history = History(
        epoch=datetime.fromisoformat(head["epoch"]),
        until=head["until"],
        events=tuple(found["event"]),
        marks=tuple(found["mark"]),
        beats=tuple(found["beat"]),
        exchanges=tuple(found["exchange"]),
        gaps=tuple(found["gap"]),
    )
    return history, head["about"]


def _facts(history: History) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    return (
        ("event", history.events),
        ("mark", history.marks),
        ("beat", history.beats),
        ("exchange", history.exchanges),
        ("gap", history.gaps),
    )


def _line(name: str, fields: dict[str, Any]) -> str:
    return json.dumps({"is": name, **fields}, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
