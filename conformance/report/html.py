"""A session as one HTML page that needs nothing else: failures first, each with its timeline."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import jinja2

from conformance.report.results import Outcome
from conformance.report.sections import arranged
from conformance.report.summary import verdict_line


def write(outcome: Outcome, path: Path, *, strict: bool = False) -> None:
    """Writes the results of one session."""
    path.write_text(page(outcome, strict=strict), "utf-8")


def page(outcome: Outcome, *, strict: bool = False) -> str:
    """The whole page."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((files("conformance.report") / "page.html").read_text("utf-8"))
    code = outcome.exit_code(strict=strict)
    return template.render(
        code=code,
        verdict=verdict_line(code),
        troubles=outcome.troubles,
        runs=arranged(outcome, strict=strict),
    )
