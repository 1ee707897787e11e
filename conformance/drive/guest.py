"""A node that a real agent plays: the suite starts it, kills it, starts it again, and looks on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Final

import attrs

from conformance.agent_timing import AgentTiming
from conformance.client import ApiRefused
from conformance.drive.containers import OBEDIENT, shell
from conformance.drive.manifests import marks_of
from conformance.drive.pacer import RETURN, SILENCE
from conformance.driver import AgentOptions, Driver, Guest
from conformance.judge import conditions
from conformance.kinds import LEASE, NODE, NODE_LEASES
from conformance.record import heartbeats
from conformance.record.history import Beat, ObjectEvent
from conformance.verdict import SuiteError, Unsupported
from conformance.wire import NoAnswer

if TYPE_CHECKING:
    from conformance.drive.stage import Stage

_LOOK: Final = 0.3
"""Seconds between two looks for an agent's Node."""
_TRIES: Final = 20
"""So often others may change the Node between a look and the suite's own change."""
_SAID: Final = 600
"""Characters of an agent's log that are told when it does not do its part."""


class GuestPods:
    """The pods of an agent's node: the agent looks after them whenever it lives; see `PodAgent`."""

    spec: Mapping[str, Any] = {"containers": [shell(OBEDIENT, "main")]}
    obeys = False

    def __init__(self, timing: AgentTiming) -> None:
        self.patience = timing.container_startup + timing.status_tick().latest

    def run(self, *, finish: bool = True, ignore: Iterable[str] = ()) -> None:
        """Nothing to do.

        Raises:
            Unsupported: it was to overlook something.
        """
        if not finish or tuple(ignore):
            raise Unsupported("a real agent overlooks no pods")

    def stop(self) -> None:
        """Nothing to do: it stops when it is killed."""


