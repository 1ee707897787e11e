"""Runs cases against a target and makes results of them; pytest and the programmatic runner both stand on this."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import attrs

from conformance.catalogue import Catalogue
from conformance.claims import Claim
from conformance.clock import stopwatch
from conformance.collect import Entry
from conformance.driver import AgentTarget
from conformance.features import Feature, needed
from conformance.given.terms import Terms
from conformance.record import files
from conformance.record.history import History
from conformance.report.explain import AnySeen, explain, repeat_line
from conformance.report.plan import plan
from conformance.report.results import Report, Result
from conformance.runner import judging
from conformance.runner.agent_session import AgentSession
from conformance.runner.replay import ReplaySession, ReplayTarget
from conformance.runner.session import Session
from conformance.scenario import MASTER, Scenario, Waits, imposed
from conformance.target import Target, TargetError
from conformance.verdict import Judgement, NotExercised, Skipped, SuiteError, Unsupported, Verdict

T = TypeVar("T")

AnyTarget = Target | AgentTarget | ReplayTarget


class AnySession(Protocol):
    """What both kinds of session have in common; see `Session`."""

    facts: Any
    timing: Any
    run_id: str
    address: str
    curl: str
    fault: str

    async def open(self, scenarios: Iterable[Scenario], needed: Iterable[Feature] = ()) -> None:
        """Opens the target and finds out what it is."""
        ...

    async def hazards(self) -> list[str]:
        """What in the target would act on simulated nodes."""
        ...

    async def play(self, scenarios: Iterable[Scenario]) -> None:
        """Starts the scenarios."""
        ...

    async def seen(self, scenario: Scenario) -> Any:
        """Waits for a scenario's end."""
        ...

    def waits(self) -> Waits:
        """How long the scenarios lasted."""
        ...

    def lacks(self, profile: str) -> str:
        """Why requirements of a profile do not bind the target."""
        ...

    async def claim(self, feature: Feature) -> Claim:
        """What the target claims of a feature."""
        ...

    async def claims(self) -> tuple[Claim, ...]:
        """What it claims of all features in question."""
        ...

    def contradictions(self) -> list[str]:
        """Where it differs from what was declared."""
        ...

    async def close(self) -> list[str]:
        """Ends and cleans up."""
        ...

    def history(self) -> History:
        """Everything seen so far."""
        ...

    def about(self) -> dict[str, object]:
        """What a saved history says of its run."""
        ...


_RARELY = (100_000, 50, 100)
"""Thresholds of the garbage collector during a run."""


