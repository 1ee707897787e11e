"""What pytest shows and how it ends."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import fixtures.reference
import fixtures.reference_agent  # noqa: F401
from conformance.collect import collect

CASES = '''
import pytest
from conformance.kinds import NODE
from conformance.scenario import judges, scenario
from conformance.verdict import NotExercised, SuiteError, Unsupported, Violation


@scenario(watches=(NODE,), longest=lambda timing: 5)
async def quiet(stage):
    """Registers a node."""
    await stage.node("victim")


@judges("M-HB-03", reads=quiet)
def test_pass(seen):
    pass


@judges("M-NR-01", reads=quiet)
def test_fail(seen):
    raise Violation(want="the sun", got="rain", about=seen.name("victim"))


@judges("M-NR-05", reads=quiet)
def test_warning(seen):
    raise Violation(want="a hat", got="none")


@judges("M-NR-02", reads=quiet)
def test_not_exercised(seen):
    raise NotExercised("it never began")


@judges("M-NR-03", reads=quiet)
def test_unsupported(seen):
    raise Unsupported("it is not claimed")


@judges("M-NR-04", reads=quiet)
def test_suite_error(seen):
    raise SuiteError("the suite fell asleep")
'''

collect()  # imported here, modules stay; imported by an inner session, they would be read again for every test

_LEAVE_OUT = ("randomly", "hypothesispytest", "xdist", "anyio", "cacheprovider")
OPTIONS = [
    *("-o", "asyncio_default_fixture_loop_scope=function"),
    *(word for name in _LEAVE_OUT for word in ("-p", f"no:{name}")),
    *("-p", "conformance.pytest_plugin.plugin", "-p", "fixtures.plugin", "--seed", "1"),
]


@pytest.fixture
def session(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(test_cases=CASES)
    return pytester


def ran(session: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return session.runpytest_inprocess(*OPTIONS, *arguments)


def test_every_verdict_has_a_word_of_its_own(session: pytest.Pytester):
    result = ran(session, "-v")
    words = {"pass": "PASS", "fail": "FAIL", "warning": "WARNING", "not_exercised": "NOT EXERCISED"}
    words |= {"unsupported": "UNSUPPORTED", "suite_error": "SUITE ERROR"}
    result.stdout.fnmatch_lines_random([f"*::test_{name} {word}*" for name, word in words.items()])
    result.stdout.fnmatch_lines(["*1 pass, 1 fail, 1 warning, 1 unsupported, 1 not exercised, 1 suite error in*"])


def test_every_verdict_has_a_letter_of_its_own(session: pytest.Pytester):
    ran(session).stdout.fnmatch_lines(["test_cases.py .FwnuE*"])


@pytest.mark.parametrize(
    ("chosen", "code"),
    [
        ("test_pass", 0),
        ("test_pass or test_warning or test_unsupported", 0),
        ("test_fail or test_suite_error or test_not_exercised", 1),
        ("test_pass or test_not_exercised", 6),
        ("test_unsupported", 6),
        ("test_not_exercised", 6),
        ("test_suite_error or test_not_exercised", 7),
        ("nothing_at_all", 5),
    ],
)
def test_the_exit_code_tells_what_happened(session: pytest.Pytester, chosen: str, code: int):
    assert ran(session, "-k", chosen).ret == code


def test_a_missed_should_fails_only_on_request(session: pytest.Pytester):
    assert ran(session, "-k", "test_pass or test_warning").ret == 0
    assert ran(session, "-k", "test_pass or test_warning", "--strict-should").ret == 1


def test_a_failure_explains_itself(session: pytest.Pytester):
    result = ran(session, "-k", "test_fail", "--timing", "G=20")
    result.stdout.fnmatch_lines(
        [
            "M-NR-01 (MUST)*",
            "*source: *",
            "*want the sun",
            "*got  rain",
            "timeline of victim (*; names without nc-*-quiet-):",
            "*—— victim registers",
            "*Node victim: created, Ready absent → True*",
            "last requests of each kind:",
            "*201  curl -X POST -H 'Content-Type: application/json' --data '{*http://reference.invalid/api/v1/nodes",
            "repeat:  pytest test_cases.py::test_fail --target reference --seed 1 --timing G=20",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_what_was_not_exercised_says_why(session: pytest.Pytester):
    result = ran(session, "-k", "test_not_exercised")
    result.stdout.fnmatch_lines(["it never began", "*M-NR-02*test_not_exercised", "*nothing was exercised*"])


def test_junit_has_the_right_children(session: pytest.Pytester):
    ran(session, "--junitxml", "junit.xml")
    found = {
        case.get("name"): [child.tag for child in case if child.tag != "properties"]
        for case in ET.parse(session.path / "junit.xml").iter("testcase")
    }
    assert found == {
        "test_pass": [],
        "test_fail": ["failure"],
        "test_warning": [],
        "test_not_exercised": ["skipped"],
        "test_unsupported": ["skipped"],
        "test_suite_error": ["error"],
    }


def test_the_report_is_complete(session: pytest.Pytester):
    ran(session, "--report-json", "report.json")
    (run,) = json.loads((session.path / "report.json").read_text())["runs"]
    assert run["counts"] == {
        "pass": 1,
        "fail": 1,
        "warning": 1,
        "unsupported": 1,
        "not exercised": 1,
        "suite error": 1,
    }
    assert run["run"]["exitCode"] == 1
    failed = run["cases"][1]
    assert (failed["requirements"], failed["verdict"]) == (["M-NR-01"], "fail")
    assert failed["findings"][0]["want"] == "the sun"


def test_histories_of_one_seed_are_one_file(session: pytest.Pytester):
    for name in ("a.jsonl", "b.jsonl"):
        ran(session, "--history-out", name)
    assert (session.path / "a.jsonl").read_bytes() == (session.path / "b.jsonl").read_bytes()


@pytest.mark.parametrize("option", [["--requirement", "M-NR-01"], ["-k", "M-NR-01"]])
def test_cases_can_be_chosen_by_requirement(session: pytest.Pytester, option: list[str]):
    ran(session, *option).stdout.fnmatch_lines(["*1 failed, 5 deselected*"])


def test_an_unknown_requirement_is_an_error(session: pytest.Pytester):
    result = ran(session, "--requirement", "M-NO-99")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*M-NO-99: no such requirement"])


def test_a_case_on_an_unknown_requirement_stops_the_collection(session: pytest.Pytester):
    session.makepyfile(test_cases=CASES.replace("M-NR-05", "M-NO-99"))
    result = ran(session)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_warning judges M-NO-99, which is in no catalogue file"])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--kubeconfig", "missing"], "kubeconfig missing: No such file or directory"),
        (["--target", "reference", "--kubeconfig", "x"], "*exclude each other"),
        (["--timing", "X=1"], "unknown timing setting 'X'*"),
        (["--timing-profile", "missing.toml"], "timing profile missing.toml:*"),
    ],
)
def test_a_wrong_target_is_one_line_before_any_case(session: pytest.Pytester, arguments: list[str], text: str):
    result = ran(session, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {text}"])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_nothing_happens_in_a_session_without_cases(pytester: pytest.Pytester):
    pytester.makepyfile(test_plain="def test_plain():\n    assert True\n")
    result = ran(pytester, "--kubeconfig", "missing")
    result.assert_outcomes(passed=1)
    assert "conformance" not in result.stdout.str().partition("collected")[2]


def test_collecting_starts_nothing(session: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("conformance.pytest_plugin.runs.Runs.start", lambda self: pytest.fail("started"))
    assert ran(session, "--collect-only").ret == 0


def test_an_interrupt_is_cleaned_up_and_says_so(session: pytest.Pytester):
    text = CASES.replace("    pass\n", "    raise KeyboardInterrupt\n")
    session.makepyfile(test_cases=text)
    result = session.runpytest_subprocess(*OPTIONS)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["verdict: none, the run was interrupted; it is cleaned up"])


def test_both_sides_run_one_after_the_other(pytester: pytest.Pytester):
    root = Path(__file__).parents[2]
    cases = [f"{root}/conformance/master/test_recovery.py", f"{root}/conformance/node/test_lease.py"]
    result = ran(pytester, *cases)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["target reference (*", "target reference kubelet (*"])


def test_choosing_a_driver_chooses_the_node_s_cases(pytester: pytest.Pytester):
    root = Path(__file__).parents[2]
    cases = [f"{root}/conformance/master/test_recovery.py", f"{root}/conformance/node/test_lease.py"]
    result = ran(pytester, *cases, "--driver", "reference")
    result.stdout.fnmatch_lines(["*deselected*"])
    assert "target reference (" not in result.stdout.str()


def test_a_saved_history_is_judged_again_without_a_target(session: pytest.Pytester):
    ran(session, "--history-out", "run.jsonl")
    again = ran(session, "--replay", "run.jsonl", "-k", "test_pass or test_fail or test_warning")
    again.stdout.fnmatch_lines(["target history run.jsonl (v1.*", "1 pass, 1 fail, 1 warning in*"])


def test_only_histories_are_judged_again(session: pytest.Pytester):
    (session.path / "run.jsonl").write_text("hello\n")
    result = ran(session, "--replay", "run.jsonl")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: run.jsonl: not a history*"])


def test_the_run_is_announced_with_its_id_before_the_first_case(session: pytest.Pytester):
    ran(session).stdout.fnmatch_lines(
        ["collected*", "target reference, run ??????: up to 5 s*", "test_cases.py .FwnuE*"]
    )


def test_what_would_take_too_long_is_skipped_and_says_so(session: pytest.Pytester):
    result = ran(session, "--max-wait", "3")
    result.stdout.fnmatch_lines(["*scenario quiet may take 5 s, more than --max-wait 3", "6 skipped in*"])
    assert result.ret == 6


def test_a_profile_the_target_does_not_claim_is_unsupported(session: pytest.Pytester):
    result = ran(session, "--without", "core")
    result.stdout.fnmatch_lines(["declared by --without core", "6 unsupported in*"])


def test_a_plan_says_what_would_be_done_and_does_nothing(session: pytest.Pytester):
    result = ran(session, "--plan")
    result.stdout.fnmatch_lines(
        ["target http://reference.invalid (v1.*", "*5 s  quiet (6 cases): Registers a node.", "*up to 5 s*"]
    )
    assert "canary" not in result.stdout.str()
    assert result.ret == 0
    assert "run-id" not in result.stdout.str()


def test_an_interrupted_clean_up_says_how_to_finish_it(session: pytest.Pytester):
    text = CASES.replace("    pass\n", "    raise KeyboardInterrupt\n")
    spoil = "import conformance.runner.session\n\nasync def close(self):\n    raise KeyboardInterrupt\n\n"
    session.makepyfile(test_cases=text)
    session.makeconftest(spoil + "conformance.runner.session.Session.close = close\n")
    result = session.runpytest_subprocess(*OPTIONS)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        [
            "interrupted; removing what the run created*",
            "left behind: the clean-up was interrupted",
            "to remove it: node-contract cleanup --run-id ??????",
        ]
    )
