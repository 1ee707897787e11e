"""What the kubelet remembers of one pod while it is on the node."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

import attrs

from refimpl.api.errors import Object
from refimpl.kubelet import podspec
from refimpl.kubelet.pods.crashloop import Crashes
from refimpl.kubelet.pods.podstatus import Ending


@attrs.frozen
class StopOrder:
    """The decision that a pod must stop.

    Attributes:
        ending: how its status tells it.
        grace: seconds its containers get.
        minimum: seconds they get in any case, also after a long preStop hook.
    """

    ending: Ending
    grace: float
    minimum: float = podspec.MINIMUM_GRACE


@attrs.define(eq=False)
class Countdown:
    """Until when a container may go on after TERM; monotonic seconds. It may be shortened, never lengthened."""

    deadline: float


class Pulse:
    """Wakes everybody who waits for it, each time it beats."""

    def __init__(self) -> None:
        self._waiters: list[asyncio.Future[None]] = []

    def beat(self) -> None:
        """Wakes those who wait now."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self) -> None:
        """Waits for the next beat."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter


@attrs.define(eq=False)
class PodRecord:
    """One pod.

    Attributes:
        uid: its uid; a successor of the same name has a record of its own.
        namespace: its namespace.
        name: its name.
        pod: the object as last seen.
        in_api: whether the API still has it; False for what only the runtime knows.
        rejected: it was not admitted.
        settled: it had ended when it was first seen, so that its status is not touched any more.
        stop: set when it must stop.
        over: nothing of it runs any more, for good.
        unneeded: what the runtime keeps of it, now that it is over, is only in the way.
        reclaimed: the runtime has forgotten it, so that its object may go.
        waiting: by container name, reason and message why it does not run although it should.
        crashes: back-off by container name.
        pulls: back-off of failed image pulls by container name.
        killed: containers that were stopped to be started again.
        countdowns: of the containers that are being stopped now.
        pulse: beats when the runtime or the API changed something of the pod.
        working: a worker is at it.
        dirty: something changed while it was.
        timer: when to look again.
    """

    uid: str
    namespace: str
    name: str
    pod: Object
    in_api: bool = True
    rejected: bool = False
    settled: bool = False
    stop: StopOrder | None = None
    over: bool = False
    unneeded: bool = False
    reclaimed: bool = False
    waiting: dict[str, tuple[str, str]] = attrs.field(factory=dict)
    crashes: dict[str, Crashes] = attrs.field(factory=dict)
    pulls: dict[str, Crashes] = attrs.field(factory=dict)
    killed: set[str] = attrs.field(factory=set)
    countdowns: list[Countdown] = attrs.field(factory=list)
    pulse: Pulse = attrs.field(factory=Pulse)
    working: bool = False
    dirty: bool = False
    timer: asyncio.TimerHandle | None = None

    @property
    def counts(self) -> bool:
        """Whether it takes room on the node: admitted and not over."""
        return not self.rejected and not self.over and not podspec.is_terminal(self.pod)

    def order_stop(self, order: StopOrder, now: float) -> bool:
        """Decides that the pod must stop, or that it must stop sooner; False when that changes nothing."""
        if self.stop is None:
            self.stop = order
            return True
        if order.grace >= self.stop.grace:
            return False
        self.stop = attrs.evolve(self.stop, grace=order.grace)
        for countdown in self.countdowns:
            countdown.deadline = min(countdown.deadline, now + order.grace)
        self.pulse.beat()
        return True

    def cancel_timer(self) -> None:
        """Forgets when to look again."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


def record_of(pod: Object) -> PodRecord:
    """The record of a pod that the API has."""
    metadata = pod["metadata"]
    return PodRecord(metadata["uid"], metadata["namespace"], metadata["name"], pod)


def time_left(pod: Object, started: datetime | None, now: datetime) -> float | None:
    """Seconds until a pod's active deadline; None when it has none."""
    seconds = podspec.active_deadline(pod)
    if seconds is None or started is None:
        return None
    return (started + timedelta(seconds=seconds) - now).total_seconds()


def needs_sync(old: Object, new: Object) -> bool:
    """Whether a change of the object is one that the kubelet acts on, not merely its own status coming back."""
    if _asked(old) != _asked(new) or podspec.is_terminal(new) != podspec.is_terminal(old):
        return True
    if new["spec"].get("readinessGates") and _conditions(old) != _conditions(new):
        return True
    return _spec_changed(old, new)


def _asked(pod: Object) -> tuple[object, object]:
    metadata = pod["metadata"]
    return metadata.get("deletionTimestamp"), metadata.get("deletionGracePeriodSeconds")


def _conditions(pod: Object) -> Mapping[str, str]:
    return {entry["type"]: entry["status"] for entry in (pod.get("status") or {}).get("conditions") or ()}


def _spec_changed(old: Object, new: Object) -> bool:
    before, after = old["metadata"].get("generation"), new["metadata"].get("generation")
    if before is not None and before == after:
        return False
    return bool(old["spec"] != new["spec"])
