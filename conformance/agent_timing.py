"""Timing of a node agent: its settings, and the windows that follow from them; see also `conformance.timing`."""

from __future__ import annotations

import attrs

from conformance.timing import Window

_FIRST_RETRY = 0.1
_LONGEST_RETRY = 7.0
_MONITORING_PERIOD = 10.0
_RUNTIME_LIMIT = 30.0
_SHORTEST_GRACE = 40.0
_LONGEST_REFLECTOR_RETRY = 60.0
_RUNTIME_CHECK = 5.0
_WATCHED_CONTAINERS = 180.0
_ACKNOWLEDGED = 5.0
_REQUESTS_PER_POD = 0.4
_STATUS_SYNC = 10.0
_POD_SYNC = 60.0
_RELIST = 2.0
_SHORTEST_KILL = 2.0
_FIRST_BACKOFF = 10.0
_MANIFEST_CHECK = 20.0
_TIMESTAMP = 1.0
_PROXY_SYNC = 1.0
_NODE_SOUGHT = 31.0


@attrs.frozen
class AgentTiming:
    """Settings of one agent, in seconds; the defaults are the kubelet's.

    Attributes:
        node_status_update_frequency: U, pause between two looks at the node's own status.
        node_status_report_frequency: R, after which an unchanged status is written again.
        node_lease_duration_seconds: L, duration of the Lease.
        max_container_restart_period: longest pause before a crashing container is started again.
        startup: what an agent may take from its start to its first request.
        container_startup: what a container may take from the decision to start it until it is reported to run; its
            image is on the node.
        slack: for requests, scheduling and ticks that do not start at the same moment.
        jitter: fraction by which a tick may be longer than its period.
        clock_skew: how far the agent's clock may be from the suite's.
    """

    node_status_update_frequency: float = 10
    node_status_report_frequency: float = 300
    node_lease_duration_seconds: float = 40
    max_container_restart_period: float = 300
    startup: float = 15
    container_startup: float = 20
    slack: float = 1
    jitter: float = 0.04
    clock_skew: float = 2

    @property
    def renew_interval(self) -> float:
        """r, pause between two renewals of the Lease: a quarter of its duration."""
        return self.node_lease_duration_seconds / 4

    @property
    def heartbeat_timeout(self) -> float:
        """Seconds after which a heartbeat that is not answered is given up."""
        return min(self.node_status_update_frequency, self.node_lease_duration_seconds)

    @property
    def apart(self) -> float:
        """Seconds between two moments whose timestamps, of whole seconds, must differ."""
        return _TIMESTAMP * 1.1

    def registered(self) -> Window:
        """The Node is created, after the agent's start."""
        return Window(0, self.startup + self.slack)

    def lease_created(self) -> Window:
        """The Lease is created, after the Node was."""
        return Window(0, 2 * self.renew_interval * (1 + self.jitter) + self.slack)

    def ready(self) -> Window:
        """The node is Ready, after its registration, if nothing is wrong with it."""
        return Window(0, 60 + self.status_tick().latest)

    def renewal(self) -> Window:
        """A renewal follows the one before."""
        return Window(self.renew_interval - self.slack, self.renew_interval * (1 + self.jitter) + self.slack)

    def status_tick(self) -> Window:
        """A change of the node's status is written, after it happened."""
        return Window(0, self.node_status_update_frequency * (1 + self.jitter) + self.slack)

    def status_report(self) -> Window:
        """An unchanged status is written again, after the last write; the first time anywhere from half of R on."""
        report = self.node_status_report_frequency
        return Window(report / 2, report * 1.5 + self.status_tick().latest)

    def retry(self, number: int) -> Window:
        """Pause before try `number` (the first is 0) at what the master refuses: it doubles up to seven seconds."""
        due = min(_FIRST_RETRY * 2**number, _LONGEST_RETRY)
        return Window(due * 0.9, due * 1.1 + self.slack / 2)

    def recovered(self, *, silent: bool = False) -> Window:
        """What failed and is tried again comes through, after the master answers again.

        After a silence a request may still be waited for that never gets an answer.
        """
        return Window(0, self.retry(99).latest + self.slack + (self.heartbeat_timeout if silent else 0))

    def reconnected(self) -> Window:
        """A request comes over a new connection, after the old ones died: two heartbeats in a row have timed out."""
        beat = max(self.renewal().latest, self.status_tick().latest)
        return Window(0, beat + 2 * self.heartbeat_timeout + self.slack)

    def retries(self, number: int) -> float:
        """How long `number` tries at what the master refuses take at most."""
        return sum(self.retry(each).latest for each in range(number))

    def pressed(self) -> Window:
        """A pressure is told, after it arose."""
        return Window(0, _MONITORING_PERIOD + self.status_tick().latest)

    def relieved(self, transition_period: float) -> Window:
        """A pressure is taken back, after it ended: it was last looked at up to one monitoring period before."""
        return Window(
            transition_period - _MONITORING_PERIOD - self.slack,
            transition_period + _MONITORING_PERIOD + self.status_tick().latest,
        )

    def runtime_lost(self) -> Window:
        """The node is not ready, after its container runtime stopped to answer."""
        return Window(0, _RUNTIME_LIMIT + self.status_tick().latest)

    def resumed(self) -> Window:
        """The Lease is renewed, after a frozen agent goes on."""
        return Window(0, 1 + self.slack)

    def rewatched(self) -> Window:
        """Pods are listed and watched again, after the master is back."""
        return Window(0, _LONGEST_REFLECTOR_RETRY + self.slack)

    def status_without_lease(self) -> Window:
        """A status follows the one before, where no Lease tells that the node lives: half of a master's patience."""
        return Window(0, _SHORTEST_GRACE / 2)

    def unwatched_containers(self) -> Window:
        """The node says that nobody watches its containers, after its runtime stopped to answer."""
        return Window(0, _WATCHED_CONTAINERS + self.status_tick().latest)

    def runtime_regained(self) -> Window:
        """The node is ready, after its runtime answers again."""
        return Window(0, _RUNTIME_CHECK + self.slack + self.status_tick().latest)

    def network_regained(self) -> Window:
        """A pod that had to wait for the network runs, after the network is there again."""
        return Window(0, _RUNTIME_CHECK + _STATUS_SYNC + self.pod_running().latest)

    def pod_acknowledged(self, pods: int = 1) -> Window:
        """A pod's status is written for the first time, after it was bound together with others."""
        return Window(0, _ACKNOWLEDGED + _REQUESTS_PER_POD * pods + self.slack)

    def pod_running(self, pods: int = 1) -> Window:
        """A pod is reported to run, after it was bound together with others."""
        return Window(0, self.pod_acknowledged(pods).latest + self.container_startup)

    def pod_repaired(self, pods: int = 1) -> Window:
        """A status that somebody else overwrote is put right, on a node with so many pods."""
        return Window(0, _STATUS_SYNC + _REQUESTS_PER_POD * pods + self.slack)

    def pod_sync(self) -> float:
        """What the master keeps from coming true is tried again no sooner."""
        return _STATUS_SYNC - self.slack

    def pod_idle(self) -> float:
        """Long enough for a look at every pod, were it written at each."""
        return 2 * _POD_SYNC

    def container_killed(self, grace: float) -> Window:
        """A container that does not end by itself is killed, after its end was asked for with so many seconds."""
        due = max(grace, _SHORTEST_KILL)
        return Window(due * 0.95, due + _ACKNOWLEDGED + self.slack)

    def pod_removed(self, grace: float = 0, pods: int = 1) -> Window:
        """The object of a pod is removed, after its deletion was asked for together with that of others."""
        latest = self.container_killed(grace).latest + _STATUS_SYNC + self.pod_acknowledged(pods).latest
        return Window(0, latest)

    def exit_noticed(self) -> Window:
        """The end of a container is reported, after it ended."""
        return Window(0, _RELIST + self.pod_acknowledged().latest)

    def restarted(self, crashes: int) -> Window:
        """A container is started again after crash number `crashes` (the first is 1), which was not long ago.

        The first restart is immediate. Later ones may come late by one more look at the pod.
        """
        if crashes <= 1:
            return Window(0, _RELIST + _FIRST_BACKOFF / 2 + self.slack)
        due = self.crash_wait(crashes)
        # Both ends of the pause are told in whole seconds.
        return Window(due - self.slack, due * 1.5 + 1.5 * _POD_SYNC + self.container_startup)

    def crash_wait(self, crashes: int) -> float:
        """Seconds that a container waits at least after its crash of that number; after the first (1) none."""
        return min(_FIRST_BACKOFF * 2 ** (crashes - 2), self.max_container_restart_period) if crashes > 1 else 0

    def crashes_to_the_longest_wait(self) -> int:
        """After so many crashes in a row the next restart waits as long as any will."""
        number = 2
        while _FIRST_BACKOFF * 2 ** (number - 2) < self.max_container_restart_period:
            number += 1
        return number

    def forgiven(self) -> float:
        """A run longer than this ends a series of crashes."""
        return 2 * self.max_container_restart_period + self.slack

    def evicted(self, pods: int = 1) -> Window:
        """So many pods are evicted one after the other, after a hard threshold was crossed."""
        return Window(0, pods * (_MONITORING_PERIOD + self.container_killed(0).latest) + self.pod_acknowledged().latest)

    def eviction_round(self) -> float:
        """Two evictions are at least this far apart."""
        return _MONITORING_PERIOD / 2

    def manifest_read(self) -> Window:
        """A static pod comes or goes, after its file did."""
        return Window(0, _MANIFEST_CHECK + self.pod_running().latest)

    def proxy_started(self) -> Window:
        """A proxy's first rules are in force, after its start; it may have looked for its node before, in vain."""
        return Window(0, self.startup + _NODE_SOUGHT + self.proxied().latest)

    def proxied(self) -> Window:
        """New connections follow a change of what is behind a Service, after it was made."""
        return Window(0, _PROXY_SYNC + self.slack)
