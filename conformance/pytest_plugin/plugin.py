"""The suite's pytest plugin: it collects cases, runs scenarios once for all of them, and reports verdicts.

It does nothing in a session without cases.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from conformance import catalogue
from conformance.catalogue import Catalogue
from conformance.collect import Entry, check, collect
from conformance.features import FEATURES
from conformance.given.terms import Terms
from conformance.pytest_plugin import hooks, options
from conformance.pytest_plugin.interrupt import sigterm_as_ctrl_c
from conformance.pytest_plugin.items import CaseItem
from conformance.pytest_plugin.runs import Runs
from conformance.report import baseline_file, html, json_file, markdown
from conformance.report.results import Outcome, Result
from conformance.report.terminal import show
from conformance.runner.engine import AnyTarget
from conformance.runner.replay import ReplayTarget
from conformance.scenario import MASTER, NODE, case_of
from conformance.target import TargetError
from conformance.verdict import Verdict

_RUNS = pytest.StashKey[Runs]()
_TARGETS = pytest.StashKey[Mapping[str, AnyTarget]]()
_BOOK = pytest.StashKey[Catalogue]()
_EVERY = pytest.StashKey[list[Entry]]()
_TERMS = pytest.StashKey[Terms]()
_OUTCOME = pytest.StashKey[Outcome]()

_INTERRUPTED = pytest.ExitCode.INTERRUPTED

_WORDS: Mapping[Verdict, tuple[str, str, tuple[str, Mapping[str, bool]]]] = {
    Verdict.PASS: ("passed", ".", ("PASS", {"green": True})),
    Verdict.FAIL: ("failed", "F", ("FAIL", {"red": True})),
    Verdict.WARNING: ("should missed", "w", ("WARNING", {"yellow": True})),
    Verdict.KNOWN: ("known", "k", ("KNOWN", {"yellow": True})),
    Verdict.UNSUPPORTED: ("unsupported", "u", ("UNSUPPORTED", {"cyan": True})),
    Verdict.SKIPPED: ("skipped", "s", ("SKIPPED", {"yellow": True})),
    Verdict.NOT_EXERCISED: ("not exercised", "n", ("NOT EXERCISED", {"purple": True})),
    Verdict.SUITE_ERROR: ("error", "E", ("SUITE ERROR", {"red": True})),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declares the suite's options."""
    options.add(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declares the hook that finds the target."""
    pluginmanager.add_hookspecs(hooks)


def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> CaseItem | None:
    """Turns every case function into an item of its own kind."""
    case = case_of(obj)
    if case is None or not name.startswith("test_"):
        return None
    item: CaseItem = CaseItem.from_parent(collector, name=name, function=obj, case=case)
    return item


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Holds the cases against the catalogue, and keeps those that `--requirement` names."""
    cases = [item for item in items if isinstance(item, CaseItem)]
    if not cases:
        return
    try:
        book = config.stash[_BOOK] = catalogue.load()
        shipped = collect()
        here = {entry.function for entry in shipped}
        check(book, [*shipped, *(item.entry for item in cases if item.entry.function not in here)])
        own = {item.entry.function for item in cases}
        config.stash[_EVERY] = [
            *(item.entry for item in cases),
            *(entry for entry in shipped if entry.function not in own),
        ]
    except catalogue.CatalogueError as error:
        raise pytest.UsageError(*str(error).splitlines()) from error
    terms = config.stash[_TERMS] = options.terms(config)
    nothing = sorted(terms.limits.without - FEATURES.keys() - {each.profile for each in book.requirements.values()})
    if nothing:
        raise pytest.UsageError(f"--without {nothing[0]}: no such feature or profile; features: {', '.join(FEATURES)}")
    targets = config.stash[_TARGETS] = _targets(config)
    wanted = set(config.getoption("--requirement"))
    unknown = sorted(wanted - set(book.requirements))
    if unknown:
        raise pytest.UsageError(f"--requirement {unknown[0]}: no such requirement")
    dropped = [
        item
        for item in cases
        if (wanted and not wanted.intersection(item.entry.case.ids)) or item.entry.case.scenario.side not in targets
    ]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


def _targets(config: pytest.Config) -> dict[str, AnyTarget]:
    replay: Path | None = config.getoption("--replay")
    if replay:
        return {MASTER: ReplayTarget(replay)}
    try:
        found = {
            MASTER: config.hook.pytest_conformance_target(config=config),
            NODE: config.hook.pytest_conformance_agent(config=config),
        }
    except TargetError as error:
        raise pytest.UsageError(str(error)) from error
    return {side: target for side, target in found.items() if target is not None}


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Starts all scenarios before the first case, and cleans up after the last one or after Ctrl-C."""
    config = session.config
    cases = [item for item in session.items if isinstance(item, CaseItem)]
    if not cases or config.option.collectonly or session.testsfailed:
        return (yield)
    if config.getoption("--plan"):
        session.items[:] = []
    runs = config.stash[_RUNS] = Runs(
        config.stash[_TARGETS],
        [item.entry for item in cases],
        config.stash[_BOOK],
        config.stash[_TERMS],
        every=config.stash[_EVERY],
        announce=partial(_announce, config),
        history_out=config.getoption("--history-out"),
    )
    with sigterm_as_ctrl_c():
        try:
            if config.getoption("--plan"):
                _write(config, "\n".join(runs.plan()))
                return (yield)
            runs.start()
            for item in cases:
                item.runs = runs
            return (yield)
        except TargetError as error:
            raise pytest.UsageError(str(error)) from error
        except KeyboardInterrupt:
            _write(config, "interrupted; removing what the run created (another Ctrl-C leaves it there)")
            raise
        finally:
            runs.finish()


def _announce(config: pytest.Config, line: str) -> None:
    if config.get_verbosity() >= 0:
        _write(config, line)


def _write(config: pytest.Config, line: str) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.ensure_newline()
        reporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Gives a case's report its verdict, and text instead of a traceback."""
    report = yield
    if isinstance(item, CaseItem) and item.result is not None:
        _dress(item, item.result, report)
    return report


def _dress(item: CaseItem, result: Result, report: pytest.TestReport) -> None:
    if report.when == "call" or (report.when == "setup" and result.verdict is Verdict.SUITE_ERROR):
        report.verdict = result.verdict  # type: ignore[attr-defined]
        report.user_properties.append(("requirements", " ".join(result.ids)))
        report.user_properties.append(("verdict", result.verdict.value))
        if result.verdict in (Verdict.FAIL, Verdict.SUITE_ERROR) or _strict_warning(item, result):
            report.outcome = "failed"
            report.longrepr = result.explanation
        elif result.verdict not in (Verdict.PASS, Verdict.WARNING):
            report.outcome = "skipped"
            why = result.known or result.judgement.findings[0].got
            report.longrepr = (str(item.path), 0, f"{result.verdict.value}: {why}")


def _strict_warning(item: CaseItem, result: Result) -> bool:
    return result.verdict is Verdict.WARNING and bool(item.config.getoption("--strict-should"))


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, Any] | None:
    """A letter and a word of its own for every verdict."""
    verdict: Verdict | None = getattr(report, "verdict", None)
    return None if verdict is None else _WORDS[verdict]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turns verdicts into the exit code and writes the reports."""
    config = session.config
    if config.getoption("--plan") and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK
    outcome = config.stash[_RUNS].outcome() if _RUNS in config.stash else Outcome(())
    if not outcome.reports:
        return
    config.stash[_OUTCOME] = outcome
    strict = bool(config.getoption("--strict-should"))
    ours = sum(result.verdict.fails for report in outcome.reports for result in report.results)
    if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and session.testsfailed <= ours:
        session.exitstatus = outcome.exit_code(strict=strict)
    _write_reports(config, outcome, strict=strict)


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """The runs in a few lines; explanations of what is neither green nor failed."""
    if _OUTCOME in config.stash:
        strict = bool(config.getoption("--strict-should"))
        show(terminalreporter, config.stash[_OUTCOME], strict=strict, interrupted=exitstatus == _INTERRUPTED)


def _write_reports(config: pytest.Config, outcome: Outcome, *, strict: bool) -> None:
    for form, write in (("json", json_file.write), ("md", markdown.write), ("html", html.write)):
        path: Path | None = config.getoption(f"--report-{form}")
        if path:
            write(outcome, path, strict=strict)
    path = config.getoption("--baseline-out")
    if path:
        empty = baseline_file.write(outcome.reports, config.stash[_TERMS].baseline.entries, path, strict=strict)
        _announce(config, f"baseline written to {path}; {empty} of its entries wait for a reason")
