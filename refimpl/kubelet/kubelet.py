"""The kubelet: all parts of a node put together.

    kubelet = Kubelet(client, clock, KubeletConfig(hostname_override="n1"), SimulatedRuntime(clock), host)
    await kubelet.run()    # until cancelled

Cancelling is stopping the process: nothing is written, containers run on, the Lease ages. Running it again, or a new
`Kubelet` on the same runtime, is a restart: nothing is remembered but what API and runtime know.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

from refimpl.api.errors import Object
from refimpl.api.resources import NODES, PODS
from refimpl.client.client import Client
from refimpl.client.events import EventRecorder, reference_to
from refimpl.client.informer import Informer
from refimpl.clock import Clock
from refimpl.kubelet import shutdown
from refimpl.kubelet.config import ConfigError, KubeletConfig, validate
from refimpl.kubelet.control import Control
from refimpl.kubelet.http.server import KubeletServer
from refimpl.kubelet.machine.host import HostFacts
from refimpl.kubelet.machine.stats import SettableStats, StatsProvider
from refimpl.kubelet.node import addresses, capacity, nodestatus
from refimpl.kubelet.node.addresses import NoAddress
from refimpl.kubelet.node.capacity import Device
from refimpl.kubelet.node.heartbeat import StatusReporter
from refimpl.kubelet.node.heartbeatclient import HeartbeatClient, Reconnect
from refimpl.kubelet.node.lease import LeaseController
from refimpl.kubelet.node.nodestatus import Identity, NodeEvent, SelfView
from refimpl.kubelet.node.registration import Registrar
from refimpl.kubelet.node.selfcheck import SelfCheck
from refimpl.kubelet.pods.podmanager import PodManager
from refimpl.kubelet.pods.podworker import PodWorkers
from refimpl.kubelet.pods.staticpods import StaticPods
from refimpl.kubelet.pods.statusmanager import SYNC_PERIOD, StatusManager
from refimpl.kubelet.pods.workercontext import WorkerContext
from refimpl.kubelet.pressure import PressureRelief
from refimpl.kubelet.runtime.base import Runtime
from refimpl.kubelet.runtime.controlled import ControlledRuntime
from refimpl.kubelet.runtime.simulated import SimulatedRuntime
from refimpl.kubelet.thresholds import thresholds

log = logging.getLogger(__name__)

MONITORING_PERIOD: Final = SYNC_PERIOD
"""Seconds between two looks at pressure and pod statuses."""

RUNTIME_CHECKS: Final = 2
"""How often the runtime is asked how it is in one such period."""

_MASTER_FIRST: Final = 2.0


class Kubelet:
    """One node.

    Args:
        client: the API, as this node.
        clock: time, randomness, uids.
        config: settings.
        runtime: where containers live; it may have some already.
        host: the machine.
        recorder: where events go; None for a node that tells none. It is run along.
        stats: how much of the machine is in use; None means everything is free until the control says otherwise.
        reconnect: closes the client's connections, for heartbeats that fail repeatedly.

    Raises:
        ConfigError: no kubelet starts with these settings.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        config: KubeletConfig,
        runtime: Runtime,
        host: HostFacts,
        recorder: EventRecorder | None = None,
        *,
        stats: StatsProvider | None = None,
        reconnect: Reconnect | None = None,
    ) -> None:
        self.identity = Identity(config, host, thresholds(config))
        self.name = self.identity.name
        validate(config, self.name)
        _check_reservations(self.identity)
        self.runtime = runtime
        self._client = client
        self._clock = clock
        self.config = config
        self.port = config.port
        self.server = KubeletServer(self, clock)
        self._recorder = recorder
        if stats is None or (config.local_control and not isinstance(stats, SettableStats)):
            stats = SettableStats(host, stats)
        self._stats = stats
        self._reconnect = reconnect
        self._devices: dict[str, Device] = {}
        self._started = False
        self._seen: tuple[Object, SelfView, Object] | None = None
        self._build()

    async def run(self) -> None:
        """Is a node until cancelled.

        Raises:
            RuntimeUnavailable: there is no container runtime; nothing was registered.
        """
        if self._started or self.port != self.check.port:
            self._build()
        self._started = True
        await self.runtime.start(self.workers.changed)
        try:
            async with asyncio.TaskGroup() as group:
                for name, part in self._parts():
                    group.create_task(part, name=f"kubelet {self.name} {name}")
        finally:
            await self.runtime.stop()

    async def _shut_down_when_asked(self) -> None:
        """The machine goes down: the node says so, takes no more pods and ends those it has; the Lease goes on."""
        await self._shutdown_asked.wait()
        self.check.shutting_down = True
        await self.reporter.tick()
        total, critical = self.config.shutdown_grace_period, self.config.shutdown_grace_period_critical_pods
        await shutdown.Shutdown(self._clock, self.manager, self.config.rules, total, critical).run()

    async def _register_and_report(self) -> None:
        """Registers, then reports on the node until cancelled."""
        rules = self.config.rules
        created = await self._registrar.register() if self.config.register_node else False
        self._tell_start()
        if rules.fast_ready or not created:
            await self.check.check_runtime()
        self.workers.kick_all()
        await self.reporter.tick()
        await self.check.check_runtime()
        self.workers.kick_all()
        await self.reporter.run()

    async def _monitor(self) -> None:
        """Looks at pressure and pod statuses every ten seconds, at the runtime every five, until cancelled."""
        while True:
            for _ in range(RUNTIME_CHECKS):
                await self._clock.sleep(MONITORING_PERIOD / RUNTIME_CHECKS)
                await self._look_at_runtime()
            self.relief.round()
            self.statuses.batch()

    async def _look_at_runtime(self) -> None:
        """Asks the runtime how it is; when it is well again, pods that had to wait are worked on."""
        blocked = self._blocked()
        await self.check.check_runtime()
        if blocked and not self._blocked():
            self.workers.kick_all()

    async def _follow_pods(self) -> None:
        """Follows the pods of this node; what the API does not know is stopped once the API was read."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read_pods(), name=f"kubelet {self.name} pods informer")
            if self.static_pods is not None:
                # Mirrors know since when a pod runs; but a master that is away keeps no static pod from starting.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_MASTER_FIRST):
                        await self.pods.synced.wait()
                self.static_pods.scan()
                group.create_task(self.static_pods.run(), name=f"kubelet {self.name} static pods")
            await self.pods.synced.wait()
            self.manager.clean_up()

    async def _read_pods(self) -> None:
        """Reads pods once the node is known as the API has it: admission must not go by an older one.

        Source: kubelet 1.36 `config/apiserver.go`, `NewSourceApiserver`.
        """
        await self.nodes.synced.wait()
        await self.pods.run()

    @property
    def control(self) -> Control | None:
        """Levers for tests; None unless the configuration asks for them."""
        return self._control

    def pod_objects(self) -> list[Object]:
        """The pods of this node with their current statuses."""
        return [
            {**record.pod, "status": self.statuses.status(record.uid) or record.pod.get("status") or {}}
            for record in self.workers.records.values()
            if record.in_api
        ]

    def admission_node(self) -> Object:
        """This node as admission sees it: the API's copy, or the one to be registered, with current amounts."""
        now, view = self._clock.timestamp(), self.check.view()
        known = self.nodes.get(self.name)
        if known is None:
            return nodestatus.initial_node(self.identity, view, now)[0]
        if self._seen is None or self._seen[0] is not known or self._seen[1] != view:
            self._seen = (known, view, nodestatus.with_status(known, self.identity, view, now)[0])
        return self._seen[2]

    def host_ips(self) -> Sequence[str]:
        """The node's addresses; empty while it has none."""
        try:
            return addresses.internal_ips(self.config, self.identity.host, self.name)
        except NoAddress:
            return ()

    def _tell_start(self) -> None:
        """Records that the kubelet started, and how its machine is."""
        self.record(NodeEvent("Normal", "Starting", "Starting kubelet."))
        for event in nodestatus.initial_node(self.identity, self.check.view(), self._clock.timestamp())[1]:
            self.record(event)
        self.record(NodeEvent("Normal", "NodeAllocatableEnforced", "Updated Node Allocatable limit across pods"))

    def record(self, event: NodeEvent) -> None:
        """Records an event about the node."""
        if self._recorder is not None:
            uid = self.name if self.config.rules.node_uid_in_events else ""
            about = {"kind": "Node", "name": self.name, "uid": uid}
            self._recorder.event(about, event.type, event.reason, event.message)

    def record_pod(self, pod: Object, container: str, kind: str, reason: str, message: str) -> None:
        """Records an event about a pod, or about one of its containers."""
        if self._recorder is not None:
            about = reference_to(pod)
            if container:
                about["fieldPath"] = f"spec.containers{{{container}}}"
            self._recorder.event(about, kind, reason, message)

    def _build(self) -> None:
        """Makes every part anew, with no memory of an earlier run."""
        client, clock = self._client, self._clock
        self.check = SelfCheck(self.identity, clock, self.runtime, self._stats, self._devices)
        self.check.port = self.port
        self.nodes = Informer(client, NODES, clock, field_selector=f"metadata.name={self.name}")
        self.pods = Informer(client, PODS, clock, field_selector=pod_selector(self.name))
        self._shutdown_asked = asyncio.Event()
        self._seen = None
        self._build_heartbeat()
        self._build_pods()
        self._control = self._levers() if self.config.local_control else None

    def _build_heartbeat(self) -> None:
        heartbeats = HeartbeatClient(self._client, self.config.heartbeat_timeout, self._reconnect)
        self.lease = LeaseController(heartbeats, self._clock, self.config, self.name)
        self._registrar = Registrar(self._client, self._clock, self.config.rules, self._initial_node)
        self.reporter = StatusReporter(
            heartbeats,
            self._clock,
            self.identity,
            view=self.check.view,
            cached=lambda: self.nodes.get(self.name),
            record=self.record,
        )

    def _build_pods(self) -> None:
        era = self.config.rules
        self.statuses = StatusManager(
            self._client,
            self._clock,
            era,
            cached=lambda namespace, name: self.pods.get(name, namespace),
            reclaimed=self._is_reclaimed,
            api_uid=lambda uid: self.static_pods.mirror_uid(uid) if self.static_pods else uid,
        )
        context = WorkerContext(
            client=self._client,
            clock=self._clock,
            runtime=self.runtime,
            era=era,
            longest_backoff=self.config.max_container_restart_period,
            statuses=self.statuses,
            host_ips=self.host_ips,
            allocatable=lambda: self.admission_node()["status"]["allocatable"],
            runtime_errors=self.check.runtime_errors,
            network_errors=self.check.network_errors,
            event=self.record_pod,
        )
        self.workers = PodWorkers(context)
        self.manager = PodManager(
            self._clock,
            era,
            self.name,
            runtime=self.runtime,
            workers=self.workers,
            statuses=self.statuses,
            node=self.admission_node,
            pressures=lambda: self.check.eviction.conditions,
            event=self.record_pod,
            closing=lambda: shutdown.REJECTED if self.check.shutting_down and era.refuses_in_shutdown else None,
            mirror_changed=lambda: self.static_pods.poke() if self.static_pods else None,
        )
        self.relief = PressureRelief(self._clock, self.config, self.check, self.manager, self.runtime)
        self.static_pods = self._static_pods()
        self.pods.add_handler(self.statuses.pod_changed)
        self.pods.add_handler(self.manager.handle)
        if self.static_pods is not None:
            # Their mirrors belong to the Node: there can be none before it is known.
            self.nodes.add_handler(self.static_pods.node_changed)

    def _parts(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        parts = [
            ("node informer", self.nodes.run()),
            ("pods", self._follow_pods()),
            ("pod workers", self.workers.run()),
            ("pod statuses", self.statuses.run()),
            ("status", self._register_and_report()),
            ("monitor", self._monitor()),
            ("shutdown", self._shut_down_when_asked()),
        ]
        if self.config.rules.has_lease:
            parts.append(("lease", self.lease.run()))
        if self._recorder is not None:
            parts.append(("events", self._recorder.run()))
        return parts

    def _static_pods(self) -> StaticPods | None:
        if not self.config.pod_manifest_path:
            return None
        return StaticPods(
            self._client,
            Path(self.config.pod_manifest_path),
            self.name,
            self.config.rules,
            manager=self.manager,
            pods=self.pods,
            node=lambda: self.nodes.get(self.name),
            now=self._clock.timestamp,
        )

    def _initial_node(self) -> Object:
        return nodestatus.initial_node(self.identity, self.check.view(), self._clock.timestamp())[0]

    def _is_reclaimed(self, uid: str) -> bool:
        record = self.workers.records.get(uid)
        return record is not None and record.reclaimed

    def _blocked(self) -> bool:
        return bool(self.check.runtime_errors() or self.check.network_errors())

    def _levers(self) -> Control:
        runtime = self.runtime if isinstance(self.runtime, SimulatedRuntime | ControlledRuntime) else None
        stats = self._stats if isinstance(self._stats, SettableStats) else None
        return Control(
            self.check,
            runtime,
            stats,
            self._uid_of,
            lambda: [run for sandbox in self.runtime.sandboxes() for run in sandbox.containers],
            self._shutdown_asked.set,
        )

    def _uid_of(self, namespace: str, name: str) -> str:
        for record in self.workers.records.values():
            if (record.namespace, record.name) == (namespace, name) and not record.over:
                return record.uid
        raise KeyError(f"{namespace}/{name}")


def pod_selector(node: str) -> str:
    """Which pods a node asks for: those that are bound to it."""
    return f"spec.nodeName={node}"


def _check_reservations(identity: Identity) -> None:
    """Refuses to keep back more than there is."""
    found = capacity.capacity(identity.config, identity.host, {}, {})
    kept = capacity.reservation(identity.config, found, identity.thresholds)
    problems = capacity.over_reserved(found, kept)
    if problems:
        raise ConfigError(f"invalid Node Allocatable configuration. {' '.join(problems)}")
