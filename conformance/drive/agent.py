"""The stage for a node agent: the suite is the master, records what the agent sends, and plays tricks on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from conformance.agent_timing import AgentTiming
from conformance.client import MERGE, ApiClient, existing
from conformance.clock import SuiteClock
from conformance.driver import AgentFacts, AgentOptions, Disturbance, Driver, Rig
from conformance.kinds import LEASE, NODE, NODE_LEASES, POD, Kind
from conformance.naming import Naming
from conformance.record.history import AGENT, Exchange, Mark, Object, Story
from conformance.record.log import Log

NAMESPACE = "default"


class AgentStage:
    """What a scenario on an agent works with.

    Args:
        naming: names of the scenario.
        rig: its own master and agent.
        client: the suite's way into that master.
        log: where facts go; the agent's requests among them.
        clock: the suite's clock.
        timing: the agent's timing.
        facts: what its driver declares.
    """

    def __init__(
        self,
        *,
        naming: Naming,
        rig: Rig,
        client: ApiClient,
        log: Log,
        clock: SuiteClock,
        timing: AgentTiming,
        facts: AgentFacts,
    ) -> None:
        self.naming = naming
        self.client = client
        self.log = log
        self.clock = clock
        self.timing = timing
        self.facts = facts
        self.driver: Driver = rig.driver
        self._master = rig.master
        self._begin = 0

    @property
    def node_name(self) -> str:
        """The agent's node."""
        return self.facts.node or self.naming.name("node")

    async def start(self, **options: Any) -> None:
        """Starts the agent; options are those of `AgentOptions`. Marks `agent started`.

        Labels and taints that its driver cannot give it are left out.
        """
        for name in ("labels", "taints"):
            if not self.can(f"takes_{name}"):
                options.pop(name, None)
        self._begin = len(self.log.exchanges_since(0))
        self.mark("agent starts", **options)
        await self.driver.start(attrs.evolve(AgentOptions(self.node_name), **options))
        self.mark("agent started")

    async def stop(self, *, kill: bool = False) -> None:
        """Ends the agent. Marks `agent stops` (or `agent killed`) before and `agent gone` after."""
        self.mark("agent killed" if kill else "agent stops")
        await self.driver.stop(kill=kill)
        self.mark("agent gone")

    async def restart(self) -> None:
        """Starts the agent again as before. Marks `agent restarts`."""
        self._begin = len(self.log.exchanges_since(0))
        self.mark("agent restarts")
        await self.driver.restart()

    async def settled(self) -> bool:
        """Waits until the agent's Node is there and Ready, and its Lease too; says whether it came so far."""
        timing = self.timing
        there = await self.until(lambda: self.node, within=timing.registered().latest)
        leased = "has_lease" not in self.facts.abilities or await self.until(
            lambda: self.lease, within=timing.lease_created().latest
        )
        return there and leased and await self.until(self.is_ready, within=timing.ready().latest)

    def can(self, ability: str) -> bool:
        """Whether the agent's driver declares an ability."""
        return ability in self.facts.abilities

    def is_ready(self) -> bool:
        """Whether the agent's Node says that it is Ready."""
        conditions = ((self.node or {}).get("status") or {}).get("conditions") or []
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    async def create(self, kind: Kind, body: Mapping[str, Any]) -> Any:
        """Creates an object, as some other part of the cluster would."""
        namespace = body["metadata"].get("namespace", NAMESPACE) if kind.namespaced else ""
        return await self.client.create(kind.path(namespace), body)

    async def pod(self, role: str, spec: Mapping[str, Any], **metadata: Any) -> Any:
        """Creates a pod that is bound to the agent's node, as the scheduler leaves it."""
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.naming.name(role), "namespace": NAMESPACE, **metadata},
            "spec": {"nodeName": self.node_name, **spec},
        }
        return await self.create(POD, body)

    def pod_state(self, role: str) -> Object | None:
        """A pod as last seen."""
        return self.current(POD, self.naming.name(role))

    def phase(self, role: str) -> str:
        """The phase a pod was last seen in; empty when it is gone or was never there."""
        return str(((self.pod_state(role) or {}).get("status") or {}).get("phase") or "")

    async def delete_pod(self, role: str, *, grace: int | None = None) -> None:
        """Deletes a pod, as a user would, and marks `ROLE deleted`."""
        self.mark(f"{role} deleted", grace=grace)
        await self.delete(POD, self.naming.name(role), grace=grace)

    async def patch(self, kind: Kind, name: str, body: Any, *, content_type: str = MERGE, subresource: str = "") -> Any:
        """Patches an object, as some other part of the cluster would."""
        return await self.client.patch(self._path(kind, name, subresource), body, content_type)

    async def delete(self, kind: Kind, name: str, *, grace: int | None = None) -> None:
        """Deletes an object, as a user would; that it is gone already is no matter."""
        options = {} if grace is None else {"gracePeriodSeconds": grace}
        with existing():
            await self.client.delete(self._path(kind, name), options)

    def disturb(self, *disturbances: Disturbance) -> Callable[[], None]:
        """Lets the master misbehave from now on, marks it, and returns what lifts all of it."""
        for each in disturbances:
            self.mark(f"master disturbed: {each.kind} {each.method} {each.path}".rstrip())
        lifts = [self._master.disturb(each) for each in disturbances]

        def heal() -> None:
            for lift in lifts:
                lift()
            self.mark("master healed")

        return heal

    def story(self, kind: Kind, name: str) -> Story:
        """What happened so far to an object."""
        return self.log.story(kind.name, name)

    def current(self, kind: Kind, name: str) -> Object | None:
        """An object as last seen."""
        return self.log.current(kind.name, name)

    @property
    def node(self) -> Object | None:
        """The agent's Node as last seen."""
        return self.current(NODE, self.node_name)

    @property
    def lease(self) -> Object | None:
        """The agent's Lease as last seen."""
        return self.current(LEASE, self.node_name)

    async def until(self, holds: Callable[[], Any], *, within: float) -> bool:
        """Waits until `holds()`, at most `within` seconds; says whether it came to hold. Never asserts."""
        return await self.log.until(holds, within)

    async def until_request(self, wanted: Callable[[Exchange], bool], *, within: float) -> bool:
        """Waits for the next request of the agent that is `wanted`."""
        seen = len(self.log.exchanges_since(0))
        return await self.log.until(lambda: any(wanted(x) for x in self.log.exchanges_since(seen)), within)

    def agents_requests(self) -> tuple[Exchange, ...]:
        """Everything the agent asked for since it was last started."""
        return tuple(x for x in self.log.exchanges_since(self._begin) if x.who == AGENT)

    async def hold(self, seconds: float) -> None:
        """Lets time pass."""
        await asyncio.sleep(seconds)

    def mark(self, name: str, **facts: Any) -> None:
        """Writes a point of the scenario into the history."""
        self.log.mark(Mark(self.clock.moment(), self.naming.scenario, name, facts))

    def _path(self, kind: Kind, name: str, subresource: str = "") -> str:
        namespace = NODE_LEASES if kind is LEASE else NAMESPACE
        return kind.path(namespace, name, subresource)
