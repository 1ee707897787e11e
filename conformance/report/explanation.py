"""Everything that is needed to understand a case that is not green, and to repeat it: values, and their text."""

from __future__ import annotations

import textwrap

import attrs

from conformance.report.timeline import Row, lines
from conformance.verdict import Finding, Verdict

_WIDTH = 116


@attrs.frozen
class Sentence:
    """A requirement as it is quoted."""

    id: str
    level: str
    text: str
    source: tuple[str, ...]


@attrs.frozen
class Evidence:
    """What was seen.

    Attributes:
        title: of whom the timeline is, and when it begins to count; empty when there is none.
        timeline: what happened around the moment that matters.
        requests: the last requests of each kind, as curl commands.
    """

    title: str = ""
    timeline: tuple[Row, ...] = ()
    requests: tuple[str, ...] = ()


@attrs.frozen
class Explanation:
    """The whole explanation of a judgement.

    Attributes:
        sentences: the requirements judged.
        verdict: what the case came to.
        findings: what was wanted and seen, or why there is no verdict.
        evidence: what was seen.
        log: the last lines that a node agent wrote.
        repeat: the command line that repeats only this case.
    """

    sentences: tuple[Sentence, ...]
    verdict: Verdict
    findings: tuple[Finding, ...]
    evidence: Evidence = attrs.field(factory=Evidence)
    log: tuple[str, ...] = ()
    repeat: str = ""

    @property
    def text(self) -> str:
        """All of it, for a terminal."""
        found: list[str] = []
        for each in self.sentences:
            found += textwrap.wrap(f"{each.id} ({each.level}) {each.text}", _WIDTH, subsequent_indent="    ")
            found.append(f"    source: {'; '.join(each.source)}")
        for finding in self.findings:
            found += ["", *_finding(self.verdict, finding)]
        if self.evidence.title:
            found += ["", f"{self.evidence.title}:", *lines(self.evidence.timeline)]
        if self.evidence.requests:
            found += ["", "last requests of each kind:", *self.evidence.requests]
        if self.log:
            found += ["", "the agent wrote last:", *(f"    {line}" for line in self.log)]
        return "\n".join([*found, "", f"repeat:  {self.repeat}"])


def _finding(verdict: Verdict, finding: Finding) -> list[str]:
    if not finding.want:
        return textwrap.wrap(f"{verdict.value}: {finding.got}", _WIDTH, subsequent_indent="    ")
    pairs = (("want", finding.want), ("got", finding.got))
    return [
        line
        for word, text in pairs
        for line in textwrap.wrap(text, _WIDTH, initial_indent=f"  {word:<5}", subsequent_indent=" " * 7)
    ]
