"""One run against one kind of node agent: every scenario has a master and an agent of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import attrs

from conformance.agent_timing import AgentTiming
from conformance.claims import NOT_LOOKED, Claim
from conformance.client import ApiClient
from conformance.clock import SuiteClock
from conformance.drive.agent import AgentStage
from conformance.driver import AgentConnection, AgentFacts, AgentTarget, Rig
from conformance.features import Feature
from conformance.judge.agent import AgentSeen
from conformance.naming import Naming
from conformance.record.history import END, History, Mark
from conformance.record.log import Log
from conformance.record.metronome import keep_time
from conformance.record.recorder import Feed, Recorder
from conformance.runner.plays import Plays
from conformance.scenario import NODE, Scenario, Waits
from conformance.verdict import Unsupported


class AgentSession:
    """Plays scenarios against agents of one kind.

    Args:
        target: the kind of agent.
        seed: of all random choices.
        settings: timing settings by field that override what the target declares.
    """

    def __init__(self, target: AgentTarget, *, seed: int, settings: Mapping[str, float] | None = None) -> None:
        self.facts: AgentFacts
        self.timing: AgentTiming
        self.run_id = ""
        self.address = target.name
        self.curl = ""
        self.fault = ""
        self._target = target
        self._seed = seed
        self._settings = settings or {}
        self._stack = AsyncExitStack()
        self._plays: Plays[AgentSeen] = Plays()
        self._logs: list[Log] = []
        self._said: dict[str, str] = {}

    async def open(self, scenarios: Iterable[Scenario], needed: Iterable[Feature] = ()) -> None:
        """Makes ready.

        Raises:
            TargetError: agents of this kind cannot be run here.
        """
        self._connection: AgentConnection = await self._stack.enter_async_context(self._target.open(self._seed))
        self._clock = SuiteClock(seed=self._seed, epoch=self._connection.epoch)
        self.run_id = self._clock.run_id()
        self.facts = self._connection.facts
        known = {field.name for field in attrs.fields(AgentTiming)}
        settings = {**self._connection.timing, **self._settings}
        self.timing = AgentTiming(**{name: value for name, value in settings.items() if name in known})

    async def hazards(self) -> list[str]:
        """None: every master is the suite's own."""
        return []

    async def play(self, scenarios: Iterable[Scenario]) -> None:
        """Starts those scenarios that the agent's driver can play, all together, the longest first."""
        each = {scenario.name: scenario for scenario in scenarios}.values()
        for scenario in sorted(each, key=lambda scenario: -scenario.longest(self.timing)):
            if not self._missing(scenario):
                self._plays.start(scenario, partial(self._play, scenario), scenario.longest(self.timing))

    def can_play(self, scenario: Scenario) -> bool:
        """Whether the agent's driver can do what a scenario needs."""
        return not self._missing(scenario)

    async def seen(self, scenario: Scenario) -> AgentSeen:
        """Waits for a scenario's end and returns what was seen.

        Raises:
            Unsupported: the driver cannot do what the scenario needs.
            SuiteError: the scenario could not be played to its end.
        """
        missing = self._missing(scenario)
        if missing:
            raise Unsupported(f"the agent's driver does not declare {', '.join(missing)}")
        return await self._plays.seen(scenario)

    def lacks(self, profile: str) -> str:
        """Why requirements of a profile do not bind this agent; empty when they do."""
        return "" if profile in self.facts.profiles else f"the agent does not claim the profile {profile!r}"

    def waits(self) -> Waits:
        """How long the scenarios lasted."""
        return self._plays.waits()

    async def claim(self, feature: Feature) -> Claim:
        """Nothing: features are a master's; an agent's profiles are declared by its driver."""
        return Claim(feature, NOT_LOOKED)

    async def claims(self) -> tuple[Claim, ...]:
        """None; see `claim`."""
        return ()

    def contradictions(self) -> list[str]:
        """None: an agent's driver starts it with the settings it declares."""
        return []

    def said(self, scenario: Scenario) -> str:
        """The end of what the scenario's agent wrote to its log."""
        return self._said.get(scenario.name, "")

    async def close(self) -> list[str]:
        """Ends what still plays; masters and agents end with their scenarios.

        Returns:
            Nothing: rigs leave nothing behind.
        """
        try:
            await self._plays.stop()
        finally:
            await self._stack.aclose()
        return []

    def about(self) -> dict[str, object]:
        """What a saved history says of its run."""
        return {"side": NODE, "run": self.run_id, "timing": attrs.asdict(self.timing)}

    def history(self) -> History:
        """Everything seen so far, of all scenarios."""
        now = self._clock.moment()
        return History.merged((log.whole(now) for log in self._logs), self._clock.epoch)

    @asynccontextmanager
    async def _listening(self, scenario: Scenario, rig: Rig) -> AsyncIterator[asyncio.TaskGroup]:
        """Keeps what the agent said in the end, however the scenario goes."""
        try:
            async with asyncio.TaskGroup() as group:
                yield group
        finally:
            self._said[scenario.name] = await rig.driver.logs()

    def _missing(self, scenario: Scenario) -> list[str]:
        if "only_watched" in self.facts.abilities and not scenario.only_watches:
            return ["a way to start the agent"]
        return [ability for ability in scenario.abilities if ability not in self.facts.abilities]

    async def _play(self, scenario: Scenario) -> AgentSeen:
        """Plays one scenario with a log of its own: its objects are in another master than everybody else's."""
        naming = Naming(self.run_id, scenario.name)
        log = Log(self._clock.epoch)
        self._logs.append(log)
        async with self._connection.new_rig(self._clock, log.exchange) as rig, self._listening(scenario, rig) as group:
            wire = rig.master.new_wire()
            client = ApiClient(wire, clock=self._clock, who="suite", note=log.exchange)
            recorders = [Recorder(Feed(kind), client=client, log=log, clock=self._clock) for kind in scenario.watches]
            for recorder in recorders:
                await recorder.start()
            watching = [group.create_task(recorder.run()) for recorder in recorders]
            watching.append(group.create_task(keep_time(log, self._clock, rig.driver.waited)))
            stage = AgentStage(
                naming=naming,
                rig=rig,
                client=client,
                log=log,
                clock=self._clock,
                timing=self.timing,
                facts=self.facts,
            )
            await scenario.play(stage)
            for watch in watching:
                watch.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
            await wire.aclose()
        log.mark(Mark(self._clock.moment(), scenario.name, END))
        part = log.whole(self._clock.moment())
        return AgentSeen(naming=naming, history=part, timing=self.timing, facts=self.facts)
