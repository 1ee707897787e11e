"""What cases on agents rely on: quantities, bursts of requests, and windows for retries."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.agent_timing import AgentTiming
from conformance.judge import agent_requests as wire
from conformance.judge.quantities import amount, same
from conformance.record.history import AGENT, Exchange


def _sent(at: float, method: str = "PATCH", path: str = "/api/v1/nodes/n/status", **more: Any) -> Exchange:
    return Exchange(at, at + 0.01, AGENT, method, path, more.pop("status", 200), **more)


@pytest.mark.parametrize(
    ("text", "value"),
    [("4Gi", 4 * 1024**3), ("100m", Decimal("0.1")), ("1e3", 1000), ("2E", 2 * 10**18), ("1.5k", 1500), ("-1", -1)],
)
def test_a_quantity_is_read_in_base_units(text: str, value: Decimal) -> None:
    assert amount(text) == value


@pytest.mark.parametrize("text", ["", "plenty", "1 Gi", "Gi", None, "1e"])
def test_what_is_no_quantity_has_no_amount(text: str | None) -> None:
    assert amount(text) is None


@given(st.integers(min_value=0, max_value=10**6))
def test_notation_does_not_matter(number: int) -> None:
    assert same(f"{number}Ki", str(number * 1024))


def test_absent_quantities_are_not_the_same() -> None:
    assert not same(None, None)


def test_a_pause_separates_bursts() -> None:
    times = [0.0, 0.1, 0.2, 10.0, 10.1]
    found = wire.bursts([_sent(at) for at in times], 5)
    assert [[x.sent for x in burst] for burst in found] == [[0.0, 0.1, 0.2], [10.0, 10.1]]


def test_a_write_names_its_node_in_the_path_or_in_the_body() -> None:
    created = _sent(0, "POST", "/api/v1/nodes", request='{"metadata":{"name":"a"}}')
    assert wire.written_name(created) == "a"
    assert wire.written_name(_sent(0, path="/api/v1/nodes/b/status?timeout=10s")) == "b"
    assert not wire.written_name(_sent(0, "DELETE", "/api/v1/nodes"))


def test_an_answer_that_was_cut_tells_no_version() -> None:
    whole = _sent(0, response='{"metadata":{"resourceVersion":"7"}}')
    cut = _sent(0, response='{"metadata":{"resourceVersion":"7"')
    assert (wire.answered_version(whole), wire.answered_version(cut)) == ("7", None)


def test_pauses_between_tries_double_up_to_seven_seconds() -> None:
    timing = AgentTiming()
    due = [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 7.0, 7.0]
    assert all(pause in timing.retry(number) for number, pause in enumerate(due, 1))
    assert 0.1 not in timing.retry(1)
    assert 9 not in timing.retry(8)


def test_a_pressure_outlives_its_cause_by_the_transition_period() -> None:
    window = AgentTiming().relieved(300)
    assert 300 in window
    assert 100 not in window
