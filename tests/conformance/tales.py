"""Histories made by hand, for tests of judges and cases: a few lines tell a whole story."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from conformance.clock import format_time
from conformance.judge.seen import Seen
from conformance.naming import Naming
from conformance.record.history import Beat, Exchange, Gap, History, Mark, Object, ObjectEvent
from conformance.target import Facts
from conformance.timing import Timing

EPOCH = datetime(2018, 7, 2, 2, 11, 27, tzinfo=UTC)
TIMING = Timing(node_monitor_period=5, node_monitor_grace_period=40, taint_after_flip=True)


class Tale:
    """Collects facts; objects are named by the role they play."""

    def __init__(self, scenario: str = "silence") -> None:
        self.naming = Naming("run", scenario)
        self._events: list[ObjectEvent] = []
        self._marks: list[Mark] = []
        self._beats: list[Beat] = []
        self._exchanges: list[Exchange] = []
        self.gaps: list[Gap] = []
        self._states: dict[tuple[str, str], Object] = {}

    def stamp(self, at: float) -> str:
        return format_time(EPOCH + timedelta(seconds=at))

    def object(self, at: float, kind: str, role: str, state: Object | None) -> Tale:
        """The object of that role is, from `at` on, as given; None for gone."""
        name = self.naming.name(role)
        before = self._states.pop((kind, name), None)
        change = "DELETED" if state is None else "ADDED" if before is None else "MODIFIED"
        if state is not None:
            self._states[kind, name] = state
        version = str(len(self._events) + 1)
        self._events.append(ObjectEvent(at, change, kind, "", name, f"uid-{name}", version, before, state))
        return self

    def change(self, at: float, kind: str, role: str, edit: Callable[[dict[str, Any]], None]) -> Tale:
        """The object of that role is edited."""
        import copy

        state = copy.deepcopy(dict(self._states[kind, self.naming.name(role)]))
        edit(state)
        return self.object(at, kind, role, state)

    def mark(self, at: float, name: str, **facts: Any) -> Tale:
        self._marks.append(Mark(at, self.naming.scenario, name, facts))
        return self

    def beat(self, at: float, role: str, signal: str = "lease", took: float = 0.1) -> Tale:
        self._beats.append(Beat(at, at + took, self.naming.name(role), signal, ok=True))
        return self

    def history(self, until: float) -> History:
        return History(
            epoch=EPOCH,
            until=until,
            events=tuple(sorted(self._events, key=lambda e: e.at)),
            marks=tuple(sorted(self._marks, key=lambda m: m.at)),
            beats=tuple(self._beats),
            exchanges=tuple(self._exchanges),
            gaps=tuple(self.gaps),
        )

    def seen(self, until: float, timing: Timing = TIMING, minor: int = 20) -> Seen:
        return Seen(self.naming, self.history(until), timing, Facts(f"v1.{minor}.2", minor))


def condition(tale: Tale, at: float, kind: str, status: str, *, since: float | None = None, **more: str) -> Object:
    turned = at if since is None else since
    return {
        "type": kind,
        "status": status,
        "reason": "KubeletReady",
        "message": "",
        "lastHeartbeatTime": tale.stamp(at),
        "lastTransitionTime": tale.stamp(turned),
        **more,
    }


def node(*conditions: Object, taints: tuple[tuple[str, str], ...] = ()) -> Object:
    return {
        "metadata": {"name": "x", "uid": "u"},
        "spec": {"taints": [{"key": key, "effect": effect} for key, effect in taints]},
        "status": {"conditions": list(conditions)},
    }


def pod(*, ready: str | None = "True", on: str = "", deleted: str = "", grace: int = 1, seconds: int = 300) -> Object:
    metadata: dict[str, Any] = {"name": "x", "uid": "u"}
    if deleted:
        metadata |= {"deletionTimestamp": deleted, "deletionGracePeriodSeconds": grace}
    conditions = [] if ready is None else [{"type": "Ready", "status": ready}]
    toleration = {
        "key": "node.kubernetes.io/unreachable",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": seconds,
    }
    spec = {"nodeName": on, "tolerations": [toleration]}
    return {"metadata": metadata, "spec": spec, "status": {"phase": "Running", "conditions": conditions}}
