"""The target's timing: its settings, and the windows that follow from them.

Every bound the suite uses is derived here, never typed into a case. Letters in the descriptions are those of the
requirement pages; `h` is the instant at which a node's last heartbeat landed.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}

LETTERS = {
    "P": "node_monitor_period",
    "G": "node_monitor_grace_period",
    "S": "node_startup_grace_period",
    "R": "node_eviction_rate",
    "R2": "secondary_node_eviction_rate",
    "L": "large_cluster_size_threshold",
    "U": "unhealthy_zone_threshold",
    "E": "pod_eviction_timeout",
    "Tn": "default_not_ready_toleration_seconds",
    "Tu": "default_unreachable_toleration_seconds",
    "Q": "orphan_quarantine",
    "B": "unschedulable_flush",
    "e": "slack",
}


class TimingError(Exception):
    """A timing profile or option is wrong; the text says how."""


@attrs.frozen
class Window:
    """Seconds after some event, between which another one must be seen; both ends belong to it."""

    earliest: float
    latest: float

    def __contains__(self, seconds: float) -> bool:
        return self.earliest <= seconds <= self.latest

    def __str__(self) -> str:
        return f"{self.earliest:g} s to {self.latest:g} s"


@attrs.frozen
class Timing:
    """Settings of one target, in seconds unless said otherwise; the defaults are those of Kubernetes 1.20 and 1.36.

    Attributes:
        node_monitor_period: P, pause between two passes of the node lifecycle controller.
        node_monitor_grace_period: G, silence after which a node is declared unknown (50 from 1.32 on, 40 before).
        node_startup_grace_period: S, the same for a node that never posted status.
        node_eviction_rate: R, NoExecute taints a second and zone while the zone is healthy.
        secondary_node_eviction_rate: R2, the same in a large zone that is partly down.
        large_cluster_size_threshold: L, nodes up to which a zone counts as small.
        unhealthy_zone_threshold: U, fraction of NotReady nodes from which a zone is partly down.
        pod_eviction_timeout: E, only without taint-based eviction (1.5).
        default_not_ready_toleration_seconds: Tn, added to pods that say nothing themselves.
        default_unreachable_toleration_seconds: Tu, likewise.
        pod_gc_period: pause between two passes of the pod garbage collector.
        garbage_sync_period: pause after which the garbage collector looks for kinds that it does not know yet.
        orphan_quarantine: Q, how long a node must be gone before its pods are collected.
        pod_failure_backoff: how long a Job waits after the first failure of a pod.
        scheduler_backoff: longest pause before the scheduler tries a pod again.
        unschedulable_flush: B, after which the scheduler retries pods it had put aside.
        usual_grace: seconds that a pod has to end if it says nothing else.
        slack: e, for caches, passes that take long, and the watch's own latency.
        watch_lag: how much later one watch may tell of a change than another.
        clock_skew: how far the clocks of the suite and of the target's parts may differ.
        kube_api_qps: requests a second that each of the target's controllers may make, in number.
        taint_after_flip: whether NoExecute comes one pass after the flip (up to 1.20's line), not in the same pass.
        taint_writes_race: whether the target's controllers may undo each other's writes of a node's taints (before
            1.26, when they began to insist on the version they had read); a later pass repairs it.
    """

    node_monitor_period: float = 5
    node_monitor_grace_period: float = 50
    node_startup_grace_period: float = 60
    node_eviction_rate: float = 0.1
    secondary_node_eviction_rate: float = 0.01
    large_cluster_size_threshold: float = 50
    unhealthy_zone_threshold: float = 0.55
    pod_eviction_timeout: float = 300
    default_not_ready_toleration_seconds: float = 300
    default_unreachable_toleration_seconds: float = 300
    pod_gc_period: float = 20
    garbage_sync_period: float = 30
    orphan_quarantine: float = 40
    pod_failure_backoff: float = 10
    scheduler_backoff: float = 10
    unschedulable_flush: float = 330
    usual_grace: float = 30
    slack: float = 2
    watch_lag: float = 1
    clock_skew: float = 2
    kube_api_qps: float = 20
    taint_after_flip: bool = False
    taint_writes_race: bool = False

    @property
    def beat_interval(self) -> float:
        """Pause between a simulated node's heartbeats: G/5, and at most the kubelet's 10 seconds."""
        return min(self.node_monitor_grace_period / 5, 10)

    @property
    def stall(self) -> float:
        """A gap between two heartbeats from which on the suite, not the target, is to blame: G/2."""
        return self.node_monitor_grace_period / 2

    @property
    def step(self) -> int:
        """Unit of the tolerations in whole seconds: its multiples, and "at once", cannot be confused."""
        return math.ceil(2 * self.slack) + 1

    def unknown_after_silence(self) -> Window:
        """Ready becomes Unknown, after h.

        Three passes: the one that saw the last status write may be followed by one that counts the Lease once more,
        and a pass may just have begun.
        """
        grace = self.node_monitor_grace_period
        return Window(grace, grace + 3 * self.node_monitor_period + self.slack)

    def unknown_after_one_signal(self) -> Window:
        """Ready becomes Unknown, after h, of a node that only posted its status or only renewed its Lease.

        A pass notices the last heartbeat, and the one that finds it too old may just miss it.
        """
        grace = self.node_monitor_grace_period
        return Window(grace, grace + 2 * self.node_monitor_period + self.slack)

    def unknown_never_posted(self) -> Window:
        """Ready appears as Unknown, after the creation of a node that posts nothing.

        The controller counts from the creation timestamp, which another machine wrote in whole seconds.
        """
        grace = self.node_startup_grace_period
        return Window(grace - self.clock_skew, grace + self.node_monitor_period + self.slack)

    def unknown_after_withdrawal(self) -> Window:
        """Ready appears as Unknown, after h, when the node took its Ready condition away meanwhile."""
        grace = self.node_startup_grace_period
        return Window(grace, grace + 2 * self.node_monitor_period + self.slack)

    def unknown_again(self) -> Window:
        """Ready becomes Unknown once more, after a silent node posted what it had posted before."""
        return Window(0, self.node_monitor_period + self.slack)

    def unknown_after_renewal(self) -> Window:
        """Ready becomes Unknown, after the master left its disruption mode and gave every node a new grace.

        It is measured from the return of the node that ended the mode.
        """
        grace = self.node_monitor_grace_period
        return Window(grace, grace + 3 * self.node_monitor_period + 2 * self.slack)

    def node_event(self) -> Window:
        """The master announces a node that came or went: in its next pass, and behind its other requests."""
        return Window(0, self.node_monitor_period + 2 * self.slack)

    def labels_reconciled(self) -> Window:
        """A node's beta labels follow its stable ones."""
        return Window(0, 1 + self.slack)

    def no_schedule_taint(self) -> Window:
        """A condition's NoSchedule taint follows the condition."""
        return Window(0, 1 + self.slack)

    def no_schedule_taint_gone(self) -> Window:
        """A condition's NoSchedule taint goes with the condition.

        A write that fails is not tried again before the node changes, which its next heartbeat does at the latest.
        """
        return Window(0, 1 + self.slack + self.beat_interval)

    def no_execute_taint(self, position: int = 1) -> Window:
        """The NoExecute taint follows Ready's change, for the `position`-th NotReady node of a healthy zone."""
        return Window(0, self.no_execute_taint_in_turn(position).latest + self._turn_missed)

    def no_execute_taint_in_turn(self, position: int = 1) -> Window:
        """The same where no node of the zone misses its turn."""
        passes = 2 if self.taint_after_flip else 1
        queue = (position - 1) / self.node_eviction_rate
        return Window(0, passes * self.node_monitor_period + queue + self._taint_again + self.slack)

    def next_no_execute_taint(self) -> Window:
        """The NoExecute taint of one waiting node of a zone follows that of the one before."""
        return self.no_execute_taint_in_turn(2)

    def no_execute_taint_resumed(self, position: int = 1) -> Window:
        """The NoExecute taint of the `position`-th waiting node, after its zone is healthy again.

        The zone's rate starts anew when it changes, and then makes the first node wait as well.
        """
        queue = position / self.node_eviction_rate
        return Window(0, self.node_monitor_period + queue + self._taint_again + self.slack)

    @property
    def tainting_resumes(self) -> bool:
        """Whether kube-controller-manager can go on with a zone it has stopped.

        At a rate of exactly 1 it cannot: it compares the rate it wants with that of the limiter that stands for "none",
        which calls itself 1 (client-go `fakeNeverRateLimiter.QPS`), finds them equal, and leaves the zone stopped.
        """
        return self.node_eviction_rate != 1

    @property
    def _turn_missed(self) -> float:
        """Seconds a node waits for another turn of its zone when it misses one.

        Where the taint comes in the pass of the flip, kube-controller-manager reads the node from its cache. As long as
        that does not show the flip, it takes the node for Ready and lets its turn pass; the next pass queues it again.
        """
        return 0 if self.taint_after_flip else 1 / self.node_eviction_rate

    @property
    def _taint_again(self) -> float:
        """Seconds until a NoExecute taint that was lost is put on again: a pass, and the zone's rate."""
        return self.node_monitor_period + 1 / self.node_eviction_rate if self.taint_writes_race else 0

    def rate_when_mostly_down(self, size: int) -> float:
        """NoExecute taints a second in a zone of that many nodes that is mostly, not entirely, down."""
        return self.secondary_node_eviction_rate if size > self.large_cluster_size_threshold else 0

    def taints_apart(self, rate: float) -> float:
        """Seconds at least between two NoExecute taints in one zone, as a watch tells of them."""
        return max(0.9 / rate - self.watch_lag, 0)

    def taint_stamps_apart(self, rate: float) -> float:
        """The same as their `timeAdded` tell, in whole seconds: one write may take long, and the next one not."""
        return max(0.9 / rate - 1, 0)

    def uncalled_taint_removed(self, effect: str) -> Window:
        """A taint of the controller's is taken off a ready node that somebody else put there."""
        return self.no_schedule_taint_gone() if effect == "NoSchedule" else self.taints_removed()

    def pods_marked_not_ready(self) -> Window:
        """Pods of a node lose Ready after the node's condition became Unknown."""
        return Window(0, self.node_monitor_period + self.slack)

    def taints_removed(self) -> Window:
        """Both taints are gone after the node posted Ready=True again."""
        passes = 2 if self.taint_writes_race else 1
        return Window(0, passes * self.node_monitor_period + self.slack)

    def endpoints_updated(self) -> Window:
        """What a Service publishes follows a pod's readiness or deletion; so does the status of the pod's owner."""
        return Window(0, 3 + self.slack)

    def eviction(self, toleration_seconds: float) -> Window:
        """A pod is deleted after its node got a NoExecute taint that it tolerates for that long."""
        wait = max(toleration_seconds, 0)
        return Window(wait, wait + self.slack)

    def replacement(self) -> Window:
        """A controller creates the replacement after a pod's deletion was requested."""
        return Window(0, 3 + self.slack)

    def job_replacement(self) -> Window:
        """A Job creates the replacement of a pod: a pod that was deleted counts as one that failed."""
        return Window(0, self.pod_failure_backoff + self.replacement().latest)

    def orphan_collected(self) -> Window:
        """Pods of a node vanish after the Node object was deleted."""
        return Window(self.orphan_quarantine, self.orphan_quarantine + 2 * self.pod_gc_period + self.slack)

    def garbage_pass(self) -> Window:
        """The pod garbage collector has been by."""
        return Window(0, self.pod_gc_period + self.slack)

    def lease_collected(self) -> Window:
        """An object vanishes after its owner, also when the garbage collector has to look for what there is first."""
        return Window(0, 2 * self.garbage_sync_period + self.slack)

    def namespace_emptied(self) -> Window:
        """A namespace is emptied, or removed once it is empty.

        The controller comes back after half the grace that pods usually have, and a second.
        """
        return Window(0, self.usual_grace / 2 + 1 + 2 * self.slack)

    def abandoned(self) -> float:
        """How long a terminating pod is watched to say that nobody removes it: whoever cleans up has been by twice."""
        return self.orphan_quarantine + 2 * self.pod_gc_period + self.slack

    def left_alone(self) -> float:
        """How long a pod is watched to say that nobody evicts it for want of room or for a changed node."""
        return self.pod_gc_period + self.scheduler_backoff + self.slack

    def scheduled(self) -> Window:
        """A pod is bound after it became feasible; the end is a hard one, the usual wait is `scheduler_backoff`."""
        return Window(0, self.unschedulable_flush + self.scheduler_backoff + self.slack)


