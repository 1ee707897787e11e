"""The stage a scenario plays on: nodes, workloads, waits and marks; everything on it belongs to one run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from itertools import count
from typing import Any

from conformance.client import MERGE, Answer, ApiClient, ApiRefused
from conformance.clock import SuiteClock
from conformance.drive import manifests
from conformance.drive.guest import GuestNode
from conformance.drive.ledger import Ledger
from conformance.drive.node import SimulatedNode
from conformance.drive.pacer import REGISTRATION, Pacer
from conformance.driver import Guest
from conformance.kinds import NAMESPACE, POD, REPLICATION_CONTROLLER, Kind
from conformance.naming import Naming
from conformance.record.history import Mark, Object, Story
from conformance.record.log import Log
from conformance.target import Facts
from conformance.timing import Timing
from conformance.verdict import SuiteError

_ACCOUNT_PATIENCE = 20.0


class Stage:
    """What a scenario works with.

    Args:
        naming: names of the scenario.
        client: the scenario's own API client.
        log: where facts go.
        ledger: of the run.
        clock: the suite's clock.
        timing: the target's timing.
        facts: what the target said of itself.
        group: where background work of the scenario runs.
        pacer: of the run.
        urgency: of the scenario, when several want something that takes turns.
        guest: the kind of agent that joins the target; None when none does.
        leaving: ends the agents that joined, once nothing of the scenario goes on any more.
    """

    def __init__(
        self,
        *,
        naming: Naming,
        client: ApiClient,
        log: Log,
        ledger: Ledger,
        clock: SuiteClock,
        timing: Timing,
        facts: Facts,
        group: asyncio.TaskGroup,
        pacer: Pacer,
        urgency: float = 0,
        guest: Guest | None = None,
        leaving: AsyncExitStack | None = None,
    ) -> None:
        self.naming = naming
        self.client = client
        self.clock = clock
        self.timing = timing
        self.facts = facts
        self.log = log
        self._group = group
        self._pacer = pacer
        self._urgency = urgency
        self._guest = guest
        self._leaving = leaving or AsyncExitStack()
        self._guests: list[GuestNode] = []
        self._background: dict[asyncio.Task[None], None] = {}
        self._ledger = ledger
        self._nodes: list[SimulatedNode] = []
        self._void: str | None = None
        self._accounted = False
        self._ended = False
        self._addresses = count(clock.random.randrange(254))

    # Objects

    async def create(self, kind: Kind, body: Mapping[str, Any]) -> Any:
        """Creates an object of the run and enters it in the ledger.

        Raises:
            ApiRefused: the API did not want it.
        """
        namespace = self.naming.namespace if kind.namespaced else ""
        namespace = body["metadata"].get("namespace", namespace)
        self._intend(kind, namespace, body["metadata"]["name"])
        created = await self.client.create(kind.path(namespace), body)
        self._ledger.add(kind, created)
        return created

    async def attempt(
        self, name: str, kind: Kind, body: Mapping[str, Any], *, method: str = "POST", **more: Any
    ) -> Answer:
        """Asks for the creation of an object that the API may refuse; marks the answer under `name`.

        With PUT it is created under its name, if that is allowed.
        """
        namespace = body["metadata"].get("namespace", self.naming.namespace if kind.namespaced else "")
        own = body["metadata"]["name"]
        self._intend(kind, namespace, own)
        answer = await self.ask(name, method, kind.path(namespace, own if method == "PUT" else ""), body, **more)
        if answer.status in (200, 201):
            self._ledger.add(kind, answer.body)
        return answer

    async def ask(self, name: str, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        """Sends one request and marks the answer, whatever it is: `status` and `body` of the mark `name`."""
        answer = await self.client.ask(method, path, body=body, **more)
        self.mark(name, status=answer.status, body=answer.body)
        return answer

    async def account(self) -> None:
        """Waits for the service account without which a new namespace refuses pods; not where there are none."""
        path = f"/api/v1/namespaces/{self.naming.namespace}/serviceaccounts/default"
        deadline = self.clock.monotonic() + _ACCOUNT_PATIENCE
        while not self._accounted and self.clock.monotonic() < deadline:
            self._accounted = (await self.client.ask("GET", path)).status != 404
            if not self._accounted:
                await asyncio.sleep(0.2)
        self._accounted = True

    def expect(self, kind: Kind, namespace: str, name: str) -> None:
        """Enters an object of the run in the ledger that somebody else is about to create."""
        self._intend(kind, namespace, name)

    def adopt(self, kind: Kind, created: Any) -> None:
        """Enters an object of the run in the ledger that was created in another way."""
        self._ledger.add(kind, created)

    async def patch(self, kind: Kind, role: str, body: Any, *, content_type: str = MERGE, subresource: str = "") -> Any:
        """Patches the object that plays a role."""
        path = kind.path(self.naming.namespace, self.naming.name(role), subresource)
        return await self.client.patch(path, body, content_type)

    async def delete(self, kind: Kind, role: str, *, grace: int | None = None) -> Any:
        """Deletes the object that plays a role, as a user would; a `grace` in seconds overrides its own."""
        options = {} if grace is None else {"gracePeriodSeconds": grace}
        return await self.client.delete(kind.path(self.naming.namespace, self.naming.name(role)), options)

    async def node(self, role: str, **registration: Any) -> SimulatedNode:
        """Registers a node and lets it beat; arguments are those of `SimulatedNode`."""
        await self.pace(REGISTRATION)
        node = SimulatedNode(self, role, **registration)
        self._nodes.append(node)
        await node.register()
        return node

    async def nodes(self, *roles: str, **registration: Any) -> tuple[SimulatedNode, ...]:
        """Registers several nodes alike, together."""
        return tuple(await asyncio.gather(*(self.node(role, **registration) for role in roles)))

    async def lost_node(self, role: str) -> SimulatedNode | GuestNode:
        """Registers a node that is going to be lost: that of an agent, where one joins the target."""
        if self._guest is None:
            return await self.node(role)
        await self.pace(REGISTRATION)
        node = GuestNode(self, role, self._guest)
        self._guests.append(node)
        await node.register(self._leaving)
        return node

    @property
    def all_nodes(self) -> tuple[SimulatedNode, ...]:
        """The scenario's simulated nodes, in order of registration."""
        return tuple(self._nodes)

    async def pod(self, role: str, *, labels: Mapping[str, str] | None = None, namespace: str = "", **spec: Any) -> Any:
        """Creates a pod; keyword arguments are those of `manifests.pod_spec`."""
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.naming.name(role),
                "labels": {**self.naming.labels(role), **(labels or {})},
                **({"namespace": namespace} if namespace else {}),
            },
            "spec": manifests.pod_spec(self.naming, **spec),
        }
        return await self._create_pod(body)

    async def namespace(self, role: str) -> str:
        """Creates a namespace besides the run's own; its name."""
        metadata = {"name": self.naming.name(role), "labels": self.naming.labels(role)}
        await self.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        return self.naming.name(role)

    async def bind(self, role: str, node_name: str) -> Any:
        """Binds a pod to a node, as a scheduler does."""
        name = self.naming.name(role)
        target = {"apiVersion": "v1", "kind": "Node", "name": node_name}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        return await self.client.create(POD.path(self.naming.namespace, name, "binding"), body)

    async def replication_controller(self, role: str, replicas: int, **spec: Any) -> Any:
        """Creates a ReplicationController; keyword arguments are those of `manifests.pod_spec`."""
        labels = self.naming.labels(role)
        template = {"metadata": {"labels": labels}, "spec": manifests.pod_spec(self.naming, **spec)}
        return await self.create(
            REPLICATION_CONTROLLER,
            {
                "apiVersion": "v1",
                "kind": "ReplicationController",
                "metadata": {"name": self.naming.name(role), "labels": labels},
                "spec": {"replicas": replicas, "selector": labels, "template": template},
            },
        )

    def pod_address(self) -> str:
        """An address for a pod, from a range that is for documentation only; no other pod of the scenario has it."""
        return f"198.51.100.{next(self._addresses) % 254 + 1}"

    # What was seen so far

    def story(self, kind: Kind, role: str) -> Story:
        """What happened so far to the object that plays a role."""
        return self.log.story(kind.name, self.naming.name(role))

    def current(self, kind: Kind, role: str) -> Object | None:
        """The object that plays a role as last seen; None when it is gone."""
        return self.log.current(kind.name, self.naming.name(role))

    def pods_of(self, role: str) -> list[Object]:
        """Existing pods that a controller made for the object of that role, in order of creation."""
        prefix = self.naming.name(role) + "-"
        return [pod for pod in self.log.all_current(POD.name) if pod["metadata"]["name"].startswith(prefix)]

    def pods_on(self, role: str) -> list[Object]:
        """Existing pods of the scenario that are bound to the node of that role, in order of creation."""
        node, prefix = self.naming.name(role), self.naming.prefix
        known = self.log.all_current(POD.name)
        return [
            pod for pod in known if pod["spec"].get("nodeName") == node and pod["metadata"]["name"].startswith(prefix)
        ]

    # Time

    async def until(self, holds: Callable[[], Any], *, within: float) -> bool:
        """Waits until `holds()`, at most `within` seconds; says whether it came to hold. Never asserts."""
        return await self.log.until(holds, within)

    async def hold(self, seconds: float) -> None:
        """Lets time pass."""
        await asyncio.sleep(seconds)

    @contextmanager
    def request(self, name: str) -> Iterator[None]:
        """Marks `<name> sent` before what is done inside, and `<name> answered` after it."""
        self.mark(f"{name} sent")
        yield
        self.mark(f"{name} answered")

    async def pace(self, requests: int) -> None:
        """Waits until the target's controllers can afford what comes next: so many requests of one of them."""
        await self._pacer.wait(requests, self._urgency)

    def mark(self, name: str, **facts: Any) -> None:
        """Writes a point of the scenario into the history."""
        self.log.mark(Mark(self.clock.moment(), self.naming.scenario, name, facts))

    # The suite's own work and health

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Runs something beside the scenario, at most until the scenario's end; its errors end the scenario."""
        try:
            task = self._group.create_task(work, name=name)
        except RuntimeError:  # the scenario has ended meanwhile
            work.close()
            raise
        self._background[task] = None
        task.add_done_callback(self._background.pop)
        return task

    def stop(self) -> None:
        """Ends everything that runs beside the scenario."""
        for task in list(self._background):
            task.cancel()

    def void(self, reason: str) -> None:
        """Declares that the scenario proves nothing any more, through the suite's own fault."""
        self._void = self._void or reason

    def check(self) -> None:
        """Raises what `void` was told, or that a node's heartbeats could not be delivered.

        Raises:
            SuiteError: the scenario proves nothing.
        """
        for node in self._nodes:
            node.check()
        for guest in self._guests:
            guest.check()
        if self._void:
            raise SuiteError(self._void)

    def end(self) -> None:
        """Nothing is created any more: what still runs, because something beside it failed, must not leave anything."""
        self._ended = True

    def _intend(self, kind: Kind, namespace: str, name: str) -> None:
        if self._ended:
            raise SuiteError("the scenario is over")
        self._ledger.intend(kind, namespace, name)

    async def _create_pod(self, body: Mapping[str, Any]) -> Any:
        """Creates a pod; a new namespace refuses pods until its service account is there."""
        deadline = self.clock.monotonic() + _ACCOUNT_PATIENCE
        while True:
            try:
                return await self.create(POD, body)
            except ApiRefused as error:
                if error.status != 403 or "serviceaccount" not in error.message.replace(" ", "").lower():
                    raise
                if self.clock.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.2)
