"""One run against one target: scenarios play together, each is frozen when it ends, everything is cleaned up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from functools import partial

import attrs

from conformance import timing
from conformance.claims import Claim
from conformance.client import ApiClient, ApiRefused
from conformance.clock import SuiteClock
from conformance.drive.ledger import Ledger
from conformance.drive.pacer import Pacer
from conformance.drive.stage import Stage
from conformance.features import Feature
from conformance.given.declared import Declared
from conformance.judge import contradictions
from conformance.judge.seen import Seen
from conformance.kinds import LEASE, NAMESPACE, NODE, POD
from conformance.naming import RUN_LABEL, Naming
from conformance.record import check
from conformance.record.feeds import feeds
from conformance.record.history import END, History, Mark
from conformance.record.log import Log
from conformance.record.metronome import keep_time
from conformance.record.recorder import Recorder
from conformance.runner import probe, safety
from conformance.runner.lookout import Lookout
from conformance.runner.plays import Plays
from conformance.scenario import MASTER, Scenario, Waits, imposed, usual
from conformance.target import Connection, Facts, Target, TargetError
from conformance.timing import Timing
from conformance.verdict import SuiteError, Unsupported, place
from conformance.wire import NoAnswer

_LAST_WORDS = 0.1
"""Seconds after which it is known that a target which does not answer has in fact ended."""


class Session:
    """Plays scenarios against a target.

    Args:
        target: the master under test.
        seed: of all random choices.
        settings: timing settings by field that override what the target declares.
        declared: what was declared of the target.
    """

    def __init__(
        self,
        target: Target,
        *,
        seed: int,
        settings: Mapping[str, float] | None = None,
        declared: Declared | None = None,
    ) -> None:
        self.facts: Facts
        self.timing: Timing
        self.run_id = ""
        self.address = ""
        self.curl = ""
        self.fault = ""
        self._leader = ""
        self._target = target
        self._seed = seed
        self._settings = settings or {}
        self._declared = declared or Declared()
        self._lookout = Lookout((), self._declared)
        self._stack = AsyncExitStack()
        self._clients: list[ApiClient] = []
        self._plays: Plays[Seen] = Plays()
        self._sweeps: list[asyncio.Task[list[str]]] = []
        self._ledgers: dict[str, Ledger] = {}
        self._watching: list[asyncio.Task[None]] = []
        self._mourner: asyncio.Task[None] | None = None

    async def open(self, scenarios: Iterable[Scenario], needed: Iterable[Feature] = ()) -> None:
        """Opens the target and finds out what it is and what it serves of what the scenarios need.

        Args:
            scenarios: that may be played.
            needed: features that the cases need.

        Raises:
            TargetError: the target cannot be tested.
        """
        self.connection: Connection = await self._enter()
        if self.connection.ended is not None:
            self._mourner = asyncio.create_task(self._mourn(self.connection.ended), name="end of the target")
        self.address, self.curl = self.connection.address, self.connection.curl
        self._clock = SuiteClock(seed=self._seed, epoch=self.connection.epoch)
        self._log = Log(self._clock.epoch)
        self.run_id = self._clock.run_id()
        self._admin = self._client("session")
        self._lookout = Lookout(needed, self._declared)
        looking = [*scenarios, *([self._lookout.scenario] if self._lookout.scenario else [])]
        kinds = {kind for each in looking for kind in (*each.needs, *each.optional)} | {NODE, POD, LEASE}
        facts = await probe.probe(self._admin, self.connection.address, kinds | self._lookout.kinds)
        self.facts = attrs.evolve(self._lookout.reduced(facts), minor=self._declared.minor or facts.minor)
        declared = timing.adjusted(timing.defaults(self.facts.minor), self.connection.timing)
        self.timing = timing.adjusted(declared, self._settings)
        self._pacer = Pacer(self._clock, self.timing.kube_api_qps)

    async def hazards(self) -> list[str]:
        """What in the target would act on simulated nodes, a line each.

        Raises:
            TargetError: the target does not let the suite look.
        """
        try:
            return await safety.hazards(self._admin)
        except (ApiRefused, NoAnswer) as error:
            raise TargetError(str(error)) from error

    async def play(self, scenarios: Iterable[Scenario]) -> None:
        """Starts those scenarios that the target can be asked to play, all together.

        Raises:
            SuiteError: the target cannot be watched.
        """
        chosen = {scenario.name: scenario for scenario in scenarios if not self._missing(scenario)}
        guard = imposed(chosen.values(), self.timing)
        canary = self._lookout.scenario
        if chosen and canary is not None and not self._missing(canary):
            chosen = {canary.name: canary, **chosen}
        if chosen:
            await self._begin(list(chosen.values()))
        for scenario in sorted(chosen.values(), key=self._turn):
            if scenario.alone:
                self._plays.start(scenario, partial(self._play_alone, scenario, self._plays.started()), guard)
            else:
                self._plays.start(scenario, partial(self._play, scenario), scenario.longest(self.timing))

    def _turn(self, scenario: Scenario) -> tuple[bool, bool, float]:
        """The canary goes ahead; then those that take longest, for all wait for each other when they change nodes."""
        return scenario.alone, scenario is not self._lookout.scenario, -usual(scenario, self.timing)

    async def seen(self, scenario: Scenario) -> Seen:
        """Waits for a scenario's end and returns what was seen.

        Raises:
            Unsupported: the target does not serve what the scenario needs.
            SuiteError: the scenario could not be played to its end.
        """
        missing = self._missing(scenario)
        if missing:
            raise Unsupported(f"the target does not serve {', '.join(missing)}")
        return await self._plays.seen(scenario)

    def lacks(self, profile: str) -> str:
        """Why requirements of a profile do not bind this target: never by profile; see `claim`."""
        return ""

    def waits(self) -> Waits:
        """How long the scenarios lasted."""
        return self._plays.waits()

    async def claim(self, feature: Feature) -> Claim:
        """What the target claims of a feature; waits for the canary if need be."""
        return await self._lookout.claim(feature.name, self.seen)

    async def claims(self) -> tuple[Claim, ...]:
        """What it claims of all features that are needed or declared."""
        return await self._lookout.claims(self.seen)

    def contradictions(self) -> list[str]:
        """Where it visibly goes by another version or other settings than the suite was told."""
        told = {**self.connection.timing, **self._settings}
        lines = list(contradictions.of_timing(self.history(), self.timing, told))
        actual = self._lookout.facts
        if self._declared.minor not in (None, actual.minor):
            lines.insert(0, f"version is declared as {self._declared.version}, but it says {actual.version}")
        return lines

    async def close(self) -> list[str]:
        """Ends what still plays and removes everything the run created.

        Returns:
            What could not be removed, a line each.
        """
        try:
            await self._plays.stop()
            for client in self._clients:
                await client.settle()
            return [] if self.fault else await self._clean_up()
        finally:
            tasks = [*self._watching, *self._sweeps, *([self._mourner] if self._mourner else [])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for client in self._clients:
                await client.aclose()
            await self._leave()

    async def _clean_up(self) -> list[str]:
        """Removes everything, the run's namespace last; returns what could not be removed."""
        swept = await asyncio.gather(*self._sweeps)
        left = [line for lines in swept for line in lines]
        if self._ledgers:
            ledgers = [ledger for name, ledger in self._ledgers.items() if name]
            answers = await asyncio.gather(*(own.clean_up(self._admin, self._clock) for own in ledgers))
            left += [line for lines in answers for line in lines]
            left += await self._ledgers[""].clean_up(self._admin, self._clock)
        return list(dict.fromkeys(left))

    async def _enter(self) -> Connection:
        try:
            return await self._stack.enter_async_context(self._target.open(self._seed))
        except TargetError:
            raise
        except Exception as error:
            raise TargetError(f"the target could not be started: {place(error)}") from error

    async def _leave(self) -> None:
        """Closes the target; what it raises is its own affair and stands in the report."""
        try:
            await self._stack.aclose()
        except Exception as error:  # noqa: BLE001 - whatever broke in a target must not look like a broken suite
            self.fault = self.fault or _broke(place(error))

    async def _mourn(self, ended: Callable[[], Awaitable[str]]) -> None:
        """Ends the run when the target has ended: it would answer nothing, or from memory, for ever."""
        self.fault = _broke(await ended())
        for watch in self._watching:
            watch.cancel()
        self._plays.give_up(SuiteError(self.fault))

    def about(self) -> dict[str, object]:
        """What a saved history needs to be judged again."""
        facts = {**attrs.asdict(self.facts), "resources": sorted(self.facts.resources)}
        return {
            "side": MASTER,
            "run": self.run_id,
            "address": self.address,
            "curl": self.curl,
            "facts": facts,
            "timing": attrs.asdict(self.timing),
        }

    def history(self) -> History:
        """Everything seen so far, of all scenarios."""
        return self._log.whole(self._clock.monotonic())

    def _missing(self, scenario: Scenario) -> list[str]:
        return [kind.resource for kind in scenario.needs if not self.facts.served(kind)]

    def _facts(self, scenario: Scenario) -> Facts:
        """What a scenario goes by: only the canary looks for what is declared absent."""
        return self._lookout.facts if scenario is self._lookout.scenario else self.facts

    async def _begin(self, scenarios: list[Scenario]) -> None:
        try:
            await self._prepare(scenarios)
            self._leader = await probe.leader(self._admin)
        except (SuiteError, NoAnswer) as error:
            await asyncio.sleep(_LAST_WORDS)
            raise SuiteError(self.fault or str(error)) from error

    async def _prepare(self, scenarios: list[Scenario]) -> None:
        """The run's namespace, and a watch on everything that one of the scenarios wants recorded."""
        naming = Naming(self.run_id, "run")
        wanted = (self._facts(each).served(kind) for each in scenarios for kind in (*each.watches, *each.optional))
        guests = self.connection.guest is not None
        leases = [kind for kind in (LEASE,) if guests and self.facts.served(kind)]
        kinds = {kind: None for kind in (*wanted, *leases) if kind}
        recorders = [
            Recorder(feed, client=self._client("recorder"), log=self._log, clock=self._clock)
            for kind in kinds
            for feed in feeds(kind, naming, guests=guests)
        ]
        try:
            await asyncio.gather(*(recorder.start() for recorder in recorders))
        except (ApiRefused, NoAnswer) as error:
            raise SuiteError(f"the suite cannot watch the target: {error}") from error
        self._watching = [asyncio.create_task(recorder.run()) for recorder in recorders]
        self._watching.append(asyncio.create_task(keep_time(self._log, self._clock)))
        ledger = self._ledgers[""] = Ledger(self.run_id, f"{RUN_LABEL}={self.run_id}")
        body = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": naming.namespace, "labels": {RUN_LABEL: self.run_id}},
        }
        ledger.intend(NAMESPACE, "", naming.namespace)
        try:
            ledger.add(NAMESPACE, await self._admin.create(NAMESPACE.path(), body))
        except (ApiRefused, NoAnswer) as error:
            raise SuiteError(f"the run's namespace could not be made: {error}") from error

    async def _play(self, scenario: Scenario) -> Seen:
        naming = Naming(self.run_id, scenario.name)
        ledger = self._ledgers[scenario.name] = Ledger(self.run_id, naming.selector)
        client = self._client(scenario.name, patience=self.timing.stall)
        try:
            await self._act(scenario, naming, ledger, client)
        except Exception:
            self._sweep(client, ledger)
            raise
        self._log.mark(Mark(self._clock.moment(), scenario.name, END))
        now = self._clock.moment()
        part = self._log.whole(now).part(scenario.name, naming.belongs, now)
        self._sweep(client, ledger)
        return Seen(naming=naming, history=part, timing=self.timing, facts=self.facts)

    def _sweep(self, client: ApiClient, ledger: Ledger) -> None:
        """Begins to remove what a scenario created, once its last requests have been answered."""

        async def sweep() -> list[str]:
            await client.settle()
            return await ledger.clean_up(self._admin, self._clock)

        self._sweeps.append(asyncio.create_task(sweep(), name="sweep"))

    async def _act(self, scenario: Scenario, naming: Naming, ledger: Ledger, client: ApiClient) -> None:
        """Everything that is done in a scenario; nothing of it goes on afterwards."""
        async with AsyncExitStack() as leaving, asyncio.TaskGroup() as group:
            stage = Stage(
                naming=naming,
                client=client,
                log=self._log,
                ledger=ledger,
                clock=self._clock,
                timing=self.timing,
                facts=self._facts(scenario),
                group=group,
                pacer=self._pacer,
                urgency=usual(scenario, self.timing),
                guest=self.connection.guest,
                leaving=leaving,
            )
            try:
                await scenario.play(stage)
            finally:
                stage.end()
            stage.check()
            await self._check_health(client, scenario, naming)
            stage.stop()

    async def _play_alone(self, scenario: Scenario, others: list[str]) -> Seen:
        """Plays a scenario once others are over and their nodes are gone.

        Raises:
            Unsupported: the target has nodes that are not the suite's.
        """
        await self._plays.over(others)
        await asyncio.gather(*self._sweeps)
        nodes = [item["metadata"]["name"] for item in (await self._admin.get(NODE.path())).get("items") or []]
        own = [name for name in nodes if name.startswith(Naming(self.run_id, scenario.name).run_prefix)]
        if own:
            raise SuiteError(f"what the other scenarios left could not be removed: {own[0]} ({len(own)} in all)")
        if nodes:
            raise Unsupported(f"it takes a target without other nodes; there is {nodes[0]} ({len(nodes)} in all)")
        self._plays.begin(scenario)
        return await self._play(scenario)

    async def _check_health(self, client: ApiClient, scenario: Scenario, naming: Naming) -> None:
        """Voids a scenario when the suite was blind or the target's timers began anew meanwhile."""
        facts = self._facts(scenario)
        kinds = [kind for each in (*scenario.watches, *scenario.optional) if (kind := facts.served(each))]
        blind = await check.unheard(client, self._log, kinds, naming.selector, self.timing.slack)
        if blind:
            raise SuiteError(blind)
        for watch in self._watching:
            error = watch.exception() if watch.done() and not watch.cancelled() else None
            if error is not None:
                raise SuiteError(f"a watch of the suite broke: {place(error)}")
        leader = await probe.leader(client)
        if leader != self._leader:
            raise SuiteError(
                f"the controller manager changed during the scenario ({self._leader or 'none'} to {leader or 'none'}), "
                "and with it every grace period began anew; run again"
            )

    def _client(self, who: str, patience: float = 0) -> ApiClient:
        wire = self.connection.new_wire()
        client = ApiClient(wire, clock=self._clock, who=who, note=self._log.exchange, patience=patience)
        self._clients.append(client)
        return client


def _broke(why: str) -> str:
    return f"the target itself broke down: {why}"