def defaults(minor: int) -> Timing:
    """The defaults of Kubernetes 1.`minor`."""
    return Timing(
        node_monitor_grace_period=50 if minor >= 32 else 40,
        taint_after_flip=minor < 32,
        taint_writes_race=minor < 26,
        unschedulable_flush=330 if minor >= 24 else 90,
        orphan_quarantine=40 if minor >= 14 else 0,
    )


def read_profile(path: Path) -> dict[str, float]:
    """Reads a timing profile: TOML with settings by flag name (`node-monitor-period = 1`) or letter.

    Raises:
        TimingError: the file is unreadable or a setting unknown.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise TimingError(f"timing profile {path}: {error}") from error
    return settings(document.get("timing", document))


def parse_option(text: str) -> tuple[str, float]:
    """Reads one `P=1` or `node-monitor-period=1s`.

    Raises:
        TimingError: not of that form, or an unknown setting.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise TimingError(f"--timing {text}: expected NAME=SECONDS")
    return next(iter(settings({name: value}).items()))


def settings(values: Mapping[str, object]) -> dict[str, float]:
    """Field names and seconds, of masters' and agents' settings, from names as people write them; letters are masters'.

    Raises:
        TimingError: an unknown name, or a value that is no number.
    """
    from conformance.agent_timing import AgentTiming

    known = {field.name for side in (Timing, AgentTiming) for field in attrs.fields(side)}
    found: dict[str, float] = {}
    for name, value in values.items():
        field = LETTERS.get(name) or name.removeprefix("--").replace("-", "_")
        if field not in known:
            raise TimingError(f"unknown timing setting {name!r}; letters: {', '.join(LETTERS)}")
        found[field] = _seconds(name, str(value))
    return found


def _seconds(name: str, text: str) -> float:
    """A plain number, or a duration such as `1m30s`."""
    try:
        return float(text)
    except ValueError:
        parts = re.findall(r"([\d.]+)(ms|h|m|s)", text)
        if not parts or "".join(f"{number}{unit}" for number, unit in parts) != text:
            raise TimingError(f"timing setting {name}={text} is neither a number of seconds nor a duration") from None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def adjusted(timing: Timing, values: Mapping[str, float]) -> Timing:
    """The timing with some settings replaced."""
    own = attrs.asdict(timing)
    merged: dict[str, Any] = {**own, **{name: value for name, value in values.items() if name in own}}
    flags = {name: bool(merged[name]) for name in ("taint_after_flip", "taint_writes_race")}
    return Timing(**{**merged, **flags})
