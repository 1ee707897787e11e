"""Heartbeats that the suite did not send itself, as its watches told of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from conformance.clock import parse_time
from conformance.record.history import Beat, Object, ObjectEvent


def beats(event: ObjectEvent, epoch: datetime, lag: float, trust: float) -> Iterator[Beat]:
    """The heartbeat that a change of a Node or of its Lease is, if it is one.

    To a master a new `lastHeartbeatTime` of Ready is one, and a new `renewTime` (kube-controller-manager 1.20 to 1.36,
    node lifecycle controller). The write landed before the watch told of it, so the end is the moment it was seen. The
    beginning is what must not be too late: the watch may have been late by its lag, and the agent put its time into the
    write before it sent it, so the earlier of these is taken.

    Args:
        event: the change.
        epoch: wall-clock time of second zero.
        lag: seconds that a watch may be late.
        trust: how far back, in seconds, the agent's own time is believed; beyond, its clock is wrong.
    """
    told, signal = (_renewed, "lease") if event.kind == "Lease" else (_posted, "status")
    stamp = told(event.after)
    if not stamp or stamp == told(event.before):
        return
    sent = event.at - lag
    said = (parse_time(stamp) - epoch).total_seconds()
    if event.at - trust <= said <= event.at:
        sent = min(sent, said)
    yield Beat(sent, event.at, event.name, signal, ok=True)


def _renewed(lease: Object | None) -> str:
    return str(((lease or {}).get("spec") or {}).get("renewTime") or "")


def _posted(node: Object | None) -> str:
    """When the node said something of itself; what a master says in its place (`Unknown`) is no heartbeat."""
    conditions: list[Mapping[str, Any]] = ((node or {}).get("status") or {}).get("conditions") or []
    ready = next((each for each in conditions if each.get("type") == "Ready"), {})
    return "" if ready.get("status") == "Unknown" else str(ready.get("lastHeartbeatTime") or "")
