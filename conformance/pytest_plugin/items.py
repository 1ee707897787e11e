"""A case as pytest sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.collect import Entry
from conformance.pytest_plugin.runs import Runs
from conformance.report.results import Result
from conformance.scenario import Case
from conformance.target import TargetError
from conformance.verdict import Verdict


class CaseItem(pytest.Item):
    """Runs one case.

    A suite error is raised while the case is set up, so that JUnit calls it an error and not a failure.
    """

    def __init__(self, *, function: Any, case: Case, **more: Any) -> None:
        super().__init__(**more)
        self.entry = Entry(self.nodeid, function, case)
        self.runs: Runs | None = None
        self.result: Result | None = None
        self.extra_keyword_matches.update(case.ids)

    def setup(self) -> None:
        """Waits for the scenario and asks the case."""
        assert self.runs is not None
        try:
            self.result = self.runs.result(self.entry)
        except TargetError as error:
            pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)
        if self.result.verdict is Verdict.SUITE_ERROR:
            pytest.fail(self.result.judgement.findings[0].got, pytrace=False)

    def runtest(self) -> None:
        """Says what the case came to."""
        assert self.result is not None
        if self.result.verdict is Verdict.FAIL:
            pytest.fail(self.result.explanation, pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the case stands: file, line, and the requirements it judges."""
        line = self.entry.function.__code__.co_firstlineno - 1
        return self.path, line, f"{self.name} [{' '.join(self.entry.case.ids)}]"
