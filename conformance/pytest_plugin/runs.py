"""The runs of one pytest session: one a side, one after the other, or side by side where time only jumps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from conformance.catalogue import Catalogue
from conformance.collect import Entry
from conformance.given.terms import Terms
from conformance.report.results import Outcome, Report, Result
from conformance.runner import aside
from conformance.runner.aside import Aside
from conformance.runner.engine import AnyTarget, Engine


class Runs:
    """Starts a side when its first case comes up, and ends it when the next side begins.

    Two live targets on two event loops could not be kept beating side by side; one after the other they can. Where
    time only jumps, the sides to come are run meanwhile by a process of their own.

    Args:
        targets: by side.
        entries: the cases, in the order in which they will be asked.
        book: the catalogue.
        terms: what the runs go by.
        every: all cases there are, chosen or not; None when they are the chosen ones.
        announce: told in one line when a side has begun.
        history_out: where to write everything that was seen; the second side's file gets its name in between.
    """

    def __init__(
        self,
        targets: Mapping[str, AnyTarget],
        entries: Sequence[Entry],
        book: Catalogue,
        terms: Terms,
        *,
        every: Sequence[Entry] | None = None,
        announce: Callable[[str], None] | None = None,
        history_out: Path | None = None,
    ) -> None:
        self._engines = {side: Engine(side, target, book, terms) for side, target in targets.items()}
        self._beside: dict[str, Aside] = {}
        self._virtual = all(target.virtual for target in targets.values())
        self._entries = entries
        self._every = entries if every is None else every
        self._book = book
        self._baseline = terms.baseline
        self._announce = announce
        self._history_out = history_out
        self._current = ""
        self._ended: list[str] = []

    def start(self) -> None:
        """Starts the side of the first case.

        Raises:
            TargetError: it cannot be tested.
        """
        first = self._entries[0].case.scenario.side
        if self._virtual and self._history_out is None and aside.possible():
            for side, engine in self._engines.items():
                if side != first and self._of(side):
                    self._beside[side] = Aside(engine)
                    self._beside[side].start(self._of(side))
        self._switch(first)

    def plan(self) -> list[str]:
        """What would be done, on all sides; nothing is done.

        Raises:
            TargetError: a target cannot be tested.
        """
        lines: list[str] = []
        for side, engine in self._engines.items():
            entries = self._of(side)
            try:
                lines += ["", *engine.plan(entries)] if entries else []
            finally:
                engine.close()
        return lines

    def result(self, entry: Entry) -> Result:
        """Asks one case.

        Raises:
            TargetError: it is the first of its side, and that cannot be tested.
        """
        side = entry.case.scenario.side
        if side != self._current:
            self._switch(side)
        return self._run(side).result(entry)

    def finish(self) -> None:
        """Ends the side that is running, and those that run beside it."""
        try:
            self._leave()
        finally:
            for beside in self._beside.values():
                beside.close()

    def _leave(self) -> None:
        """Ends the side that is running."""
        side, self._current = self._current, ""
        if not side:
            return
        engine = self._run(side)
        try:
            if self._history_out and engine.started:
                path = self._history_out
                self._engines[side].save_history(path.with_stem(f"{path.stem}-{side}") if self._ended else path)
        finally:
            if engine.started:
                self._ended.append(side)
            engine.close()

    def reports(self) -> list[Report]:
        """Of all sides that ran."""
        return [self._run(side).report() for side in self._ended]

    def outcome(self) -> Outcome:
        """The session as far as it went."""
        reports = tuple(self.reports())
        results = [result for report in reports for result in report.results]
        cases = [(entry.nodeid, entry.case) for entry in self._every]
        return Outcome(reports, tuple(self._baseline.troubles(results, cases, self._book)) if reports else ())

    def _of(self, side: str) -> list[Entry]:
        return [entry for entry in self._entries if entry.case.scenario.side == side]

    def _run(self, side: str) -> Engine | Aside:
        """The run of a side, wherever it is."""
        return self._beside.get(side) or self._engines[side]

    def _switch(self, side: str) -> None:
        self._leave()
        self._current = side
        if side not in self._beside:
            self._engines[side].start(self._of(side))
        announcement = self._run(side).announcement()
        if self._announce is not None:
            self._announce(announcement)