class Engine:
    """One run; `start`, then `result` for each case, then `close`.

    Args:
        side: what is tested: `master` or `node`.
        target: the master, or the kind of node agent.
        book: the catalogue.
        terms: what the run goes by.

    Attributes:
        started: whether the target could be tested at all.
    """

    def __init__(
        self,
        side: str,
        target: AnyTarget,
        book: Catalogue,
        terms: Terms,
    ) -> None:
        self._target = target
        self._book = book
        self._terms = terms
        self._session = _session(side, target, terms)
        self._name = terms.declared.name if side == MASTER and terms.declared.name else target.name
        self._results: list[Result] = []
        self._asked = 0
        self._claims: tuple[Claim, ...] = ()
        self._contradictions: tuple[str, ...] = ()
        self._left: list[str] = []
        self._began = stopwatch()
        self._took = 0.0
        self._longest = 0.0
        self._broken: SuiteError | None = None
        self.started = False
        self._runner = asyncio.Runner(loop_factory=target.new_loop)
        # Histories are large and hold no cycles: walking them over and over finds nothing and costs a fifth of a run.
        self._collected = gc.get_threshold()
        gc.set_threshold(*_RARELY)

    def start(self, entries: Sequence[Entry]) -> None:
        """Opens the target and starts the scenarios that the cases read.

        Raises:
            TargetError: the target cannot be tested.
        """
        scenarios = _scenarios(entries)
        self._began = stopwatch()
        self._asked = len(entries)
        self._runner.run(self._session.open(scenarios, self._needed(entries)))
        hazards = self._runner.run(self._session.hazards())
        if hazards and not self._terms.limits.allow_hazards:
            raise TargetError(f"{hazards[0]}; --allow-hazards goes on all the same")
        self.started = True
        chosen = [scenario for scenario in scenarios if not self._too_long(scenario)]
        self._longest = imposed(filter(self._can_play, chosen), self._session.timing)
        try:
            self._runner.run(self._session.play(chosen))
        except SuiteError as error:
            self._broken = error

    def plan(self, entries: Sequence[Entry]) -> list[str]:
        """Opens the target and says what would be done, a line each; nothing is done.

        Raises:
            TargetError: the target cannot be tested.
        """
        scenarios = _scenarios(entries)
        self._runner.run(self._session.open(scenarios, self._needed(entries)))
        hazards = self._runner.run(self._session.hazards())
        left_out = [scenario.name for scenario in scenarios if self._too_long(scenario)]
        sought = ", ".join(feature.name for feature in self._needed(entries) if feature.canary)
        notes = [f"beside them a canary, one node with a pod or workload each, looks for {sought}"] if sought else []
        return plan(self._session, entries, left_out, [*notes, *hazards])

    def announcement(self) -> str:
        """What has begun, in one line: the run can be cleaned up by its id even if this process dies."""
        session = self._session
        return f"target {self._name}, run {session.run_id}: up to {self._longest:.0f} s by the target's settings"

    def result(self, entry: Entry) -> Result:
        """Waits for what the case reads, and asks it."""
        seen: AnySeen | None = None
        try:
            seen = self._seen(entry)
        except (SuiteError, Unsupported, Skipped, NotExercised) as error:
            judgement = judging.without_verdict(error)
        else:
            judgement = judging.judge(entry.function, entry.case, seen, self._book)
        result = self._result(entry, judgement, seen)
        self._results.append(result)
        if len(self._results) == self._asked and self._broken is None:
            self._take_stock()
        return result

    def _take_stock(self) -> None:
        """Holds what was declared against what was seen, once every case was asked."""
        self._claims = self._runner.run(self._session.claims())
        lines = [*self._runner.run(_now(self._session.contradictions)), *(c.contradiction() for c in self._claims)]
        self._contradictions = tuple(line for line in lines if line)

    def close(self) -> None:
        """Ends everything and cleans up; what could not be removed stands in the report."""
        try:
            self._left = self._runner.run(self._session.close())
        except KeyboardInterrupt:
            self._left = ["the clean-up was interrupted"]
            raise
        finally:
            self._runner.close()
            gc.set_threshold(*self._collected)
            self._took = stopwatch() - self._began

    def save_history(self, path: Path) -> None:
        """Writes everything seen so far."""
        files.save(self._runner.run(_now(self._session.history)), path, self._session.about())

    def report(self) -> Report:
        """The run as far as it went."""
        session = self._session
        return Report(
            target=self._name,
            version=session.facts.version,
            run_id=session.run_id,
            seed=self._terms.seed,
            timing={name: float(value) for name, value in attrs.asdict(session.timing).items()},
            results=tuple(self._results),
            left_behind=tuple(self._left),
            wall_seconds=self._took,
            longest_wait=self._longest,
            waits=session.waits(),
            fault=session.fault,
            claims=self._claims,
            contradictions=self._contradictions,
        )

    def _seen(self, entry: Entry) -> AnySeen:
        if self._broken:
            raise self._broken
        case = entry.case
        unbound = judging.out_of_era(case, self._session.facts.minor, self._book)
        requirement = self._book[case.ids[0]]
        unbound = unbound or self._terms.left_out(requirement) or self._session.lacks(requirement.profile)
        if unbound:
            raise Unsupported(unbound)
        if self._too_long(case.scenario):
            raise Skipped(self._too_long(case.scenario))
        for feature in needed([requirement]):
            objection = self._runner.run(self._session.claim(feature)).objection()
            if objection is not None:
                raise objection
        found: AnySeen = self._runner.run(self._session.seen(case.scenario))
        return found

    def _can_play(self, scenario: Scenario) -> bool:
        return not isinstance(self._session, AgentSession) or self._session.can_play(scenario)

    def _needed(self, entries: Sequence[Entry]) -> tuple[Feature, ...]:
        return needed(self._book[entry.case.ids[0]] for entry in entries)

    def _too_long(self, scenario: Scenario) -> str:
        longest, limit = scenario.longest(self._session.timing), self._terms.limits.max_wait
        if limit is None or longest <= limit:
            return ""
        return f"scenario {scenario.name} may take {longest:.0f} s, more than --max-wait {limit:g}"

    def _result(self, entry: Entry, judgement: Judgement, seen: AnySeen | None) -> Result:
        details = None
        if judgement.verdict is not Verdict.PASS:
            details = explain(
                judgement,
                entry.case,
                self._book,
                seen=seen,
                said=self._session.said(entry.case.scenario) if isinstance(self._session, AgentSession) else "",
                curl=self._session.curl,
                address=self._session.address,
                repeat=repeat_line(
                    entry.nodeid, (*self._target.repeat, *self._terms.repeat), self._terms.seed, self._terms.given
                ),
            )
        known = self._terms.baseline.known(entry.nodeid, entry.case, judgement)
        return Result(
            case=entry.nodeid,
            ids=entry.case.ids,
            level=self._book[entry.case.ids[0]].level,
            scenario=entry.case.scenario.name,
            judgement=judgement,
            details=details,
            known=known.reason if known else "",
        )


def _scenarios(entries: Sequence[Entry]) -> list[Scenario]:
    return list({entry.case.scenario.name: entry.case.scenario for entry in entries}.values())


def _session(side: str, target: AnyTarget, terms: Terms) -> AnySession:
    if isinstance(target, ReplayTarget):
        return ReplaySession(target)
    if side == MASTER:
        return Session(target, seed=terms.seed, settings=terms.settings, declared=terms.claimed())  # type: ignore[arg-type]
    return AgentSession(target, seed=terms.seed, settings=terms.settings)  # type: ignore[arg-type]


async def _now(read: Callable[[], T]) -> T:
    """What needs the loop's clock, though it waits for nothing."""
    return read()
