"""Node conditions: what the self-check found, in the words of the kubelet.

Source: kubelet 1.36 `nodestatus/setters.go` and kubelet 1.5 `kubelet_node_status.go`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import attrs

from refimpl.api.errors import Object
from refimpl.kubelet.era import Era
from refimpl.kubelet.thresholds import PRESSURES, Pressure


@attrs.frozen
class Words:
    """How a pressure condition is told: reason, message and event, with and without the pressure."""

    pressed: tuple[str, str, str]
    relieved: tuple[str, str, str]


PRESSURE_WORDS: Final[Mapping[Pressure, Words]] = {
    "OutOfDisk": Words(
        ("KubeletOutOfDisk", "out of disk space", "NodeOutOfDisk"),
        ("KubeletHasSufficientDisk", "kubelet has sufficient disk space available", "NodeHasSufficientDisk"),
    ),
    "MemoryPressure": Words(
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available", "NodeHasInsufficientMemory"),
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available", "NodeHasSufficientMemory"),
    ),
    "DiskPressure": Words(
        ("KubeletHasDiskPressure", "kubelet has disk pressure", "NodeHasDiskPressure"),
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure", "NodeHasNoDiskPressure"),
    ),
    "PIDPressure": Words(
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available", "NodeHasInsufficientPID"),
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available", "NodeHasSufficientPID"),
    ),
}


@attrs.frozen
class Finding:
    """What the self-check says about one condition.

    Attributes:
        type: condition type.
        status: `True` or `False`, as text.
        reason: CamelCase word.
        message: the sentence.
        event: reason of the event to record when the status turns.
        events_when_new: whether the event is recorded, too, when the condition appears for the first time.
        replaces_words: whether reason and message are renewed although the status stays.
    """

    type: str
    status: str
    reason: str
    message: str
    event: str
    events_when_new: bool = True
    replaces_words: bool = False


def owned(era: Era) -> list[Pressure]:
    """The pressure conditions that the kubelet of an era reports, in order."""
    left_out = {"OutOfDisk": era.out_of_disk, "PIDPressure": era.pid_pressure}
    return [pressure for pressure in PRESSURES if left_out.get(pressure, True)]


def pressure(kind: Pressure, *, pressed: bool) -> Finding:
    """The finding about one pressure."""
    words = PRESSURE_WORDS[kind]
    reason, message, event = words.pressed if pressed else words.relieved
    return Finding(kind, "True" if pressed else "False", reason, message, event)


def ready(errors: Sequence[str], era: Era) -> Finding:
    """The finding about readiness: ready when nothing is wrong."""
    if not errors:
        return Finding("Ready", "True", "KubeletReady", "kubelet is posting ready status", "NodeReady", False, True)
    return Finding("Ready", "False", "KubeletNotReady", aggregate(errors, era), "NodeNotReady", False, True)


def aggregate(errors: Sequence[str], era: Era) -> str:
    """Several errors as one text: `a`, `[a, b]`; 1.5 joined them without brackets."""
    distinct = list(dict.fromkeys(errors))
    joined = era.error_separator.join(distinct)
    return f"[{joined}]" if len(distinct) > 1 and era.error_separator == ", " else joined


def self_check(pressures: Collection[Pressure], errors: Sequence[str], era: Era) -> list[Finding]:
    """All findings in the order in which a new Node lists them; Ready comes last."""
    return [*(pressure(kind, pressed=kind in pressures) for kind in owned(era)), ready(errors, era)]


def update(known: Iterable[Object], findings: Iterable[Finding], now: str) -> tuple[list[Object], list[str]]:
    """The Node's conditions after a self-check.

    Every finding's heartbeat becomes `now`; its transition time only where the status turned. Conditions of other
    owners stay as and where they are.

    Args:
        known: conditions in the Node as it is.
        findings: the self-check.
        now: timestamp, whole seconds.

    Returns:
        The new conditions, and the reasons of the events to record.
    """
    conditions = list(known)
    positions = {condition["type"]: index for index, condition in enumerate(conditions)}
    events: list[str] = []
    for finding in findings:
        position = positions.get(finding.type)
        if position is None:
            conditions.append(condition_from(finding, None, now))
            if finding.events_when_new:
                events.append(finding.event)
        else:
            old = conditions[position]
            conditions[position] = condition_from(finding, old, now)
            if old.get("status") != finding.status:
                events.append(finding.event)
    return conditions, events


def condition_from(finding: Finding, old: Object | None, now: str) -> Object:
    """One condition after a self-check that found `finding`, given the condition as it was."""
    turned = old is None or old.get("status") != finding.status
    keeps_words = old is not None and not turned and not finding.replaces_words
    return {
        "type": finding.type,
        "status": finding.status,
        "lastHeartbeatTime": now,
        "lastTransitionTime": now if old is None else transition_time(old, turned=turned, now=now),
        "reason": old.get("reason", "") if keeps_words and old is not None else finding.reason,
        "message": old.get("message", "") if keeps_words and old is not None else finding.message,
    }


def transition_time(old: Object, *, turned: bool, now: str) -> str:
    """When the condition last turned."""
    return now if turned else str(old.get("lastTransitionTime") or now)
