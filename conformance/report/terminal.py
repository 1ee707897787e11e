"""What stands below a terminal session: why cases are neither green nor failed, and the runs in a few lines."""

from __future__ import annotations

from typing import Protocol

from conformance.report.results import Outcome, Report
from conformance.report.summary import accepted, reasons, summary, verdict_line
from conformance.verdict import Verdict


class Terminal(Protocol):
    """The part of pytest's terminal reporter that is used."""

    def section(self, title: str, sep: str = "=", **markup: bool) -> None:
        """Begins a part."""
        ...

    def write_line(self, line: str) -> None:
        """Writes one or more lines."""
        ...


def show(terminal: Terminal, outcome: Outcome, *, strict: bool, interrupted: bool) -> None:
    """Writes everything.

    Args:
        terminal: where to.
        outcome: of the session.
        strict: whether warnings failed the run; then they were shown as failures.
        interrupted: whether the session was broken off.
    """
    for report in outcome.reports:
        _details(terminal, report, strict=strict)
        terminal.section("conformance", sep="=")
        terminal.write_line("\n".join(summary(report, strict=strict, interrupted=interrupted)))
    if outcome.troubles and not interrupted:
        terminal.section("baseline", sep="=", red=True)
        terminal.write_line("\n".join(outcome.troubles))
    if not interrupted and (len(outcome.reports) > 1 or outcome.troubles):
        terminal.write_line(f"all in all: {verdict_line(outcome.exit_code(strict=strict))}")


def _details(terminal: Terminal, report: Report, *, strict: bool) -> None:
    warnings = [] if strict else [result for result in report.results if result.verdict is Verdict.WARNING]
    if warnings:
        terminal.section("should missed", sep="=", yellow=True)
    for result in warnings:
        terminal.section(result.case, sep="_")
        terminal.write_line(result.explanation)
    for verdict in (Verdict.KNOWN, Verdict.UNSUPPORTED, Verdict.SKIPPED, Verdict.NOT_EXERCISED):
        lines = accepted(report) if verdict is Verdict.KNOWN else reasons(report, verdict)
        if lines:
            terminal.section(verdict.value, sep="=", purple=True)
            terminal.write_line("\n".join(lines))
