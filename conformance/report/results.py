"""The result of a run as values; every report is rendered from these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import attrs

from conformance.claims import Claim
from conformance.report.explanation import Explanation
from conformance.scenario import Waits
from conformance.verdict import Judgement, Verdict

_EXERCISED = (Verdict.PASS, Verdict.FAIL, Verdict.WARNING)


class ExitCode:
    """How a run ends, for CI. 2 to 5 are pytest's own: interrupted, internal error, usage or target, nothing chosen."""

    GREEN = 0
    FAILED = 1
    NOT_EXERCISED = 6
    SUITE_ERROR = 7
    BASELINE = 8


@attrs.frozen
class Result:
    """What became of one case.

    Attributes:
        case: e.g. `master/test_transition.py::test_ready_turns_unknown`.
        ids: the requirements it judges.
        level: of the first of them.
        scenario: what it read.
        judgement: verdict and findings, whatever a baseline makes of them.
        details: everything that is needed to understand it; None for what passed.
        known: why a baseline accepts it; empty when it does not.
    """

    case: str
    ids: tuple[str, ...]
    level: str
    scenario: str
    judgement: Judgement
    details: Explanation | None = None
    known: str = ""

    @property
    def explanation(self) -> str:
        """The whole text for people: sentence, want, got, timeline, requests, how to repeat; empty for what passed."""
        return "" if self.details is None else self.details.text

    @property
    def verdict(self) -> Verdict:
        """What counts: `KNOWN` when a baseline accepts what the case came to."""
        return Verdict.KNOWN if self.known else self.judgement.verdict


@attrs.frozen
class Report:
    """A whole run.

    Attributes:
        target: for people.
        version: of the target.
        run_id: part of every name the run created.
        seed: of its random choices.
        timing: the settings it went by, in seconds.
        results: of all cases, in the order in which they ran.
        left_behind: objects that could not be removed.
        wall_seconds: real time it took.
        longest_wait: seconds that the target's settings impose at most: of the longest scenario, and of those alone.
        waits: how long the scenarios lasted in fact, in the target's time; a run cannot be shorter.
        fault: how the target broke down; empty when it did not.
        claims: what the target claims of the features that cases need or that were declared.
        contradictions: where the target and what was declared of it differ, a line each.
    """

    target: str
    version: str
    run_id: str
    seed: int
    timing: Mapping[str, float]
    results: tuple[Result, ...]
    left_behind: tuple[str, ...] = ()
    wall_seconds: float = 0
    longest_wait: float = 0
    waits: Waits = attrs.field(factory=Waits)
    fault: str = ""
    claims: tuple[Claim, ...] = ()
    contradictions: tuple[str, ...] = ()

    def counts(self) -> dict[Verdict, int]:
        """Number of cases by verdict."""
        found = Counter(result.verdict for result in self.results)
        return {verdict: found[verdict] for verdict in Verdict if found[verdict]}

    def failed(self) -> frozenset[str]:
        """Ids of requirements with a failed case; warnings are no failures."""
        return frozenset(i for result in self.results if result.verdict is Verdict.FAIL for i in result.ids)

    def exit_code(self, *, strict: bool = False) -> int:
        """The exit code of the run; with `strict` a warning counts as a failure."""
        counts = self.counts()
        if counts.get(Verdict.FAIL) or (strict and counts.get(Verdict.WARNING)):
            return ExitCode.FAILED
        if counts.get(Verdict.SUITE_ERROR) or self.fault:
            return ExitCode.SUITE_ERROR
        if counts.get(Verdict.NOT_EXERCISED) or not self.exercised or self.undeclared:
            return ExitCode.NOT_EXERCISED
        return ExitCode.GREEN

    @property
    def undeclared(self) -> tuple[str, ...]:
        """Features that every Kubernetes has and that were not seen, though nobody said so: never green."""
        return tuple(line for line in (claim.undeclared() for claim in self.claims) if line)

    @property
    def exercised(self) -> bool:
        """Whether it says anything about the target; a run that does not is never green."""
        return any(result.judgement.verdict in _EXERCISED for result in self.results)


@attrs.frozen
class Outcome:
    """A whole session.

    Attributes:
        reports: one a side that ran.
        troubles: what is wrong with the baseline, a line each.
    """

    reports: tuple[Report, ...]
    troubles: tuple[str, ...] = ()

    def exit_code(self, *, strict: bool = False) -> int:
        """The exit code of all runs together; with `strict` a warning counts as a failure."""
        codes = [report.exit_code(strict=strict) for report in self.reports]
        return worst([*codes, ExitCode.BASELINE] if self.troubles else codes)


def worst(codes: Iterable[int]) -> int:
    """The exit code of several runs together."""
    order = (ExitCode.FAILED, ExitCode.SUITE_ERROR, ExitCode.BASELINE, ExitCode.NOT_EXERCISED, ExitCode.GREEN)
    return min(codes, key=order.index, default=ExitCode.NOT_EXERCISED)
