"""Runs cases against a target and makes results of them; pytest and the programmatic runner both stand on this."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import attrs

from conformance import judging
from conformance.catalogue import Catalogue
from conformance.clock import stopwatch
from conformance.collect import Entry
from conformance.judge.seen import Seen
from conformance.record.history import History
from conformance.report.explain import explain, repeat_line
from conformance.report.results import Report, Result
from conformance.session import Session
from conformance.target import Target
from conformance.verdict import Judgement, SuiteError, Unsupported, Verdict


class Engine:
    """One run; `start`, then `result` for each case, then `close`.

    Args:
        target: the master under test.
        book: the catalogue.
        seed: of all random choices.
        settings: timing settings that override what the target declares.

    Attributes:
        started: whether the target could be tested at all.
    """

    def __init__(self, target: Target, book: Catalogue, *, seed: int, settings: Mapping[str, float]) -> None:
        self._target = target
        self._book = book
        self._seed = seed
        self._settings = settings
        self._session = Session(target, seed=seed, settings=settings)
        self._results: list[Result] = []
        self._left: list[str] = []
        self._began = stopwatch()
        self._longest = 0.0
        self._broken: SuiteError | None = None
        self.started = False
        self._runner = asyncio.Runner(loop_factory=target.new_loop)

    def start(self, entries: Sequence[Entry]) -> None:
        """Opens the target and starts the scenarios that the cases read.

        Raises:
            TargetError: the target cannot be tested.
        """
        scenarios = [entry.case.scenario for entry in entries]
        try:
            self._runner.run(self._session.start(scenarios))
        except SuiteError as error:
            self._broken = error
        self.started = True
        self._longest = max((scenario.longest(self._session.timing) for scenario in scenarios), default=0)

    def result(self, entry: Entry) -> Result:
        """Waits for what the case reads, and asks it."""
        seen: Seen | None = None
        try:
            seen = self._seen(entry)
        except (SuiteError, Unsupported) as error:
            judgement = judging.without_verdict(error)
        else:
            judgement = judging.judge(entry.function, entry.case, seen, self._book)
        result = self._result(entry, judgement, seen)
        self._results.append(result)
        return result

    def close(self) -> None:
        """Ends everything and cleans up; what could not be removed stands in the report."""
        try:
            self._left = self._runner.run(self._session.close())
        finally:
            self._runner.close()

    def history(self) -> History:
        """Everything seen so far."""
        return self._runner.run(_now(self._session.history))

    def report(self) -> Report:
        """The run as far as it went."""
        session = self._session
        return Report(
            target=self._target.name,
            version=session.facts.version,
            run_id=session.run_id,
            seed=self._seed,
            timing={name: float(value) for name, value in attrs.asdict(session.timing).items()},
            results=tuple(self._results),
            left_behind=tuple(self._left),
            wall_seconds=stopwatch() - self._began,
            longest_wait=self._longest,
        )

    def _seen(self, entry: Entry) -> Seen:
        if self._broken:
            raise self._broken
        stale = judging.out_of_era(entry.case, self._session.facts, self._book)
        if stale:
            raise Unsupported(stale)
        return self._runner.run(self._session.seen(entry.case.scenario))

    def _result(self, entry: Entry, judgement: Judgement, seen: Seen | None) -> Result:
        text = ""
        if judgement.verdict is not Verdict.PASS:
            connection = self._session.connection
            text = explain(
                judgement,
                entry.case,
                self._book,
                seen=seen,
                curl=connection.curl,
                address=connection.address,
                repeat=repeat_line(entry.nodeid, self._target.repeat, self._seed, self._settings),
            )
        return Result(
            case=entry.nodeid,
            ids=entry.case.ids,
            level=self._book[entry.case.ids[0]].level,
            scenario=entry.case.scenario.name,
            judgement=judgement,
            explanation=text,
        )


async def _now(read: Callable[[], History]) -> History:
    return read()
