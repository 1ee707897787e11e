"""A session arranged for readers: what needs attention first, what is fine last. Markdown and HTML are made of this."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from conformance.report.results import ExitCode, Outcome, Report, Result
from conformance.report.summary import MEANING
from conformance.verdict import Verdict

_REASONED = (Verdict.NOT_EXERCISED, Verdict.UNSUPPORTED, Verdict.SKIPPED)


@attrs.frozen
class Group:
    """Results that have a reason in common."""

    reason: str
    results: tuple[Result, ...]


@attrs.frozen
class Arranged:
    """One run.

    Attributes:
        report: of the run.
        verdict: in words.
        green: whether it is green.
        told: results that are told one by one, by heading: failures, suite errors, missed SHOULDs, known failures.
        reasoned: results that are told by reason, by heading.
        passed: results that passed, by the module they stand in.
        hints: what there is to say of the target and what was declared of it.
    """

    report: Report
    verdict: str
    green: bool
    told: tuple[tuple[str, tuple[Result, ...]], ...]
    reasoned: tuple[tuple[str, tuple[Group, ...]], ...]
    passed: tuple[Group, ...]
    hints: tuple[str, ...]


def arranged(outcome: Outcome, *, strict: bool) -> list[Arranged]:
    """The runs of a session."""
    return [_arranged(report, strict=strict) for report in outcome.reports]


def _arranged(report: Report, *, strict: bool) -> Arranged:
    code = report.exit_code(strict=strict)
    failing = (Verdict.FAIL, Verdict.WARNING) if strict else (Verdict.FAIL,)
    headings: tuple[tuple[str, tuple[Verdict, ...]], ...] = (
        ("Failed", failing),
        ("Suite errors", (Verdict.SUITE_ERROR,)),
        ("Should missed", () if strict else (Verdict.WARNING,)),
        ("Known", (Verdict.KNOWN,)),
    )
    told = ((heading, _with(report, verdicts)) for heading, verdicts in headings)
    reasoned = ((verdict.value.capitalize(), _by_reason(_with(report, (verdict,)))) for verdict in _REASONED)
    return Arranged(
        report=report,
        verdict=MEANING[code],
        green=code == ExitCode.GREEN,
        told=tuple((heading, results) for heading, results in told if results),
        reasoned=tuple((heading, groups) for heading, groups in reasoned if groups),
        passed=_by_module(_with(report, (Verdict.PASS,))),
        hints=(
            *((report.fault,) if report.fault else ()),
            *(f"not declared: {line}" for line in report.undeclared),
            *(f"contradiction: {line}" for line in report.contradictions),
            *(f"left behind: {line}" for line in report.left_behind),
        ),
    )


def _with(report: Report, verdicts: Iterable[Verdict]) -> tuple[Result, ...]:
    wanted = tuple(verdicts)
    return tuple(result for result in report.results if result.verdict in wanted)


def _by_reason(results: Iterable[Result]) -> tuple[Group, ...]:
    return _grouped((result.judgement.findings[0].got, result) for result in results)


def _by_module(results: Iterable[Result]) -> tuple[Group, ...]:
    return _grouped((result.case.partition("::")[0], result) for result in results)


def _grouped(pairs: Iterable[tuple[str, Result]]) -> tuple[Group, ...]:
    found: dict[str, list[Result]] = {}
    for reason, result in pairs:
        found.setdefault(reason, []).append(result)
    return tuple(Group(reason, tuple(results)) for reason, results in found.items())
