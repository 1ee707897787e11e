"""A baseline to begin with: what failed in a run, with reasons left to fill in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from conformance.given.baseline import Known
from conformance.report.explain import headline
from conformance.report.results import Report, Result
from conformance.verdict import Verdict

_HEAD = """\
# Known failures. Every entry needs a reason before the suite accepts it; `expires = 2027-01-31` may be added.
"""


def write(reports: Iterable[Report], known: Iterable[Known], path: Path, *, strict: bool = False) -> int:
    """Writes a baseline of everything that is not green; entries that still hold keep their reasons.

    Args:
        reports: of the session.
        known: the entries of the baseline that the session was held against.
        path: where to.
        strict: whether a SHOULD that was missed is not green.

    Returns:
        How many entries wait for a reason.
    """
    old = tuple(known)
    rows = [row for report in reports for result in report.results for row in _row(result, old, strict=strict)]
    path.write_text("\n".join([_HEAD, *(text for text, _ in rows)]), "utf-8")
    return sum(empty for _, empty in rows)


def _row(result: Result, old: tuple[Known, ...], *, strict: bool) -> Iterator[tuple[str, bool]]:
    """The entry for a result that needs one, and whether its reason is empty."""
    verdict = result.judgement.verdict
    wanted = {Verdict.FAIL, Verdict.NOT_EXERCISED, *([Verdict.WARNING] if strict else [])}
    if verdict not in wanted and not result.known:
        return
    entry = next((each for each in old if each.what == result.case or each.what in result.ids), None)
    lines = [f"# {' '.join(result.ids)}: {' '.join(headline(result.judgement).split())}", "[[known]]"]
    lines += [f"case = {_quoted(result.case)}", f"reason = {_quoted(result.known)}"]
    if result.known and entry is not None and entry.expires is not None:
        lines.append(f"expires = {entry.expires}")
    if verdict is Verdict.NOT_EXERCISED:
        lines.append('verdict = "not exercised"')
    yield "\n".join([*lines, ""]), not result.known


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
