"""A run as JSON: the source of truth for every other report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

from conformance.claims import Claim
from conformance.report.results import Outcome, Report, Result

FORMAT = "node-contract/report/v1"


def write(outcome: Outcome, path: Path, *, strict: bool = False) -> None:
    """Writes the results of one session."""
    path.write_text(json.dumps(whole(outcome, strict=strict), indent=2, ensure_ascii=False) + "\n", "utf-8")


def whole(outcome: Outcome, *, strict: bool = False) -> dict[str, Any]:
    """A session as JSON values."""
    return {
        "format": FORMAT,
        "exitCode": outcome.exit_code(strict=strict),
        "baselineTroubles": list(outcome.troubles),
        "runs": [document(report, strict=strict) for report in outcome.reports],
    }


def document(report: Report, *, strict: bool = False) -> dict[str, Any]:
    """The report as JSON values."""
    return {
        "target": {"name": report.target, "version": report.version},
        "run": {
            "id": report.run_id,
            "seed": report.seed,
            "wallSeconds": round(report.wall_seconds, 3),
            "longestScenarioSeconds": report.longest_wait,
            "waits": attrs.asdict(report.waits),
            "exitCode": report.exit_code(strict=strict),
            "fault": report.fault,
            "leftBehind": list(report.left_behind),
        },
        "claims": [_claim(claim) for claim in report.claims],
        "contradictions": list(report.contradictions),
        "timing": dict(report.timing),
        "counts": {verdict.value: number for verdict, number in report.counts().items()},
        "cases": [_case(result) for result in report.results],
    }


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "feature": claim.feature.name,
        "declared": claim.declared,
        "observed": claim.sign.presence.value,
        "why": claim.sign.why,
        "needed": claim.needed,
    }


def _case(result: Result) -> dict[str, Any]:
    return {
        "case": result.case,
        "requirements": list(result.ids),
        "level": result.level,
        "scenario": result.scenario,
        "verdict": result.verdict.value,
        "known": result.known,
        "findings": [
            {"want": f.want, "got": f.got, "at": f.at, "about": list(f.about)} for f in result.judgement.findings
        ],
        "explanation": result.explanation,
        "repeat": result.details.repeat if result.details else "",
        "timeline": [[row.seconds, row.text] for row in result.details.evidence.timeline] if result.details else [],
    }
