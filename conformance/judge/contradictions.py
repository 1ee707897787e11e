"""Where a target visibly goes by other settings than the suite was told: a hint, no verdict."""

from __future__ import annotations

from collections.abc import Container, Iterator

from conformance.judge import conditions
from conformance.judge.pods import toleration_seconds
from conformance.judge.silence import last_beat
from conformance.judge.taints import NOT_READY, UNREACHABLE
from conformance.record.history import History, Mark, Story
from conformance.timing import Timing

_ENOUGH = 2
"""Silences that must tell the same."""


def of_timing(history: History, timing: Timing, told: Container[str]) -> Iterator[str]:
    """What contradicts the settings, a line each.

    Args:
        history: of the whole run.
        timing: what the suite went by.
        told: fields of it that were declared; the others follow from the target's version.
    """
    yield from _grace(history, timing, told)
    yield from _tolerations(history, timing, told)


def _grace(history: History, timing: Timing, told: Container[str]) -> Iterator[str]:
    """All nodes that fell silent were given up too early, or all too late."""
    waits = [wait for mark in history.marks if mark.name.endswith(" silent") for wait in _wait(history, mark)]
    window = timing.unknown_after_silence()
    early, late = all(wait < window.earliest for wait in waits), all(wait > window.latest for wait in waits)
    if len(waits) >= _ENOUGH and (early or late):
        setting = _setting("node_monitor_grace_period", timing.node_monitor_grace_period, told)
        yield (
            f"{setting}, but all {len(waits)} nodes that were given up were so "
            f"{min(waits):.1f} s to {max(waits):.1f} s after their last heartbeat"
        )


def _wait(history: History, mark: Mark) -> Iterator[float]:
    """How long after its last heartbeat a node that fell silent was given up."""
    node = str(mark.facts.get("node", ""))
    beat = last_beat(history, node, mark.at)
    back = min((m.at for m in history.marks if m.at > mark.at and m.facts.get("node") == node), default=history.until)
    story = history.story("Node", node).since(mark.at).until(back)
    turn = next((c for c in conditions.changes(story, "Ready") if c.after and c.after["status"] == "Unknown"), None)
    if beat is not None and turn is not None:
        yield turn.at - beat.sent


def _tolerations(history: History, timing: Timing, told: Container[str]) -> Iterator[str]:
    """What pods get that say nothing themselves: the canary's did not."""
    fields = (
        (NOT_READY, "default_not_ready_toleration_seconds"),
        (UNREACHABLE, "default_unreachable_toleration_seconds"),
    )
    for key, field in fields:
        expected: float = getattr(timing, field)
        for story in _unspoken(history):
            found = toleration_seconds(story.events[0].after, key)
            if found is not None and found != expected:
                yield f"{_setting(field, expected, told)}, but a pod that says nothing itself got {found:g} s"


def _unspoken(history: History) -> list[Story]:
    marks = [mark for mark in history.marks if mark.name == "sent for scheduler"]
    return [history.story("Pod", mark.facts["pod"]) for mark in marks if history.story("Pod", mark.facts["pod"]).events]


def _setting(field: str, value: float, told: Container[str]) -> str:
    how = "is declared as" if field in told else "is taken to be"
    return f"{field.replace('_', '-')} {how} {value:g} s"
