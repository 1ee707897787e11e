"""A run in a few lines, for the end of a terminal session."""

from __future__ import annotations

from conformance.report.explain import headline
from conformance.report.results import ExitCode, Report, Result
from conformance.verdict import Verdict

MEANING = {
    ExitCode.GREEN: "green",
    ExitCode.FAILED: "failed",
    ExitCode.NOT_EXERCISED: "not green: some requirements were not exercised, or what they need is missing",
    ExitCode.SUITE_ERROR: "not green: the suite could not do its part",
    ExitCode.BASELINE: "not green: the baseline is out of date",
}


def reasons(report: Report, verdict: Verdict) -> list[str]:
    """Why cases have a verdict: each reason once, with the cases it holds for below it."""
    by_reason: dict[str, list[Result]] = {}
    for result in report.results:
        if result.verdict is verdict:
            by_reason.setdefault(result.judgement.findings[0].got, []).append(result)
    lines: list[str] = []
    for reason, results in by_reason.items():
        lines.append(reason)
        lines += [f"    {' '.join(result.ids)}  {result.case}" for result in results]
    return lines


def accepted(report: Report) -> list[str]:
    """What a baseline accepted: each case, why, and what it came to."""
    return [
        line
        for result in report.results
        if result.known
        for line in (f"{' '.join(result.ids)}  {result.case}: {result.known}", f"    {headline(result.judgement)}")
    ]


def summary(report: Report, *, strict: bool = False, interrupted: bool = False) -> list[str]:
    """The lines; an interrupted run has no verdict."""
    counts = ", ".join(f"{number} {verdict.value}" for verdict, number in report.counts().items())
    code = report.exit_code(strict=strict)
    lines = [
        f"target {report.target} ({report.version}), run {report.run_id}, seed {report.seed}",
        f"{counts or 'no case'} in {report.wall_seconds:.1f} s",
    ]
    if report.waits.seconds:
        lines.append(waited(report))
    if not interrupted and not report.exercised:
        lines.append("nothing was exercised: this run says nothing about the target")
    lines += [f"not declared: {line}" for line in report.undeclared]
    lines += [f"contradiction: {line}" for line in report.contradictions]
    if report.fault:
        lines.append(report.fault)
    lines += [f"left behind: {line}" for line in report.left_behind]
    if report.left_behind:
        lines.append(f"to remove it: node-contract cleanup --run-id {report.run_id}")
    if interrupted:
        lines.append("verdict: none, the run was interrupted" + ("" if report.left_behind else "; it is cleaned up"))
    else:
        lines.append(f"verdict: {verdict_line(code)}")
    return lines


def waited(report: Report) -> str:
    """How long the target made the run wait, all scenarios playing side by side, and how long the run took for it."""
    waits = report.waits
    longest = f"longest wait imposed by the target {waits.seconds:.1f} s (scenario {waits.scenario})"
    alone = f" and {waits.alone:.1f} s alone" if waits.alone else ""
    ratio = report.wall_seconds / (waits.seconds + waits.alone)
    bound = f"at most {report.longest_wait:.0f} s by its settings"
    return f"{longest}{alone}, {bound}; wall time {report.wall_seconds:.1f} s: {ratio:.2f} times that"


def verdict_line(code: int) -> str:
    """An exit code in words."""
    return f"{MEANING[code]} (exit code {code})"
