"""Reports for people: failures first, each with its timeline, and nothing that a browser would have to fetch."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import fixtures.reference  # noqa: F401
from conformance.report import html, markdown
from conformance.report.results import Outcome, Report, Result
from conformance.report.summary import summary
from conformance.scenario import Waits
from conformance.verdict import Finding, Judgement, Verdict
from tests.conformance.test_plugin import CASES, OPTIONS


@pytest.fixture
def session(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(test_cases=CASES)
    return pytester


def reported(session: pytest.Pytester, form: str, *more: str) -> str:
    session.runpytest_inprocess(*OPTIONS, f"--report-{form}", "report", *more)
    return (session.path / "report").read_text("utf-8")


class Page(HTMLParser):
    """Checks that what is opened is closed, and collects what is fetched and shown."""

    VOID = ("meta", "br", "link", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def order(text: str, *words: str) -> bool:
    places = [text.index(word) for word in words]
    return places == sorted(places)


def test_the_page_needs_nothing_else_and_is_well_formed(session: pytest.Pytester):
    text = reported(session, "html")
    page = Page(text)
    assert page.fetched == []
    assert not re.search(r"https?://(?!reference\.invalid)", page.text.replace("https://github.com", ""))
    assert "<script" not in text


def test_failures_come_first_and_show_everything(session: pytest.Pytester):
    text = Page(reported(session, "html")).text
    assert order(
        text, "failed (exit code 1)", "Failed (1)", "Suite errors (1)", "Should missed (1)", "Not exercised", "Passed"
    )
    for part in ("M-NR-01 test_cases.py::test_fail", "the sun", "rain", "timeline of victim (", "—— victim registers"):
        assert part in text
    assert "pytest test_cases.py::test_fail --target reference --seed 1" in text
    assert order(text, "it never began", "it is not claimed")


def test_markdown_has_the_same_order(session: pytest.Pytester):
    text = reported(session, "md")
    assert order(text, "**failed (exit code 1)**", "### Failed", "### Suite errors", "### Not exercised", "### Passed")
    assert "- want: the sun\n- got: rain\n" in text
    assert "```text\n" in text
    assert "Repeat: `pytest test_cases.py::test_fail" in text


def test_what_a_baseline_accepts_stands_apart(session: pytest.Pytester):
    (session.path / "known.toml").write_text('[[known]]\nrequirement = "M-NR-01"\nreason = "we know"\n')
    text = Page(reported(session, "html", "--baseline", "known.toml")).text
    assert order(text, "Suite errors", "Known (1)", "Known: we know")
    assert "Failed (" not in text


@pytest.mark.parametrize("form", [html.page, markdown.text])
def test_whatever_a_target_says_stays_text(form: object):
    nasty = "<script>alert('*1*')</script> | `x` & [a](b)"
    judgement = Judgement(Verdict.FAIL, (Finding("a", nasty),))
    result = Result("x.py::test_a", ("M-NR-01",), "MUST", "s", judgement)
    unsaid = Result("x.py::test_b", ("M-NR-02",), "MUST", "s", Judgement(Verdict.UNSUPPORTED, (Finding("", nasty),)))
    report = Report(nasty, nasty, "run", 0, {}, (result, unsaid), left_behind=(nasty,))
    text = form(Outcome((report,), (nasty,)))  # type: ignore[operator]
    assert "<script>" not in text
    assert "alert(" in text


def test_an_empty_session_has_a_page_too(tmp_path: Path):
    html.write(Outcome(()), tmp_path / "page.html")
    assert "not green" in Page((tmp_path / "page.html").read_text()).text


def test_the_summary_says_how_long_the_target_made_the_run_wait():
    waits = Waits("garbage", 100.0, alone=20.0)
    lines = summary(Report("t", "v1", "run", 0, {}, (), wall_seconds=132.0, longest_wait=300.0, waits=waits))
    assert any(
        "longest wait imposed by the target 100.0 s (scenario garbage) and 20.0 s alone" in line
        and "wall time 132.0 s: 1.10 times that" in line
        for line in lines
    )
