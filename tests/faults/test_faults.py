"""The suite is tested by being wrong on purpose: every fault must be caught by a case of what it breaks."""

from __future__ import annotations

from types import ModuleType

import pytest

from conformance.report.results import Result
from conformance.verdict import Verdict
from tests.faults.harness import Fault, all_faults, subjects, survived, verdicts


@pytest.mark.parametrize("fault", all_faults(), ids=str)
def test_fault_is_caught(fault: Fault) -> None:
    assert survived(fault) == []


@pytest.mark.parametrize("subject", subjects(), ids=lambda module: module.__name__.removeprefix("tests.faults."))
def test_nothing_is_caught_without_a_fault(subject: ModuleType) -> None:
    results: list[Result] = []
    for settings in dict.fromkeys(fault.settings for fault in subject.FAULTS):
        ids = dict.fromkeys(name for fault in subject.FAULTS if fault.settings == settings for name in fault.ids)
        results += verdicts(ids, settings)
    assert [(result.case, result.judgement) for result in results if result.verdict is not Verdict.PASS] == []
