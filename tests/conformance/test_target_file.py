"""What a target file says, and what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fixtures.reference  # noqa: F401
from conformance.given import declared
from conformance.given.baseline import Known
from conformance.given.declared import Declared, TargetFileError
from tests.conformance.test_plugin import CASES, OPTIONS

WHOLE = """
name = "ours"
version = "1.30"

[timing]
G = "20s"
node-monitor-period = 2

[features]
scheduler = false
eviction = true

[[known]]
requirement = "M-NR-06"
reason = "so be it"
"""


def said(tmp_path: Path, text: str) -> Declared:
    path = tmp_path / "target.toml"
    path.write_text(text)
    return declared.read(path)


def test_everything_is_read(tmp_path: Path):
    found = said(tmp_path, WHOLE)
    assert (found.name, found.version, found.minor) == ("ours", "1.30", 30)
    assert found.timing == {"node_monitor_grace_period": 20, "node_monitor_period": 2}
    assert found.features == {"scheduler": False, "eviction": True}
    assert found.known == (Known("M-NR-06", "so be it", str(tmp_path / "target.toml")),)


def test_an_empty_file_declares_nothing(tmp_path: Path):
    assert said(tmp_path, "") == Declared()


@pytest.mark.parametrize(
    ("text", "defect"),
    [
        ("color = 1", "unknown entry 'color'; there are name, version, timing, features, known"),
        ("name = 1", "name is no text"),
        ("version = 1.30", 'version 1.3 is not a Kubernetes version such as "1.30"'),
        ("version = '2.0'", "version '2.0' is not a Kubernetes version such as \"1.30\""),
        ("[timing]\nX = 1", "unknown timing setting 'X'"),
        ("[features]\nmagic = true", "unknown feature 'magic'; there are scheduler,"),
        ("[features]\nscheduler = 1", "feature scheduler is neither true nor false"),
        ("features = 1", "features is no section"),
        ("timing = 1", "timing is no section"),
        ("[[known]]\nrequirement = 'M-NR-06'", "M-NR-06: no reason given"),
        ("[timing", "target file"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path: Path, text: str, defect: str):
    with pytest.raises(TargetFileError) as error:
        said(tmp_path, text)
    assert defect in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_without_declares_a_feature_absent():
    found = Declared(features={"scheduler": True}, origins={"scheduler": "f.toml"}).without(["scheduler", "core"])
    assert (found.features, found.origins) == ({"scheduler": False}, {"scheduler": "--without scheduler"})


# In a session


@pytest.fixture
def session(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(test_cases=CASES)
    return pytester


def ran(session: pytest.Pytester, text: str, *more: str) -> tuple[pytest.RunResult, dict[str, object]]:
    (session.path / "target.toml").write_text(text)
    result = session.runpytest_inprocess(*OPTIONS, "--target-file", "target.toml", "--report-json", "r.json", *more)
    path = session.path / "r.json"
    return result, json.loads(path.read_text())["runs"][0] if path.exists() else {}


def test_timings_reach_target_and_suite(session: pytest.Pytester):
    result, run = ran(session, "[timing]\nG = 16\n", "-k", "test_pass")
    assert run["timing"]["node_monitor_grace_period"] == 16
    assert result.ret == 0


def test_an_option_overrides_the_file(session: pytest.Pytester):
    _, run = ran(session, "[timing]\nG = 16\n", "-k", "test_pass", "--timing", "G=20")
    assert run["timing"]["node_monitor_grace_period"] == 20


def test_a_failure_is_repeated_with_the_same_file(session: pytest.Pytester):
    result, _ = ran(session, "[timing]\nG = 16\n", "-k", "test_fail")
    result.stdout.fnmatch_lines(
        ["repeat:  pytest test_cases.py::test_fail --target reference --target-file target.toml*"]
    )


def test_its_known_failures_are_a_baseline(session: pytest.Pytester):
    text = '[[known]]\nrequirement = "M-NR-01"\nreason = "we know"\n'
    assert ran(session, text, "-k", "test_pass or test_fail")[0].ret == 0


def test_its_name_stands_in_the_report(session: pytest.Pytester):
    result, run = ran(session, 'name = "ours"', "-k", "test_pass")
    assert run["target"]["name"] == "ours"
    result.stdout.fnmatch_lines(["target ours (*"])


def test_it_is_judged_as_the_version_that_is_declared_and_told_apart(session: pytest.Pytester):
    result, run = ran(session, 'version = "1.20"', "-k", "test_pass")
    assert run["contradictions"] == ["version is declared as 1.20, but it says v1.36.2+node-contract"]
    result.stdout.fnmatch_lines(["contradiction: version is declared as 1.20, *"])


def test_a_wrong_file_stops_before_anything_runs(session: pytest.Pytester):
    result, _ = ran(session, "color = 1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: target.toml: unknown entry 'color'*"])


def test_an_unknown_feature_cannot_be_left_out(session: pytest.Pytester):
    result = session.runpytest_inprocess(*OPTIONS, "--without", "magic")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --without magic: no such feature or profile; *"])
