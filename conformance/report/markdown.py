"""A session as Markdown: for a job summary in CI, or a comment on a change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from conformance.report.explanation import Explanation
from conformance.report.results import Outcome, Report, Result
from conformance.report.sections import Arranged, Group, arranged
from conformance.report.summary import verdict_line
from conformance.report.timeline import lines
from conformance.timing import LETTERS


def write(outcome: Outcome, path: Path, *, strict: bool = False) -> None:
    """Writes the results of one session."""
    path.write_text(text(outcome, strict=strict), "utf-8")


def text(outcome: Outcome, *, strict: bool = False) -> str:
    """The whole document."""
    return "\n".join([*_document(outcome, strict=strict), ""])


def _document(outcome: Outcome, *, strict: bool) -> Iterator[str]:
    yield "# Conformance"
    yield ""
    yield f"**{verdict_line(outcome.exit_code(strict=strict))}**"
    if outcome.troubles:
        yield from ("", "## Baseline", "", *(f"- {_plain(line)}" for line in outcome.troubles))
    for run in arranged(outcome, strict=strict):
        yield from _run(run)


def _run(run: Arranged) -> Iterator[str]:
    report = run.report
    yield from ("", f"## {_plain(report.target)} ({_plain(report.version)})", "")
    counts = ", ".join(f"{number} {verdict.value}" for verdict, number in report.counts().items())
    yield f"{counts or 'no case'} in {report.wall_seconds:.1f} s: {run.verdict}."
    yield from ("", f"Run `{report.run_id}`, seed `{report.seed}`; {_settings(report)}.")
    if run.hints:
        yield from ("", *(f"- {_plain(hint)}" for hint in run.hints))
    for heading, results in run.told:
        yield from ("", f"### {heading}")
        for result in results:
            yield from _result(result)
    for heading, groups in run.reasoned:
        yield from ("", f"### {heading}", "")
        yield from (f"- {_plain(group.reason)}: {_ids(group)}" for group in groups)
    if run.passed:
        yield from ("", "### Passed", "")
        yield from (f"- `{group.reason}`: {_ids(group)}" for group in run.passed)


def _result(result: Result) -> Iterator[str]:
    yield from ("", f"#### {' '.join(result.ids)} `{result.case.rpartition('::')[2]}`", "")
    if result.known:
        yield from (f"Known: {_plain(result.known)}", "")
    if result.details is not None:
        yield from _details(result.details)


def _details(details: Explanation) -> Iterator[str]:
    for sentence in details.sentences:
        yield f"> {sentence.id} ({sentence.level}): {_plain(sentence.text)}"
    yield ""
    for finding in details.findings:
        if finding.want:
            yield from (f"- want: {_plain(finding.want)}", f"- got: {_plain(finding.got)}")
        else:
            yield f"- {_plain(finding.got)}"
    if details.evidence.title:
        yield from ("", "<details><summary>" + _plain(details.evidence.title) + "</summary>", "")
        yield from ("```text", *lines(details.evidence.timeline), "```", "", "</details>")
    yield from ("", f"Repeat: `{details.repeat}`")


def _ids(group: Group) -> str:
    return ", ".join(dict.fromkeys(name for result in group.results for name in result.ids))


def _settings(report: Report) -> str:
    named = {letter: LETTERS[letter] for letter in ("P", "G", "S")}
    found = [f"{letter} {report.timing[name]:g} s" for letter, name in named.items() if name in report.timing]
    return ", ".join(found) or "no settings"


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in ("\\", "`", "*", "_", "[", "]", "|", "#"):
        escaped = escaped.replace(mark, f"\\{mark}")
    return " ".join(escaped.split())
