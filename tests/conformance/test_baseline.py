"""Known failures: accepted while they last, and never longer."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

import fixtures.reference  # noqa: F401
from conformance import catalogue
from conformance.drive.scenarios.master.silence import silence
from conformance.given.baseline import Baseline, BaselineError, Known, parse, read
from conformance.report.results import Outcome, Report, Result
from conformance.scenario import Case
from conformance.verdict import Finding, Judgement, Verdict
from tests.conformance.test_plugin import CASES, OPTIONS

TODAY = date(2026, 7, 1)
CASE = Case(("M-NR-01",), silence)
FAILED = Judgement(Verdict.FAIL, (Finding("the sun", "rain"),))


def entry(what: str = "M-NR-01", **more: object) -> dict[str, object]:
    return {"requirement": what, "reason": "we know", **more}


def baseline(*entries: dict[str, object]) -> Baseline:
    return Baseline(parse(list(entries), "known.toml"), TODAY)


def result(judgement: Judgement, known: str = "", case: str = "x.py::test_a") -> Result:
    return Result(case, ("M-NR-01",), "MUST", "silence", judgement, known=known)


def troubles(book: Baseline, *results: Result, cases: int = 1) -> list[str]:
    names = [f"x.py::test_{letter}" for letter in "abc"[:cases]]
    return book.troubles(results, [(name, CASE) for name in names], catalogue.load())


# Reading


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"requirement": "M-NR-01"}, "M-NR-01: no reason given"),
        ({"requirement": "M-NR-01", "reason": "  "}, "M-NR-01: no reason given"),
        ({"reason": "why"}, "entry 1: it names either a requirement or a case"),
        (entry(case="x.py::test_a"), "M-NR-01: it names either a requirement or a case"),
        (entry(expires="next week"), "M-NR-01: expires is no date such as 2027-01-31"),
        (entry(expires=5), "M-NR-01: expires is no date such as 2027-01-31"),
        (entry(verdict="pass"), "M-NR-01: verdict is none of fail, not exercised"),
        (entry(cause="x"), "M-NR-01: unknown field 'cause'"),
    ],
)
def test_a_wrong_entry_is_one_clear_line(wrong: dict[str, object], text: str):
    with pytest.raises(BaselineError) as error:
        baseline(wrong)
    assert str(error.value) == f"known.toml: {text}"


def test_an_entry_that_is_listed_twice_is_wrong():
    with pytest.raises(BaselineError, match="M-NR-01: listed twice"):
        baseline(entry(), entry())


def test_dates_are_read_as_toml_and_as_text(tmp_path: Path):
    path = tmp_path / "known.toml"
    path.write_text(
        '[[known]]\nrequirement = "M-NR-01"\nreason = "a"\nexpires = 2026-07-01\n'
        '[[known]]\ncase = "m/x.py::test_b"\nreason = "b"\nexpires = "2026-08-01"\nverdict = "not exercised"\n'
    )
    assert read(path) == (
        Known("M-NR-01", "a", str(path), TODAY),
        Known("m/x.py::test_b", "b", str(path), date(2026, 8, 1), Verdict.NOT_EXERCISED),
    )


@pytest.mark.parametrize("text", ["[[known]", "known = 1", "[other]\na = 1"])
def test_what_is_no_baseline_is_refused(tmp_path: Path, text: str):
    (tmp_path / "known.toml").write_text(text)
    with pytest.raises(BaselineError, match=r"known\.toml"):
        read(tmp_path / "known.toml")


# What is accepted


@pytest.mark.parametrize(
    ("listed", "verdict", "accepted"),
    [
        (entry(), Verdict.FAIL, True),
        (entry(), Verdict.WARNING, True),
        (entry(), Verdict.NOT_EXERCISED, False),
        (entry(), Verdict.SUITE_ERROR, False),
        (entry("M-NR-02"), Verdict.FAIL, False),
        (entry(verdict="not exercised"), Verdict.NOT_EXERCISED, True),
        (entry(verdict="not exercised"), Verdict.FAIL, False),
        (entry(expires=TODAY), Verdict.FAIL, True),
        (entry(expires=date(2026, 6, 30)), Verdict.FAIL, False),
        ({"case": "master/x.py::test_a", "reason": "r"}, Verdict.FAIL, True),
        ({"case": "master/x.py::test_b", "reason": "r"}, Verdict.FAIL, False),
    ],
)
def test_exactly_what_is_listed_is_accepted(listed: dict[str, object], verdict: Verdict, accepted: bool):
    found = baseline(listed).known("lib/master/x.py::test_a", CASE, Judgement(verdict))
    assert (found is not None) is accepted


def test_a_known_failure_counts_as_such_and_does_not_fail_the_run():
    report = Report("t", "v1.20", "run", 0, {}, (result(FAILED, known="we know"), result(Judgement(Verdict.PASS))))
    assert report.counts() == {Verdict.PASS: 1, Verdict.KNOWN: 1}
    assert (report.exit_code(), report.exit_code(strict=True)) == (0, 0)
    assert report.failed() == frozenset()


def test_a_run_in_which_everything_is_known_not_to_arise_is_not_green():
    nothing = Judgement(Verdict.NOT_EXERCISED, (Finding("", "never"),))
    assert Report("t", "v1.20", "run", 0, {}, (result(nothing, known="we know"),)).exit_code() == 6


# What is wrong with the baseline itself

LINE = "known.toml: M-NR-01: "


def test_a_failure_that_is_gone_makes_its_entry_stale():
    found = troubles(baseline(entry()), result(Judgement(Verdict.PASS)))
    assert found == [LINE + "stale: it passes now; take the entry out (we know)"]


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.NOT_EXERCISED, Verdict.SUITE_ERROR, Verdict.UNSUPPORTED])
def test_an_entry_is_not_stale_while_it_is_so_or_may_be(verdict: Verdict):
    assert troubles(baseline(entry()), result(Judgement(verdict))) == []


def test_an_entry_is_not_stale_when_not_all_its_cases_were_asked():
    assert troubles(baseline(entry()), result(Judgement(Verdict.PASS)), cases=2) == []


def test_one_case_that_still_fails_keeps_the_entry_of_its_requirement():
    passes = result(Judgement(Verdict.PASS), case="x.py::test_b")
    assert troubles(baseline(entry()), result(FAILED, known="we know"), passes, cases=2) == []


def test_an_expired_entry_says_so():
    found = troubles(baseline(entry(expires=date(2026, 6, 30))), result(FAILED))
    assert found == [LINE + "expired on 2026-06-30 (we know)"]


def test_an_unknown_id_says_so():
    found = troubles(baseline(entry("M-NO-99"), {"case": "x.py::test_z", "reason": "r"}), result(FAILED))
    assert [line.partition(": ")[2] for line in found] == [
        "M-NO-99: no such requirement or case",
        "x.py::test_z: no such requirement or case",
    ]


def test_trouble_with_the_baseline_has_an_exit_code_of_its_own():
    green = Report("t", "v1.20", "run", 0, {}, (result(Judgement(Verdict.PASS)),))
    red = Report("t", "v1.20", "run", 0, {}, (result(FAILED),))
    assert [Outcome((green,), troubles).exit_code() for troubles in ((), ("x",))] == [0, 8]
    assert Outcome((green, red), ("x",)).exit_code() == 1


# In a session


@pytest.fixture
def session(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(test_cases=CASES)
    return pytester


def ran(session: pytest.Pytester, text: str, *more: str) -> pytest.RunResult:
    (session.path / "known.toml").write_text(text)
    return session.runpytest_inprocess(*OPTIONS, "--baseline", "known.toml", *more)


def known(what: str, more: str = "") -> str:
    key = "case" if "::" in what else "requirement"
    return f'[[known]]\n{key} = "{what}"\nreason = "we know"\n{more}\n'


def test_a_listed_failure_is_shown_as_known_and_passes_the_gate(session: pytest.Pytester):
    result = ran(session, known("M-NR-01"), "-v", "-k", "test_pass or test_fail", "--junitxml", "junit.xml")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*::test_fail KNOWN*", "M-NR-01  *test_fail: we know", "    want the sun; got rain"])
    result.stdout.fnmatch_lines(["1 pass, 1 known in*"])
    assert "<skipped" in (session.path / "junit.xml").read_text()


def test_a_failure_that_is_not_listed_fails_as_ever(session: pytest.Pytester):
    assert ran(session, known("M-NR-05"), "-k", "test_pass or test_fail").ret == 1


def test_a_stale_entry_fails_the_run(session: pytest.Pytester):
    result = ran(session, known("test_cases.py::test_pass"), "-k", "test_pass")
    assert result.ret == 8
    result.stdout.fnmatch_lines(["known.toml: test_cases.py::test_pass: stale: *", "all in all: *(exit code 8)"])


def test_an_unknown_id_fails_the_run(session: pytest.Pytester):
    result = ran(session, known("M-NO-99"), "-k", "test_pass")
    assert result.ret == 8
    result.stdout.fnmatch_lines(["known.toml: M-NO-99: no such requirement or case"])


def test_an_expired_entry_fails_the_run(session: pytest.Pytester):
    result = ran(session, known("M-NR-01", "expires = 2018-07-02"), "-k", "test_pass or test_fail")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["known.toml: M-NR-01: expired on 2018-07-02 (we know)"])


def test_a_missed_should_is_known_even_when_shoulds_are_strict(session: pytest.Pytester):
    assert ran(session, known("M-NR-05"), "-k", "test_pass or test_warning", "--strict-should").ret == 0


def test_a_baseline_without_reasons_is_refused_before_anything_runs(session: pytest.Pytester):
    result = ran(session, '[[known]]\nrequirement = "M-NR-01"\nreason = ""\n')
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: known.toml: M-NR-01: no reason given"])


def test_a_baseline_can_be_written_and_is_accepted_once_its_reasons_are_there(session: pytest.Pytester):
    chosen = ("-k", "test_pass or test_fail or test_not_exercised")
    first = ran(session, known("M-NR-01"), *chosen, "--baseline-out", "new.toml")
    assert first.ret == 6
    text = (session.path / "new.toml").read_text()
    assert 'case = "test_cases.py::test_fail"\nreason = "we know"\n' in text
    assert 'case = "test_cases.py::test_not_exercised"\nreason = ""\nverdict = "not exercised"\n' in text
    assert ran(session, text, *chosen).ret == pytest.ExitCode.USAGE_ERROR
    assert ran(session, text.replace('reason = ""', 'reason = "so be it"'), *chosen).ret == 0


def test_the_report_has_the_reason(session: pytest.Pytester):
    ran(session, known("M-NR-01") + known("M-NO-99"), "--report-json", "report.json")
    document = json.loads((session.path / "report.json").read_text())
    assert document["exitCode"] == 7
    assert document["baselineTroubles"] == ["known.toml: M-NO-99: no such requirement or case"]
    (case,) = [case for case in document["runs"][0]["cases"] if case["known"]]
    assert (case["verdict"], case["known"], case["findings"][0]["got"]) == ("known", "we know", "rain")
