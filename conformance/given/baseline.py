"""Known failures: what a target is known to break, so that a gate in CI only closes for what is new.

A baseline is a TOML file (or part of a target file) with an entry for each of them:

    [[known]]
    requirement = "M-NR-06"        # or: case = "conformance/master/test_transition.py::test_…"
    reason = "rewritten every pass, issue 4711"
    expires = 2027-01-31           # optional, the last day it is accepted
    verdict = "not exercised"      # optional; without it the entry stands for a failure
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import attrs

from conformance.catalogue import Catalogue
from conformance.clock import utc_now
from conformance.given import documents
from conformance.report.results import Result
from conformance.scenario import Case
from conformance.verdict import Judgement, Verdict

_FIELDS = {"requirement", "case", "reason", "expires", "verdict"}
_ACCEPTED = {"fail": Verdict.FAIL, "not exercised": Verdict.NOT_EXERCISED}
_OPEN = {
    Verdict.FAIL: (Verdict.NOT_EXERCISED, Verdict.SUITE_ERROR, Verdict.SKIPPED),
    Verdict.NOT_EXERCISED: (Verdict.SUITE_ERROR, Verdict.SKIPPED),
}
"""Verdicts that leave open whether what an entry stands for is still so."""


class BaselineError(Exception):
    """A baseline cannot be used; the text lists every defect, a line each."""


@attrs.frozen
class Known:
    """One accepted failure.

    Attributes:
        what: id of a requirement, or a case as `conformance/master/test_recovery.py::test_…`.
        reason: why it is accepted; never empty.
        where: the file it stands in, for people.
        expires: the last day it is accepted; None for no end.
        verdict: what is accepted: `FAIL` (and with it a SHOULD that is missed) or `NOT_EXERCISED`.
    """

    what: str
    reason: str
    where: str
    expires: date | None = None
    verdict: Verdict = Verdict.FAIL

    def names(self, nodeid: str, case: Case) -> bool:
        """Whether it is about a case. Where the suite is installed as a package, node ids begin differently."""
        return self.what in case.ids or nodeid == self.what or nodeid.endswith(f"/{self.what}")

    def accepts(self, verdict: Verdict) -> bool:
        """Whether a verdict is what it stands for."""
        return verdict is self.verdict or (verdict is Verdict.WARNING and self.verdict is Verdict.FAIL)


@attrs.frozen
class Baseline:
    """All accepted failures.

    Attributes:
        entries: in the order of their files.
        today: the day they are held against.
    """

    entries: tuple[Known, ...] = ()
    today: date = attrs.field(factory=lambda: utc_now().date())

    def known(self, nodeid: str, case: Case, judgement: Judgement) -> Known | None:
        """The entry that accepts a judgement, and has not expired."""
        for entry in self.entries:
            if entry.names(nodeid, case) and entry.accepts(judgement.verdict) and not self._expired(entry):
                return entry
        return None

    def troubles(self, results: Sequence[Result], cases: Iterable[tuple[str, Case]], book: Catalogue) -> list[str]:
        """What is wrong with the baseline itself, a line each: unknown ids, expired and stale entries.

        Args:
            results: of the run.
            cases: all there are, by node id, whether they were chosen or not.
            book: the catalogue.
        """
        whole = list(cases)
        told = {result.case: result for result in results}
        lines = []
        for entry in self.entries:
            own = [nodeid for nodeid, case in whole if entry.names(nodeid, case)]
            if not own and entry.what not in book:
                trouble = "no such requirement or case"
            elif self._expired(entry):
                trouble = f"expired on {entry.expires} ({entry.reason})"
            elif _stale(entry, [told.get(nodeid) for nodeid in own]):
                trouble = f"stale: {_held(entry)}; take the entry out ({entry.reason})"
            else:
                continue
            lines.append(f"{entry.where}: {entry.what}: {trouble}")
        return lines

    def _expired(self, entry: Known) -> bool:
        return entry.expires is not None and entry.expires < self.today


def _stale(entry: Known, results: Sequence[Result | None]) -> bool:
    """Whether what an entry stands for is certainly no longer so: all its cases were asked, and none says so."""
    found = [result.judgement.verdict for result in results if result is not None]
    if len(found) < len(results) or any(entry.accepts(verdict) or verdict in _OPEN[entry.verdict] for verdict in found):
        return False
    return any(verdict is not Verdict.UNSUPPORTED for verdict in found)


def _held(entry: Known) -> str:
    return "it passes now" if entry.verdict is Verdict.FAIL else "it is exercised now"


def read(path: Path) -> tuple[Known, ...]:
    """Reads a baseline.

    Raises:
        BaselineError: the file is unreadable, or an entry is wrong or without a reason.
    """
    document = documents.read(path, "baseline", BaselineError)
    strange = sorted(set(document) - {"known"})
    if strange:
        raise BaselineError(f"baseline {path}: unknown section {strange[0]!r}; entries are [[known]]")
    return parse(document.get("known", []), str(path))


def parse(entries: object, where: str) -> tuple[Known, ...]:
    """Entries from TOML values.

    Args:
        entries: the value of `known`.
        where: the file it stands in.

    Raises:
        BaselineError: an entry is wrong or without a reason.
    """
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BaselineError(f"{where}: entries are written as [[known]]")
    defects: list[str] = []
    found: dict[str, Known] = {}
    for number, entry in enumerate(entries, 1):
        what = str(entry.get("requirement") or entry.get("case") or "")
        wrong = _defects(entry)
        if what in found and not wrong:
            wrong = ["listed twice"]
        defects += [f"{where}: {what or f'entry {number}'}: {defect}" for defect in wrong]
        if not wrong:
            found[what] = _known(entry, what, where)
    if defects:
        raise BaselineError("\n".join(defects))
    return tuple(found.values())


def _known(entry: Mapping[str, Any], what: str, where: str) -> Known:
    return Known(what, entry["reason"].strip(), where, _day(entry), _ACCEPTED[entry.get("verdict", "fail")])


def _day(entry: Mapping[str, Any]) -> date | None:
    value = entry.get("expires")
    return date.fromisoformat(value) if isinstance(value, str) else value


def _defects(entry: Mapping[str, Any]) -> list[str]:
    defects = [f"unknown field {name!r}" for name in entry if name not in _FIELDS]
    checks: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("it names either a requirement or a case", lambda: bool(entry.get("requirement")) != bool(entry.get("case"))),
        ("no reason given", lambda: isinstance(entry.get("reason"), str) and bool(entry["reason"].strip())),
        ("expires is no date such as 2027-01-31", lambda: type(_day(entry)) in (date, type(None))),
        ("verdict is none of fail, not exercised", lambda: entry.get("verdict", "fail") in _ACCEPTED),
    )
    return defects + [text for text, holds in checks if not _safely(holds)]


def _safely(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    except (ValueError, TypeError):
        return False
