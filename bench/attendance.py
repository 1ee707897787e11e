"""What is seen of nodes that ought to be there all the time: renewals of their Leases, and their Ready conditions."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from refimpl.api.errors import Object


@attrs.define
class Attendance:
    """One node. Times are seconds since the beginning, when its master's word of it arrived.

    Attributes:
        renewals: of its Lease, the first not counted: that makes the Lease.
        longest_gap: seconds between two renewals, or since the last one.
        duration: seconds for which its Lease says that it holds; 0 before there is one.
        ready_at: when it was Ready for the first time; None before.
        ready: status of the condition.
        transitions: when it changed after that, and to what.
    """

    renewals: int = 0
    longest_gap: float = 0.0
    duration: float = 0.0
    ready_at: float | None = None
    ready: str = ""
    transitions: list[tuple[float, str]] = attrs.field(factory=list)
    _renewed_at: float | None = None
    _stamp: str = ""

    def lease(self, lease: Object, at: float) -> bool:
        """Takes note of a Lease; whether it was renewed since the last time."""
        stamp = lease["spec"].get("renewTime") or ""
        if stamp == self._stamp:
            return False
        if self._renewed_at is not None:
            self.renewals += 1
            self.longest_gap = max(self.longest_gap, at - self._renewed_at)
        self._stamp, self._renewed_at = stamp, at
        self.duration = float(lease["spec"]["leaseDurationSeconds"])
        return True

    def node(self, node: Object | None, at: float) -> bool:
        """Takes note of a Node, or of its end; whether its Ready condition changed."""
        status = ready_status(node)
        if status == self.ready:
            return False
        if self.ready_at is not None:
            self.transitions.append((at, status))
        elif status == "True":
            self.ready_at = at
        self.ready = status
        return True

    def end(self, at: float) -> None:
        """It is over: silence at the end counts, too."""
        if self._renewed_at is not None:
            self.longest_gap = max(self.longest_gap, at - self._renewed_at)

    def faults(self) -> Iterator[str]:
        """What was wrong with it."""
        if self.ready_at is None:
            yield "was never Ready"
        yield from (f"at {at:.1f} s Ready became {status}" for at, status in self.transitions)
        if not self.duration:
            yield "never had a Lease"
        elif self.longest_gap > self.duration:
            yield f"did not renew its Lease for {self.longest_gap:.1f} s; it holds for {self.duration:g} s"


def ready_status(node: Object | None) -> str:
    """The status of its Ready condition; `none` when it has none, `gone` without a Node."""
    if node is None:
        return "gone"
    conditions = node.get("status", {}).get("conditions") or []
    return next((str(each["status"]) for each in conditions if each["type"] == "Ready"), "none")