class GuestNode:
    """One node of a scenario, as `SimulatedNode` is, but a process of its own that registers, beats and runs pods.

    Args:
        stage: where it lives.
        role: what it plays.
        guest: the kind of agent.
    """

    def __init__(self, stage: Stage, role: str, guest: Guest) -> None:
        self.role = role
        self.name = stage.naming.name(role)
        known = {field.name for field in attrs.fields(AgentTiming)}
        self._timing = AgentTiming(**{name: value for name, value in guest.timing.items() if name in known})
        self.pods = GuestPods(self._timing)
        self._stage = stage
        self._guest = guest
        self._driver: Driver | None = None
        self._told = {NODE: 0, LEASE: 0}
        self._last: float | None = None
        """When it was last seen beating; None while it need not."""

    async def register(self, stack: AsyncExitStack) -> None:
        """Starts the agent and waits until its node is Ready; marks as those of `SimulatedNode`.

        Args:
            stack: its end is the agent's, too; afterwards Node and Lease are the ledger's to remove.

        Raises:
            Unsupported: the agent does not create its Node.
            SuiteError: the node did not become Ready.
        """
        abilities = self._guest.facts.abilities
        if "registers_itself" not in abilities:
            raise Unsupported("the agent that was to play a node does not register it")
        stage = self._stage
        stage.expect(NODE, "", self.name)
        stack.push_async_callback(self._hand_over)
        self._driver = await stack.enter_async_context(self._guest.join())
        whole = marks_of(stage.naming, self.role, zone="a")
        options = AgentOptions(self.name)
        if "takes_labels" in abilities:
            options = attrs.evolve(options, labels=whole["metadata"]["labels"])
        if "takes_taints" in abilities:
            options = attrs.evolve(options, taints=(stage.naming.taint,))
        stage.mark(f"{self.role} registers", node=self.name)
        await self._driver.start(options)
        try:
            async with asyncio.timeout(self._patience()):
                await self._dress(whole)
        except TimeoutError:
            raise await self._failed("did not register") from None
        if not await stage.until(self._is_ready, within=self._patience()):
            raise await self._failed("did not become Ready")
        stage.mark(f"{self.role} registered", node=self.name)
        self._begin()

    async def fall_silent(self) -> None:
        """Kills the agent, as a machine dies; whatever it sent until then has been seen at the mark `ROLE silent`."""
        await self._stage.pace(SILENCE)
        self.check()
        self._last = None
        await self._process().stop(kill=True)
        await self._stage.hold(self._stage.timing.watch_lag)
        self._look()
        self._stage.mark(f"{self.role} silent", node=self.name)

    async def recover(self, *, paced: bool = False) -> None:
        """Starts the agent again, which looks after its pods at once.

        The marks `returns` and `looks after its pods` stand before that, `recovered` after its first Ready=True.

        Args:
            paced: whether the scenario has waited for its turn already.

        Raises:
            SuiteError: the node did not become Ready.
        """
        if not paced:
            await self._stage.pace(RETURN)
        late = self._look()
        if late:
            self._stage.void(f"a heartbeat of {self.name} came after its agent had been killed")
        self._stage.mark(f"{self.role} returns", node=self.name)
        self._stage.mark(f"{self.role} looks after its pods", node=self.name)
        await self._process().restart()
        if not await self._stage.until(self._is_back, within=self._patience()):
            raise await self._failed("did not come back")
        self._stage.mark(f"{self.role} recovered", node=self.name)
        self._begin()

    def check(self) -> None:
        """Voids the scenario when the agent stopped beating, or ended, while it was to live."""
        self._look()
        if self._last is None:
            return
        if not self._process().is_alive():
            self._stage.void(f"the agent of {self.name} ended by itself")
        self._mind(self._stage.clock.monotonic() - self._last)

    def _process(self) -> Driver:
        assert self._driver is not None
        return self._driver

    def _patience(self) -> float:
        """Seconds in which an agent that was started is Ready."""
        return self._timing.registered().latest + self._timing.ready().latest

    def _begin(self) -> None:
        """From now on it has to beat."""
        self._look()
        self._last = self._stage.clock.monotonic()

    def _look(self) -> list[Beat]:
        """Writes down the heartbeats that came since the last look."""
        stage = self._stage
        found: list[Beat] = []
        for kind in self._told:
            events = stage.story(kind, self.role).events
            for event in events[self._told[kind] :]:
                found += self._beats(event)
            self._told[kind] = len(events)
        found.sort(key=lambda beat: beat.answered)
        for beat in found:
            stage.log.beat(beat)
            if self._last is not None:
                self._mind(beat.answered - self._last)
                self._last = max(self._last, beat.answered)
        return found

    def _is_back(self) -> bool:
        """Whether it is Ready, and has said something of itself since the last look."""
        fresh = self._stage.story(NODE, self.role).events[self._told[NODE] :]
        return self._is_ready() and any(beat for event in fresh for beat in self._beats(event))

    def _is_ready(self) -> bool:
        return conditions.status(self._stage.current(NODE, self.role), "Ready") == "True"

    def _beats(self, event: ObjectEvent) -> Iterator[Beat]:
        timing = self._stage.timing
        return heartbeats.beats(event, self._stage.clock.epoch, timing.watch_lag, timing.stall)

    def _mind(self, gap: float) -> None:
        """A gap that the master might take for a silence is the agent's fault, or the suite's, not the master's."""
        limit = self._stage.timing.stall
        if gap > limit:
            self._stage.void(f"the agent stalled: no heartbeat of {self.name} for {gap:.1f} s (limit {limit:g} s)")

    async def _failed(self, what: str) -> SuiteError:
        said = (await self._process().logs()).strip()[-_SAID:] or "nothing"
        return SuiteError(f"the agent of {self.name} {what} within {self._patience():.0f} s; it said last: {said}")

    async def _dress(self, whole: Mapping[str, Any]) -> None:
        """Gives the Node, once it is there, what every node of the suite has and the agent could not be told."""
        stage, path = self._stage, NODE.path(name=self.name)
        for _ in range(_TRIES):
            node = await self._registered(path)
            taints = node["spec"].get("taints") or []
            missing = [taint for taint in whole["spec"]["taints"] if taint not in taints]
            metadata = {**whole["metadata"], "resourceVersion": node["metadata"]["resourceVersion"]}
            body = {"metadata": metadata, **({"spec": {"taints": [*taints, *missing]}} if missing else {})}
            try:
                await stage.client.patch(path, body)
            except ApiRefused as error:
                if error.status not in (404, 409):
                    raise
            else:
                return
        raise SuiteError(f"{self.name} changes too often to be labelled")

    async def _registered(self, path: str) -> Any:
        """The Node, once it is there; no watch tells of it before it carries the run's label."""
        while True:
            answer = await self._stage.client.ask("GET", path)
            if answer.status == 200:
                return answer.body
            await asyncio.sleep(_LOOK)

    async def _hand_over(self) -> None:
        """Enters what the agent made in the ledger, now that nobody makes it anew."""
        for kind, path in ((NODE, NODE.path(name=self.name)), (LEASE, LEASE.path(NODE_LEASES, self.name))):
            with suppress(ApiRefused, NoAnswer):
                self._stage.adopt(kind, await self._stage.client.get(path))
