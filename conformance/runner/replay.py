"""Judges a saved history again, without a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from conformance.claims import Claim
from conformance.features import Feature
from conformance.given.declared import Declared
from conformance.judge import contradictions
from conformance.judge.seen import Seen
from conformance.naming import Naming
from conformance.record import files
from conformance.record.files import HistoryFileError
from conformance.record.history import END, History
from conformance.runner.lookout import Lookout
from conformance.scenario import MASTER, Scenario, Waits
from conformance.target import Facts, TargetError
from conformance.timing import Timing
from conformance.verdict import SuiteError


class ReplayTarget:
    """A history on disk in the place of a master.

    Args:
        path: of a file written with `--history-out`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = f"history {path}"
        self.repeat: tuple[str, ...] = ("--replay", str(path))
        self.virtual = False

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Any loop: nothing waits."""
        return asyncio.new_event_loop()


class ReplaySession:
    """Hands out the parts of a history as if its scenarios had just ended; see `Session`.

    Args:
        target: the history.
    """

    def __init__(self, target: ReplayTarget) -> None:
        self.facts = Facts("", 0)
        self.timing = Timing()
        self.run_id = ""
        self.address = ""
        self.curl = ""
        self.fault = ""
        self._path = target.path
        self._history: History

    async def hazards(self) -> list[str]:
        """None: nothing is done."""
        return []

    async def play(self, scenarios: Iterable[Scenario]) -> None:
        """They have been played."""

    async def open(self, scenarios: Iterable[Scenario], needed: Iterable[Feature] = ()) -> None:
        """Reads the file.

        Raises:
            TargetError: it is no history of a master.
        """
        try:
            self._history, about = files.load(self._path)
            if about.get("side") != MASTER:
                raise TargetError(f"{self._path}: only histories of masters can be judged again")
            facts = about["facts"]
            self.facts = Facts(facts["version"], facts["minor"], frozenset(facts["resources"]))
            self.timing = Timing(**about["timing"])
            self.run_id, self.address, self.curl = about["run"], about["address"], about["curl"]
        except (HistoryFileError, KeyError, TypeError) as error:
            raise TargetError(str(error)) from error
        self._lookout = Lookout(needed, Declared())
        self._lookout.reduced(self.facts)

    async def seen(self, scenario: Scenario) -> Seen:
        """The scenario's part.

        Raises:
            SuiteError: the history does not hold it to its end.
        """
        ends = [m.at for m in self._history.marks if m.scenario == scenario.name and m.name == END]
        if not ends:
            raise SuiteError(f"the history does not hold the scenario {scenario.name} to its end")
        naming = Naming(self.run_id, scenario.name)
        part = self._history.part(scenario.name, naming.belongs, ends[0])
        return Seen(naming=naming, history=part, timing=self.timing, facts=self.facts)

    def waits(self) -> Waits:
        """Nothing is waited for again."""
        return Waits()

    def lacks(self, profile: str) -> str:
        """Nothing is known to be lacking."""
        return ""

    async def claim(self, feature: Feature) -> Claim:
        """What the canary of the run shows; a run that sent none shows nothing."""
        return await self._lookout.claim(feature.name, self.seen)

    async def claims(self) -> tuple[Claim, ...]:
        """See `claim`."""
        return await self._lookout.claims(self.seen)

    def contradictions(self) -> list[str]:
        """Where the target visibly went by other settings than the suite was told."""
        return list(contradictions.of_timing(self._history, self.timing, ()))

    async def close(self) -> list[str]:
        """Nothing to clean up."""
        return []

    def history(self) -> History:
        """The history itself."""
        return self._history

    def about(self) -> dict[str, object]:
        """What a saved history says of its run."""
        return files.load(self._path)[1]
