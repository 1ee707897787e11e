"""From a case and what was seen to a judgement."""

from __future__ import annotations

from typing import Any

from conformance.catalogue import Catalogue
from conformance.record.history import AGENT
from conformance.scenario import Case, Judge
from conformance.verdict import (
    Finding,
    Judgement,
    NotExercised,
    Skipped,
    SuiteError,
    Unsupported,
    Verdict,
    Violation,
    place,
)


def judge(function: Judge, case: Case, seen: Any, book: Catalogue) -> Judgement:
    """Asks a case. Whatever it raises or yields becomes a judgement; nothing escapes.

    A violation stands, also when another part of the case could not be exercised.
    """
    violations: list[Violation] = []
    try:
        # What a case yielded before it raised stays in the list.
        violations.extend(function(seen) or ())
    except Violation as violation:
        violations.append(violation)
    except NotExercised as error:
        if not violations:
            return without_verdict(error)
    except (Unsupported, SuiteError) as error:
        return without_verdict(error)
    except Exception as error:  # noqa: BLE001 - a broken case must not look like a broken target
        return without_verdict(SuiteError(f"the case itself broke: {place(error)}"))
    if not violations:
        return Judgement(Verdict.PASS)
    blind = _blind(seen)
    if blind:
        first = violations[0]
        text = f"{blind}; perhaps only therefore: want {first.want}; got {first.got}"
        return Judgement(Verdict.SUITE_ERROR, (Finding("", text, first.at, first.about),))
    levels = {violation.level or book[case.ids[0]].level for violation in violations}
    verdict = Verdict.FAIL if "MUST" in levels else Verdict.WARNING
    return Judgement(verdict, tuple(Finding(v.want, v.got, v.at, v.about) for v in violations))


def _blind(seen: Any) -> str:
    """Why what looks like a violation may be the suite's own blindness; empty when it saw everything in time."""
    began = seen.history.began
    # A master's cases allow watches to run apart by that much; an agent's read one log only.
    late = getattr(seen.timing, "watch_lag", seen.timing.slack / 2)
    gaps = [gap for gap in seen.history.gaps if gap.lossy or gap.seconds > late]
    gaps = [gap for gap in gaps if gap.until >= (_settled(seen, began) if gap.kind == AGENT else began)]
    return max(gaps, key=lambda gap: gap.seconds).text if gaps else ""


def _settled(seen: Any, began: float) -> float:
    """When an agent has started: all agents of a run do so together, and are short of processor time then."""
    return began + float(seen.timing.registered().latest)


def without_verdict(error: NotExercised | Unsupported | Skipped | SuiteError) -> Judgement:
    """The judgement when nothing could be judged."""
    verdicts = {
        NotExercised: Verdict.NOT_EXERCISED,
        Unsupported: Verdict.UNSUPPORTED,
        Skipped: Verdict.SKIPPED,
        SuiteError: Verdict.SUITE_ERROR,
    }
    about = error.about if isinstance(error, NotExercised) else ()
    return Judgement(verdicts[type(error)], (Finding("", str(error), None, about),))


def out_of_era(case: Case, minor: int, book: Catalogue) -> str:
    """Why a case does not bind Kubernetes 1.`minor`; empty when it does."""
    if any(book[requirement].holds_for(minor) for requirement in case.ids):
        return ""
    first = book[case.ids[0]]
    span = f"from {first.since} on" if first.until is None else f"from {first.since} to {first.until}"
    return f"{first.id} holds {span}; the target is 1.{minor}"
