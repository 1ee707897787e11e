"""A killed server is held to every word: the ledger notices what is lost, and a few kills lose nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import durability
from bench.ledger import Ledger

PATH = "/api/v1/nodes/w1"


def test_what_was_acknowledged_and_is_gone_is_a_fault():
    ledger = Ledger()
    ledger.acknowledge(PATH, "a", 5, ledger.begin(PATH, "a"))
    ledger.found(PATH, "", 0)
    assert "was acknowledged at 5" in ledger.faults[0]


def test_a_write_without_answer_may_have_happened_or_not():
    for found in ("a", "b"):
        ledger = Ledger()
        ledger.acknowledge(PATH, "a", 5, ledger.begin(PATH, "a"))
        ledger.begin(PATH, "b")
        ledger.found(PATH, found, 5 if found == "a" else 7)
        assert ledger.faults == []


def test_what_a_watch_has_shown_must_stay():
    ledger = Ledger()
    ledger.acknowledge(PATH, "a", 5, ledger.begin(PATH, "a"))
    ledger.begin(PATH, "b")
    ledger.shown(PATH, "b", 6)
    ledger.found(PATH, "a", 5)
    assert "was shown at 6" in ledger.faults[0]


def test_a_revision_that_names_two_writes_is_a_fault():
    ledger = Ledger()
    ledger.acknowledge(PATH, "a", 5, ledger.begin(PATH, "a"))
    ledger.acknowledge(PATH + "2", "b", 5, 4)
    assert len(ledger.faults) == 1


def test_revisions_that_go_back_are_a_fault():
    ledger = Ledger()
    ledger.acknowledge(PATH, "a", 5, ledger.begin(PATH, "a"))
    ledger.acknowledge(PATH, "b", 4, ledger.begin(PATH, "b"))
    ledger.now_at(3)
    assert len(ledger.faults) == 2


@pytest.mark.live
async def test_two_kills_lose_nothing(tmp_path: Path):
    played = await durability.play(kills=2, seed=7, writers=8, directory=tmp_path)
    assert played.ledger.faults == []
    assert played.ledger.acknowledged > 0
